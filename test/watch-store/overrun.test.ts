// A `watch` that stands still while the ring goes round: the kernel's numbers say how much it lost, the store keeps it, and
// `events` shows it among the events.
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type KnownGap, type StoredEvent, StoreReader } from '../../src/watch/store/store-reader.ts';
import { ended } from '../support/child.ts';
import { Chatter, lockRing, needsRing, type RingLock, turnRingOver, watchNumbers } from '../watch-sources/ring.ts';

const program = join(import.meta.dirname, '../../bin/bridgekeeper');
const run = promisify(execFile);

describe('watch, and the ring goes round', { skip: needsRing }, () => {
  let lock: RingLock;
  let directory: string;
  let chatter: Chatter;
  let watching: ChildProcess | undefined;
  before(async () => {
    lock = await lockRing();
    directory = mkdtempSync(join(tmpdir(), 'bridgekeeper-overrun-'));
    chatter = await Chatter.start('[UFW BLOCK]');
  });
  after(async () => {
    await stop();
    await chatter.stop();
    rmSync(directory, { recursive: true });
    await lock.release();
  });

  function start(): void {
    watching = spawn(program, ['watch', 'kmsg', '--state', directory], { stdio: ['ignore', 'ignore', 'pipe'] });
  }

  async function stop(): Promise<void> {
    const child = watching;
    watching = undefined;
    if (child === undefined || child.exitCode !== null) return;
    const gone = ended(child);
    child.kill('SIGCONT');
    child.kill('SIGINT');
    await gone;
  }

  /** Until so many of our lines are stored. */
  async function storedLines(count: number): Promise<readonly StoredEvent[]> {
    const deadline = Date.now() + 60_000;
    for (;;) {
      const found = ask((reader) => [...reader.events({ prefix: chatter.prefix }, 'stored')]) ?? [];
      if (found.length >= count) return found;
      assert.ok(Date.now() < deadline, `${found.length} of ${count} stored`);
      await sleep(50);
    }
  }

  function ask<T>(question: (reader: StoreReader) => T): T | undefined {
    let reader: StoreReader;
    try {
      reader = new StoreReader(directory);
    } catch {
      return undefined; // not yet
    }
    try {
      return question(reader);
    } finally {
      reader.close();
    }
  }

  const overruns = (): readonly KnownGap[] =>
    (ask((reader) => reader.gaps({})) ?? []).filter(({ reason }) => reason === 'overrun');

  /** From the place where reading ended to the first record that was read again: so many the kernel had. */
  function assertExact(gap: KnownGap | undefined, numbers: readonly number[]): number {
    const from = gap?.between.after?.sequence ?? 0;
    const until = gap?.between.before?.sequence ?? 0;
    const between = numbers.filter((number) => number > from && number < until).length;
    assert.ok(between > 100, `${between}`);
    assert.deepEqual(gap?.lost, { exact: between });
    return between;
  }

  it('stopped by SIGSTOP: an exact gap, and reading goes on', async () => {
    start();
    await chatter.send(3);
    await storedLines(3);
    const watched = watchNumbers();
    watching?.kill('SIGSTOP');
    await chatter.send(20); // lost, and counted
    await turnRingOver();
    await chatter.send(2);
    watching?.kill('SIGCONT');
    const events = await storedLines(5);
    assert.equal(events.length, 5);
    const gaps = overruns();
    assert.equal(gaps.length, 1);
    const lost = assertExact(gaps[0], watched.stop());
    const { stdout } = await run(program, ['events', '--state', directory]);
    const lines = stdout.split('\n');
    const told = lines.findIndex((line) => line.endsWith(`kmsg: lost ${lost} messages (overrun)`));
    const own = lines.flatMap((line, at) => (line.includes(chatter.prefix.trim()) ? [at] : []));
    assert.ok(told > (own[2] ?? 0) && told < (own[3] ?? 0), 'it stands where it was');
    await stop();
  });

  it('not running: the next run tells the same', async () => {
    const watched = watchNumbers();
    await chatter.send(20);
    await turnRingOver();
    start();
    await chatter.send(2);
    assert.equal((await storedLines(7)).length, 7);
    const gaps = overruns();
    assert.equal(gaps.length, 2);
    const lost = assertExact(gaps[1], watched.stop());
    const { stdout } = await run(program, ['events', '-o', 'json', '--state', directory]);
    const shown = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
      .filter(({ kind, reason }) => kind === 'gap' && reason === 'overrun');
    assert.deepEqual(shown[1].lost, { exact: lost });
    assert.equal(shown[1].healed, false);
    await stop();
  });
});
