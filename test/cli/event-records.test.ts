// What `serve` recorded, among the events: in the order of time, by every filter that can be meant, whatever became of the file.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Happening } from '../../src/follow/happening.ts';
import { keepRecords, lastRecords, printRecord } from '../../src/follow/record.ts';
import { ended } from '../support/child.ts';
import { stayingCli } from '../support/resident.ts';
import { freshDirectory, program } from '../support/run-cli.ts';
import { until } from '../support/until.ts';
import { goldenText } from '../yaml/golden.ts';

const runCli = stayingCli();

const log = goldenText('logs/bridge-host-journal.log');

const port: Happening = { kind: 'port', port: 'vk63', bridge: 'br0', guest: 'kali3', words: 'port vk63 of br0 is new' };
const drift: Happening = { kind: 'drift', what: 'table', outcome: 'restored', words: 'table bridge bk is gone' };
const fault: Happening = {
  kind: 'fault',
  words:
    "policy.yaml:3:1: error[duplicate-mac]: guest 'kali3' has the host's own MAC\n  hint: give it another\u001b[2J",
};

function stateWith(t: TestContext): string {
  const state = join(freshDirectory(t), 'state');
  mkdirSync(state);
  return state;
}

const linesOf = (text: string): readonly string[] => text.trimEnd().split('\n');

const jsonOf = (text: string): readonly Readonly<Record<string, unknown>>[] =>
  text === '' ? [] : linesOf(text).map((line) => JSON.parse(line));

async function shown(state: string, ...args: readonly string[]): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const run = await runCli(['events', 'examples/two-bridge', '--state', state, '-o', 'json', ...args]);
  assert.equal(run.code, 0, run.stderr);
  return jsonOf(run.stdout);
}

suite('records among the events', () => {
  test('in the order of time with the events, also when the clock was set back; filters; formats', async (t) => {
    const state = stateWith(t);
    const kept = await runCli(['watch', '-', '--store', '--state', state, '-o', 'json'], { input: log });
    const walls = jsonOf(kept.stdout).map(({ time }) => Date.parse(String(time)));
    const [first = 0, last = 0] = [Math.min(...walls), Math.max(...walls)];
    assert.ok(last - first > 1_000);
    const at = (time: number, happening: Happening): void => keepRecords(state, [{ at: time, happening }]);
    at(last + 1_000, fault);
    at(first - 1_000, port);
    at((first + last) / 2, drift);
    const all = await shown(state);
    const times = all.map(({ time }) => Date.parse(String(time)));
    assert.deepEqual(
      times,
      times.toSorted((a, b) => a - b),
    );
    const kinds = all.map(({ kind }) => String(kind));
    assert.equal(kinds.filter((kind) => kind === 'event').length, 14);
    assert.deepEqual([kinds[0], kinds.at(-1), kinds.length], ['port', 'fault', 17]);
    assert.ok(kinds.slice(2, -2).includes('drift'), 'between the events');
    assert.deepEqual(all[0], {
      version: 1,
      kind: 'port',
      time: new Date(first - 1_000).toISOString(),
      port: 'vk63',
      bridge: 'br0',
      guest: 'kali3',
      words: 'port vk63 of br0 is new',
    });

    const since = new Date(first).toISOString();
    const rows: readonly (readonly [args: readonly string[], kinds: readonly string[]])[] = [
      [['--kind', 'drift'], ['drift']],
      [
        ['--kind', 'fault', '--kind', 'port'],
        ['port', 'fault'],
      ],
      [['--kind', 'drift', '--kind', 'port', '--since', since], ['drift']],
      [['--kind', 'drift', '--kind', 'fault', '--until', new Date(last).toISOString()], ['drift']],
      [['--kind', 'port', '--kind', 'drift', '--port', 'vk63'], ['port']],
      [
        ['--kind', 'port', '--kind', 'drift', '--kind', 'fault', '--guest', 'kali3'],
        ['port', 'fault'],
      ],
      [['--kind', 'port', '--kind', 'drift', '--kind', 'fault', '--guest', 'kali2'], []],
      [['--kind', 'drift', '--dport', '22'], []],
    ];
    for (const [args, wanted] of rows) {
      const found = await shown(state, ...args);
      assert.deepEqual(
        found.map(({ kind }) => kind),
        wanted,
        args.join(' '),
      );
    }
    const rule = await shown(state, '--rule', '16');
    assert.ok(rule.length > 0 && rule.every(({ kind }) => kind === 'event'), 'a record has no rule');
    const alone = await shown(state, '--kind', 'event');
    assert.deepEqual(
      alone.map(({ kind }) => kind),
      new Array(14).fill('event'),
    );

    const text = await runCli(['events', '--state', state, '--kind', 'drift', '--kind', 'fault']);
    const [driftLine = '', faultLine = '', ...more] = linesOf(text.stdout);
    assert.match(driftLine, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} {2}DRIFT {4}restored: table bridge bk is gone$/);
    assert.match(faultLine, / {2}FAULT {4}policy\.yaml:3:1: error.*own MAC; hint: give it another\\x1b\[2J$/);
    assert.deepEqual(more, []);
    const csv = await runCli(['events', '--state', state, '-o', 'csv']);
    assert.equal(linesOf(csv.stdout).length, 15);
    for (const argv of [
      ['--kind', 'drift', '-o', 'csv'],
      ['--kind', 'drift', '--stats'],
      ['--kind', 'drifts'],
    ]) {
      assert.equal((await runCli(['events', '--state', state, ...argv])).code, 2, argv.join(' '));
    }
  });

  test('without a store of events; without either it is refused', async (t) => {
    const state = stateWith(t);
    assert.equal((await runCli(['events', '--state', state])).code, 2);
    keepRecords(state, [{ at: Date.now(), happening: drift }]);
    const run = await runCli(['events', '--state', state]);
    assert.deepEqual([run.code, linesOf(run.stdout).length], [0, 1]);
    assert.match(run.stderr, /there is no event store in .* yet: this is what `serve` recorded/);
    const none = await runCli(['events', '--state', state, '--kind', 'trouble']);
    assert.deepEqual([none.code, none.stdout], [0, '']);
  });

  test('damaged lines are named and the rest is shown; one that a crash cut off does not take the next with it', async (t) => {
    const state = stateWith(t);
    const file = join(state, 'drift.log');
    const good = (words: string): string => printRecord({ at: 1_000, happening: { ...drift, words } });
    const damaged = [
      'not JSON',
      '',
      '[]',
      '{"version":2,"at":"2026-01-01T00:00:00Z","kind":"drift","words":"later"}',
      '{"version":1,"at":"nonsense","kind":"drift","words":"when"}',
      '{"version":1,"at":"2026-01-01T00:00:00Z","kind":"drift"}',
      good('x'.repeat(300_000)),
      '\u0000\u0000\u0000',
    ];
    writeFileSync(file, [good('first'), ...damaged, good('second'), good('third').slice(0, 40)].join('\n'));
    keepRecords(state, [{ at: 2_000, happening: drift }]);
    appendFileSync(file, good('last').slice(0, 30));
    const run = await runCli(['events', '--state', state, '-o', 'json']);
    assert.equal(run.code, 0, run.stderr);
    assert.deepEqual(
      jsonOf(run.stdout).map(({ words }) => words),
      ['first', 'second', 'table bridge bk is gone'],
    );
    const named = [...run.stderr.matchAll(/drift\.log:(\d+): damaged, and left out/g)].map(([, line]) => Number(line));
    assert.deepEqual(named, [2, 3, 4, 5, 6, 7, 8, 9, 11, 13]);
    assert.deepEqual(
      lastRecords(state, 2).map(({ words }) => words),
      ['second', 'table bridge bk is gone'],
    );
  });

  test('the older file is read first; what is written later is followed, through a new file and a line in two parts', async (t) => {
    const state = stateWith(t);
    const file = join(state, 'drift.log');
    const at = (words: string): void => keepRecords(state, [{ at: Date.now(), happening: { ...drift, words } }]);
    at('oldest');
    renameSync(file, `${file}.1`);
    at('older');
    const argv = [program, 'events', '--follow', '--state', state, '-o', 'json'];
    const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'ignore'] });
    t.after(() => child.kill('SIGKILL'));
    let said = '';
    child.stdout.on('data', (chunk) => (said += chunk));
    const words = (): readonly unknown[] => jsonOf(said.slice(0, said.lastIndexOf('\n') + 1)).map((one) => one.words);
    const untilSaid = (last: string): Promise<unknown> => until(() => words().at(-1) === last, last);
    await untilSaid('older');
    const line = `${printRecord({ at: Date.now(), happening: { ...drift, words: 'in two parts' } })}\n`;
    appendFileSync(file, line.slice(0, 50));
    await sleep(500); // it is looked at meanwhile
    appendFileSync(file, line.slice(50));
    await untilSaid('in two parts');
    at('just before');
    at('x'.repeat(200));
    renameSync(file, `${file}.1`);
    at('in a new file');
    await untilSaid('in a new file');
    await runCli(['watch', '-', '--store', '--state', state], { input: log });
    await until(
      () => jsonOf(said.slice(0, said.lastIndexOf('\n') + 1)).length === 6 + 14,
      'events of a store that came',
    );
    assert.deepEqual(words().slice(0, 6), [
      'oldest',
      'older',
      'in two parts',
      'just before',
      'x'.repeat(200),
      'in a new file',
    ]);
    child.kill('SIGINT');
    await ended(child);
  });

  test('the writer begins a new file when one is large, and keeps the one before', (t) => {
    const state = stateWith(t);
    const file = join(state, 'drift.log');
    const words = 'x'.repeat(100_000);
    for (let record = 0; record < 25; record++) keepRecords(state, [{ at: record, happening: { ...drift, words } }]);
    assert.ok(existsSync(`${file}.1`));
    const sizes = [file, `${file}.1`].map((one) => readFileSync(one).length);
    assert.ok(
      sizes.every((size) => size < 1_200_000),
      String(sizes),
    );
    assert.equal(lastRecords(state, 3).length, 3);
  });
});
