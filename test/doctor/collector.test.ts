// The collector that is installed where nothing else keeps the ring: with the real ring and real LOG lines, and with a dmesg
// of the test's own where the ring must go round at the right moment.
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { collectorInit, collectorScript } from '../../src/doctor/dmesg-collector.ts';
import { parseLogLine } from '../../src/watch/parse-line.ts';
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
    const args = [this.#path, this.file, join(this.#directory, 'state'), '0.1'];
    this.#child = spawn('sh', args, { env, stdio: 'ignore' });
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (this.#child === undefined) return;
    const gone = once(this.#child, 'exit');
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
    for (let attempt = 0; attempt < 200 && this.lines().length < count; attempt++) await sleep(50);
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
    collector.showRing(from(Math.max(1, last - 60), last));
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
  await collector.until(5);
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
  await collector.until(5);
  await collector.stop();
  writeFileSync(join(directory, 'state', 'before'), '0 4294967295 0\n'); // of the look before this one
  collector.showRing(from(1, 7));
  collector.start();
  await collector.until(7);
  assert.deepEqual(collector.lines(), texts(from(1, 7)));
});

test('a second collector does not start', async (t) => {
  const collector = new Collector(freshDirectory(t));
  t.after(() => collector.stop());
  collector.showRing(from(1, 5));
  collector.start();
  await collector.until(5);
  const args = [join(collector.file, '..', 'bridgekeeper-dmesg'), collector.file, join(collector.file, '..', 'state')];
  const [code, said] = await new Promise<[unknown, string]>((resolve) => {
    execFile('sh', args, (error, _out, stderr) => resolve([error?.code, stderr]));
  });
  assert.deepEqual([code, said], [1, 'bridgekeeper-dmesg: runs already\n']);
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
  for (let attempt = 0; attempt < 100 && own().length < 300; attempt++) await sleep(50);
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
