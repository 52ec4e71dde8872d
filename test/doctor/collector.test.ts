// The collector that is installed where nothing else keeps the ring: with the real ring and real LOG lines, and with a dmesg
// of the test's own where the ring must go round at the right moment.
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, execFileSync, spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, renameSync, statSync, watch, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { collectorInit, collectorPath, collectorScript } from '../../src/doctor/dmesg-collector.ts';
import { parseLogLine } from '../../src/watch/parse-line.ts';
import { ended } from '../support/child.ts';
import { freshDirectory } from '../support/run-cli.ts';
import { Chatter, lockRing, needsRing } from '../watch-sources/ring.ts';

class Collector {
  readonly #directory: string;
  readonly #path: string;
  #child: ChildProcess | undefined;

  constructor(directory: string) {
    this.#directory = directory;
    this.#path = join(directory, 'bridgekeeper-dmesg');
    writeFileSync(this.#path, collectorScript);
  }

  get file(): string {
    return join(this.#directory, 'kern.log');
  }

  /** Instead of the real dmesg: it shows what `ring` holds. */
  get ring(): string {
    return join(this.#directory, 'ring');
  }

  showRing(lines: readonly string[]): void {
    const fake = join(this.#directory, 'dmesg');
    if (!existsSync(fake)) writeFileSync(fake, `#!/bin/sh\ncat ${this.ring}\n`);
    chmodSync(fake, 0o755);
    writeFileSync(`${this.ring}.new`, lines.map((line) => `${line}\n`).join(''));
    renameSync(`${this.ring}.new`, this.ring);
  }

  start(): void {
    const env = { ...process.env, PATH: `${this.#directory}:${process.env.PATH}` };
    this.#child = spawn('sh', this.#words, { env, stdio: 'ignore' });
  }

  get #words(): readonly string[] {
    return [this.#path, this.file, join(this.#directory, 'state'), '0.1', this.pidFile];
  }

  get pidFile(): string {
    return join(this.#directory, 'pid');
  }

  /** Another one of the same, which ends when one runs already. */
  second(): Promise<readonly [code: unknown, said: string]> {
    return new Promise((resolve) => {
      execFile('sh', this.#words, { timeout: 10_000 }, (error, _out, said) => resolve([error?.code, said]));
    });
  }

  /** Files of it and of what it starts may have so many bytes. */
  limit(bytes: number | 'unlimited'): void {
    execFileSync('prlimit', ['--pid', `${this.#child?.pid}`, `--fsize=${bytes}:`]);
  }

  /** Instead of the real dmesg: it fails once, and prints nothing. */
  failOnce(): void {
    const words = `#!/bin/sh\nmv ${this.ring}.fails ${this.ring}.failed 2>/dev/null && exit 1\ncat ${this.ring}\n`;
    writeFileSync(`${this.ring}.fails`, '');
    writeFileSync(join(this.#directory, 'dmesg.new'), words, { mode: 0o755 });
    renameSync(join(this.#directory, 'dmesg.new'), join(this.#directory, 'dmesg'));
  }

  get hasFailed(): boolean {
    return existsSync(`${this.ring}.failed`);
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (this.#child === undefined) return;
    const gone = ended(this.#child);
    this.#child.kill(signal);
    await gone;
    this.#child = undefined;
  }

  /** The kernel's text of each line. */
  lines(): readonly string[] {
    if (!existsSync(this.file)) return [];
    return readFileSync(this.file, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.replace(/^\w{3} [ \d]\d \d\d:\d\d:\d\d \S+ (?:kernel: )?/, ''));
  }

  async until(count: number): Promise<void> {
    for (let attempt = 0; attempt < 1200 && this.lines().length < count; attempt++) await sleep(50);
  }

  /** What it has written is also what it has seen: a kill from here on breaks nothing off. */
  async untilWhole(count: number): Promise<void> {
    await this.until(count);
    const before = join(this.#directory, 'state', 'before');
    for (let attempt = 0; attempt < 1200 && existsSync(before); attempt++) await sleep(5);
  }
}

const record = (number: number, level = 4): string => `<${level}>[${`${number}.000001`.padStart(12)}] line ${number}`;
const from = (first: number, last: number): readonly string[] =>
  Array.from({ length: last - first + 1 }, (_, at) => record(first + at));
const texts = (lines: readonly string[]): readonly string[] => lines.map((line) => line.replace(/^<\d>/, ''));

test('new lines are appended once; the ring may lose its old end', async (t) => {
  const collector = new Collector(freshDirectory(t));
  t.after(() => collector.stop());
  collector.showRing(from(1, 50));
  collector.start();
  await collector.until(50);
  collector.showRing(from(30, 70));
  await collector.until(70);
  collector.showRing(from(70, 90));
  await collector.until(90);
  assert.deepEqual(collector.lines(), texts(from(1, 90)));
});

test('lines that are equal to the letter are as many as they are', async (t) => {
  const collector = new Collector(freshDirectory(t));
  t.after(() => collector.stop());
  const same = '<4>[    1.000000] same';
  collector.showRing([same, same]);
  collector.start();
  await collector.until(2);
  collector.showRing([same, same, same]);
  await collector.until(3);
  assert.equal(collector.lines().length, 3);
});

test('a ring that went round wholly: all that it has, and a line that says so', async (t) => {
  const collector = new Collector(freshDirectory(t));
  t.after(() => collector.stop());
  collector.showRing(from(1, 10));
  collector.start();
  await collector.until(10);
  collector.showRing(from(100, 105));
  await collector.until(17);
  const lost = 'bridgekeeper-dmesg: /dev/kmsg buffer overrun, some messages lost.';
  assert.deepEqual(collector.lines(), [...texts(from(1, 10)), lost, ...texts(from(100, 105))]);
});

test("lines of programs are not the kernel's", async (t) => {
  const collector = new Collector(freshDirectory(t));
  t.after(() => collector.stop());
  collector.showRing([record(1), '<12>[    2.000000] [UFW BLOCK] IN=eth0 forged', record(3, 7)]);
  collector.start();
  await collector.until(2);
  assert.deepEqual(collector.lines(), texts([record(1), record(3)]));
});

test('stopped and started anew, and killed at any moment: every line once', async (t) => {
  const collector = new Collector(freshDirectory(t));
  t.after(() => collector.stop());
  let last = 20;
  collector.showRing(from(1, last));
  for (let round = 0; round < 25; round++) {
    collector.start();
    await sleep(20 + ((round * 37) % 150));
    last += 7;
    // a round may be over before anything was copied: what nobody has yet stays
    collector.showRing(from(Math.max(1, Math.min(last - 60, collector.lines().length)), last));
    await sleep((round * 53) % 130);
    await collector.stop(round % 5 === 0 ? 'SIGTERM' : 'SIGKILL');
  }
  collector.start();
  await collector.until(last);
  assert.deepEqual(collector.lines(), texts(from(1, last)));
});

test('an append that was broken off is taken back first', async (t) => {
  const directory = freshDirectory(t);
  const collector = new Collector(directory);
  t.after(() => collector.stop());
  collector.showRing(from(1, 5));
  collector.start();
  await collector.untilWhole(5);
  await collector.stop();
  const whole = readFileSync(collector.file);
  const look = execFileSync('cksum', { input: readFileSync(join(directory, 'state', 'last')) });
  writeFileSync(join(directory, 'state', 'before'), `${whole.length} ${look}`);
  writeFileSync(collector.file, `${whole}Nov 28 00:00:00 host kernel: [   6.0000`);
  collector.showRing(from(1, 7));
  collector.start();
  await collector.until(7);
  assert.deepEqual(collector.lines(), texts(from(1, 7)));
});

test('an append that was whole stays, when the kill came just after it', async (t) => {
  const directory = freshDirectory(t);
  const collector = new Collector(directory);
  t.after(() => collector.stop());
  collector.showRing(from(1, 5));
  collector.start();
  await collector.untilWhole(5);
  await collector.stop();
  writeFileSync(join(directory, 'state', 'before'), '0 4294967295 0\n'); // of the look before this one
  collector.showRing(from(1, 7));
  collector.start();
  await collector.until(7);
  assert.deepEqual(collector.lines(), texts(from(1, 7)));
});

test('a dmesg that failed once is no empty ring', async (t) => {
  const collector = new Collector(freshDirectory(t));
  t.after(() => collector.stop());
  collector.showRing(from(1, 5));
  collector.start();
  await collector.until(5);
  collector.failOnce();
  for (let attempt = 0; attempt < 1200 && !collector.hasFailed; attempt++) await sleep(50);
  assert.ok(collector.hasFailed);
  await sleep(300);
  collector.showRing(from(1, 7));
  await collector.until(7);
  await sleep(300);
  assert.deepEqual(collector.lines(), texts(from(1, 7)));
});

test('no room for all of an append: no half line stays, and every line comes once when there is room', async (t) => {
  const collector = new Collector(freshDirectory(t));
  t.after(() => collector.stop());
  collector.showRing(from(1, 100));
  collector.start();
  await collector.until(100);
  const whole = readFileSync(collector.file);
  const sizes = watchSizes(collector.file);
  collector.limit(whole.length + 100);
  collector.showRing(from(95, 110));
  for (let attempt = 0; attempt < 1200 && !sizes.seen.has(whole.length + 100); attempt++) await sleep(50);
  assert.ok(sizes.seen.has(whole.length + 100), 'a part was written');
  sizes.stop();
  collector.limit('unlimited');
  await collector.until(110);
  await sleep(300);
  assert.deepEqual(collector.lines(), texts(from(1, 110)));
});

test('a broken append of an earlier boot ends its line, and stays', async (t) => {
  const directory = freshDirectory(t);
  const collector = new Collector(directory);
  t.after(() => collector.stop());
  collector.showRing(from(1, 5));
  collector.start();
  await collector.until(5);
  await collector.stop();
  const whole = readFileSync(collector.file);
  const look = execFileSync('cksum', { input: readFileSync(join(directory, 'state', 'last')) });
  writeFileSync(join(directory, 'state', 'before'), `${whole.length} ${look}`);
  writeFileSync(join(directory, 'state', 'boot'), 'another\n');
  writeFileSync(collector.file, `${whole}Nov 28 00:00:00 host kernel: [   6.0000`);
  collector.showRing(from(1, 2));
  collector.start();
  await collector.until(8);
  assert.deepEqual(collector.lines(), [...texts(from(1, 5)), '[   6.0000', ...texts(from(1, 2))]);
});

/** All sizes that a file has until then, by its changes. */
function watchSizes(path: string): { readonly seen: ReadonlySet<number>; readonly stop: () => void } {
  const seen = new Set<number>();
  const watcher = watch(path, () => seen.add(statSync(path).size));
  return { seen, stop: () => watcher.close() };
}

test('a second collector does not start', async (t) => {
  const collector = new Collector(freshDirectory(t));
  t.after(() => collector.stop());
  collector.showRing(from(1, 5));
  collector.start();
  await collector.until(5);
  assert.deepEqual(await collector.second(), [1, 'bridgekeeper-dmesg: runs already\n']);
});

test('a number that was left is not believed when another program, or nobody, has it', async (t) => {
  const other = spawn('sleep', ['60'], { stdio: 'ignore' });
  t.after(() => other.kill());
  for (const left of [`${other.pid}`, '999999999', '1', '', '-1', 'x']) {
    const collector = new Collector(freshDirectory(t));
    t.after(() => collector.stop());
    collector.showRing(from(1, 5));
    writeFileSync(collector.pidFile, `${left}\n`);
    collector.start();
    await collector.until(5);
    assert.equal(collector.lines().length, 5, left);
    assert.notEqual(readFileSync(collector.pidFile, 'latin1').trim(), left);
    await collector.stop();
  }
  assert.equal(other.exitCode ?? other.signalCode, null);
});

test("init's `stop` ends the collector, and no other program that has its number", { skip: needsRing }, async (t) => {
  const on = freshDirectory(t);
  const [script, init, pidFile] = [join(on, 'bridgekeeper-dmesg'), join(on, 'init'), join(on, 'pid')];
  writeFileSync(script, '#!/bin/sh\nwhile :; do sleep 0.1; done\n', { mode: 0o755 });
  const text = collectorInit.replaceAll(collectorPath, script).replace(/^pid_file=.*$/m, `pid_file=${pidFile}`);
  writeFileSync(init, text, { mode: 0o755 });
  const rows: readonly (readonly [argv: readonly string[], isOurs: boolean])[] = [
    [[script], true],
    [['sleep', '60'], false],
    [['tail', '-f', script], false],
    [['sh', '-c', 'sleep 60; :', script], false],
  ];
  for (const [[program = '', ...args], isOurs] of rows) {
    const child = spawn(program, args, { stdio: 'ignore' });
    t.after(() => child.kill());
    const ending = ended(child);
    await sleep(100);
    writeFileSync(pidFile, `${child.pid}\n`);
    const status = spawnSync(init, ['status']).status;
    assert.equal(status === 0, isOurs, program);
    assert.equal(spawnSync(init, ['stop']).status, 0);
    if (isOurs) await ending;
    else await sleep(200);
    assert.equal(child.signalCode, isOurs ? 'SIGTERM' : null, program);
  }
});

test('the real ring: every LOG line once, over a restart', { skip: needsRing }, async (t) => {
  const lock = await lockRing();
  t.after(() => lock.release());
  const chatter = await Chatter.start('collected');
  t.after(() => chatter.stop());
  const collector = new Collector(freshDirectory(t));
  t.after(() => collector.stop());
  collector.start();
  await chatter.send(100, 200);
  await collector.stop('SIGKILL');
  await chatter.send(100, 500);
  collector.start();
  await chatter.send(100, 200);
  const own = (): readonly string[] => collector.lines().filter((line) => line.includes(chatter.prefix));
  for (let attempt = 0; attempt < 1200 && own().length < 300; attempt++) await sleep(50);
  await sleep(300);
  assert.equal(own().length, 300);
  assert.equal(new Set(own()).size, 300);
  const [first = ''] = own();
  assert.notEqual(parseLogLine(Buffer.from(first.replace(/^\[[^\]]*\] /, ''))), undefined, first);
});

test('both scripts are plain POSIX sh', async (t) => {
  const directory = freshDirectory(t);
  for (const [name, text] of [
    ['collector', collectorScript],
    ['init', collectorInit],
  ] as const) {
    writeFileSync(join(directory, name), text);
    const code = await new Promise((resolve) => {
      execFile('sh', ['-n', join(directory, name)], (error) => resolve(error?.code ?? 0));
    });
    assert.equal(code, 0, name);
    assert.doesNotMatch(text, /\[\[|\bfunction \w+ *\{|<<<|^\s*local /m, name);
  }
});
