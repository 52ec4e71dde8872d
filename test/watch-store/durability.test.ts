// Acknowledged means on the disk: seen in the system calls, with a disk that refuses to sync, and with one that is full.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { StoreReader } from '../../src/watch/store/store-reader.ts';
import { LogWriter } from '../watch-sources/log-writer.ts';
import { KilledProgram } from './killed-program.ts';

let directory: string;
const programs: KilledProgram[] = [];
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'bridgekeeper-durable-'));
});
after(async () => {
  for (const program of programs) await program.kill();
  rmSync(directory, { recursive: true });
});

const needsTrace = traceProblem();

function traceProblem(): string | false {
  const { error, status } = spawnSync('strace', ['-f', '-o', '/dev/null', '-e', 'trace=fsync', 'true']);
  if (error !== undefined) return 'needs strace';
  return status === 0 ? false : 'strace may not trace here';
}

const needsMount = process.getuid?.() === 0 ? false : 'needs root for a mount namespace';

/** A machine that has a kern.log only, and the program that follows it. */
class Machine {
  readonly directory: string;
  readonly log: LogWriter;
  program: KilledProgram;

  constructor(name: string, wrapper: readonly string[] = []) {
    this.directory = join(directory, name);
    mkdirSync(join(this.directory, 'store'), { recursive: true });
    for (const file of ['kmsg', 'journal', 'ufw.log']) new LogWriter(join(this.directory, file));
    this.log = new LogWriter(join(this.directory, 'kern.log'));
    this.program = this.runBy(wrapper);
  }

  runBy(wrapper: readonly string[]): KilledProgram {
    this.program = new KilledProgram([this.directory], join(directory, 'cache'), wrapper);
    programs.push(this.program);
    return this.program;
  }

  get acknowledged(): readonly string[] {
    return (this.program.acknowledged[0] ?? []).map(({ text }) => text);
  }

  async untilAcknowledged(count: number): Promise<void> {
    const deadline = Date.now() + 60_000;
    while (this.acknowledged.length < count && this.program.refusal === '') {
      assert.ok(Date.now() < deadline, `${this.acknowledged.length} of ${count} acknowledged`);
      await sleep(2);
    }
  }

  get stored(): readonly string[] {
    return this.read((reader) => [...reader.events({}, 'stored')].map(({ text }) => text.toString('latin1').trimEnd()));
  }

  get gaps(): readonly string[] {
    return this.read((reader) => reader.gaps({}).map(({ source, reason }) => `${source}: ${reason}`));
  }

  read<T>(read: (reader: StoreReader) => T): T {
    const reader = new StoreReader(join(this.directory, 'store'));
    try {
      return read(reader);
    } finally {
      reader.close();
    }
  }

  get written(): readonly string[] {
    return this.log.written.map((text) => text.trimEnd());
  }
}

describe('the system calls', { skip: needsTrace }, () => {
  it('have the sync between what is written to the store and the word that it is stored', async () => {
    const trace = join(directory, 'trace');
    const calls = 'trace=fdatasync,fsync,write,pwrite64';
    const machine = new Machine('traced', ['strace', '-f', '-y', '-s', '80', '-o', trace, '-e', calls]);
    await machine.program.start();
    const lines = 20;
    for (let line = 1; line <= lines; line++) {
      machine.log.append();
      await machine.untilAcknowledged(line); // so that every commit has one line
    }
    assert.equal(await machine.program.end(), 0);
    assert.deepEqual(machine.acknowledged, machine.written);
    assert.equal(checkOrder(readFileSync(trace, 'latin1').split('\n')), lines);
  });
});

/** Goes through the calls of all threads; gives how many words about stored events there were. */
function checkOrder(calls: readonly string[]): number {
  let written = false;
  let synced = false;
  let told = 0;
  for (const call of calls) {
    if (/ pwrite64\(\d+<[^>]*events\.db-wal>/.test(call)) {
      written = true;
      synced = false;
    } else if (/ (?:f(?:data)?sync\(\d+<[^>]*events\.db-wal>\)|<\.\.\. f(?:data)?sync resumed>\)) += 0/.test(call)) {
      synced = true;
    } else if (/ write\(1<[^>]*>, "0 \d+ /.test(call)) {
      assert.ok(written && synced, `${call}: ${written ? 'not synced' : 'not written'}`);
      told++;
      written = false;
      synced = false;
    }
  }
  return told;
}

describe('a disk that does not sync', { skip: needsTrace }, () => {
  it('stops the program; what it had acknowledged is there, and the next run has the rest', async () => {
    const broken = ['strace', '-f', '-o', '/dev/null', '-e', 'trace=fsync,fdatasync', '-e'];
    const machine = new Machine('unsynced', [...broken, 'inject=fsync,fdatasync:error=EIO:when=20+']);
    await machine.program.start();
    for (let line = 1; line <= 30 && machine.program.refusal === ''; line++) {
      machine.log.append();
      await machine.untilAcknowledged(line);
    }
    assert.notEqual(machine.program.refusal, '', 'it has not noticed');
    assert.equal(await machine.program.ended(), 2);
    assert.match(machine.program.refusal, /^store-refused: .*events\.db: disk I\/O error$/);
    const before = machine.acknowledged;
    assert.ok(before.length > 0 && before.length < machine.written.length, `${before.length} acknowledged`);
    const stored = machine.stored;
    for (const text of before) assert.ok(stored.includes(text), text);
    await machine.runBy([]).start();
    machine.log.append();
    await machine.untilAcknowledged(machine.written.length - stored.length);
    assert.equal(await machine.program.end(), 0);
    assert.deepEqual(machine.stored, machine.written);
  });
});

describe('a full disk', { skip: needsMount }, () => {
  it('is written down, the store can be read, and with room again nothing is missing', async () => {
    // the namespace outlives the program: first with little room, then, when it is told so, with more
    const machine = new Machine('full');
    const store = join(machine.directory, 'store');
    const script =
      'mount -t tmpfs -o size=3m tmpfs "$1" || exit 9; shift; "$@"; code=$?; cp -r "$STORE" "$STORE.full"; exit $code';
    machine.runBy(['env', `STORE=${store}`, 'unshare', '-m', 'sh', '-c', script, 'sh', store]);
    await machine.program.start();
    for (let rounds = 0; rounds < 400 && machine.program.refusal === ''; rounds++) {
      machine.log.append(100);
      await machine.untilAcknowledged(machine.written.length);
    }
    assert.notEqual(machine.program.refusal, '', 'it has not noticed');
    assert.equal(await machine.program.ended(), 2);
    assert.match(machine.program.refusal, /^disk-full: .*events\.db: the disk is full$/);
    const before = machine.acknowledged;
    assert.ok(before.length > 500 && before.length < machine.written.length, `${before.length} acknowledged`);
    rmSync(store, { recursive: true });
    execFileSync('cp', ['-r', `${store}.full`, store]);
    assert.ok(!existsSync(join(store, 'reserve')), 'the space that was kept back is used');
    assert.deepEqual(machine.gaps, ['store: disk-full']);
    const stored = machine.stored;
    assert.deepEqual(stored.slice(0, before.length), before);
    await machine.runBy([]).start();
    machine.log.append();
    await machine.untilAcknowledged(machine.written.length - stored.length);
    assert.equal(await machine.program.end(), 0);
    assert.deepEqual(machine.stored, machine.written);
    assert.ok(existsSync(join(store, 'reserve')));
  });
});
