// What reading, telling apart and keeping the firewall log costs, beside what a user would take instead, in one run. Ratios
// count; single figures depend on the machine. What runs in Node is built first, ours and what it is compared with, as the
// program itself is.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeLogFile } from './log-lines.ts';
import { crowdsec, type Peer, psad, rsyslog } from './log-peers.ts';
import { type Contender, type Cost, inTurns } from './measured.ts';

const lines = 300_000;
const sampleLines = 10_000;
const rounds = 5;
const mostMib = 120;
/** As bin/bridgekeeper has them for `watch`; here for everything that runs in Node, so that it is one comparison. */
const limits = ['--max-semi-space-size=4', '--max-old-space-size=128', '--no-maglev', '--no-concurrent-recompilation'];

const grep = "grep -c 'IN=' (C locale)";
const numbers = 'our parser, all fields as numbers';
const objects = 'our parser, an object of each line';
const wholeText = 'one regex on the whole text';
const oneRegex = 'readline and one regex';
const pairs = 'readline and every KEY=value';
const apart = 'our parser and de-duplication';
const kept = 'the same, kept durably with indices';
const command = 'bridgekeeper watch --store -o json -';
const syslog = 'rsyslog: imfile, mmnormalize, omfile with JSON';

async function measureAll(): Promise<void> {
  buildReader();
  const file = join(directory, 'kern.log');
  const mib = writeLogFile(file, { lines, sources: 20_000 }) / 2 ** 20;
  console.log(`one file of ${lines} lines, ${mib.toFixed(0)} MiB, in cache; medians of ${rounds} rounds in turns\n`);
  const fast = await measured([
    { name: grep, lines, argv: ['env', 'LC_ALL=C', 'grep', '-c', 'IN=', file] },
    { name: 'wc -l', lines, argv: ['wc', '-l', file] },
    ours(numbers, 'scan', file, lines),
    ours(objects, 'parse', file, lines),
    ours(wholeText, 'whole-regex', file, lines),
    ours(oneRegex, 'readline-regex', file, lines),
    ours(pairs, 'readline-pairs', file, lines),
  ]);
  const whole = await measured([
    ours(apart, 'dedupe', file, lines),
    ours(kept, 'store', file, lines, join(directory, 'store')),
    watch(command, file, lines),
    rsyslog(directory, file, lines),
  ]);
  const sample = join(directory, 'sample.log');
  writeLogFile(sample, { lines: sampleLines, sources: 300 });
  const slow = await measured([psad(sample, sampleLines), crowdsec(directory, sample, sampleLines)]);
  const many = join(directory, 'many.log');
  writeLogFile(many, { lines: 1_000_000, sources: 1_000_000 });
  const wide = await measured(
    [
      ours('a million sources: parser and de-duplication', 'dedupe', many, 1_000_000),
      ours('a million sources: kept durably', 'store', many, 1_000_000, join(directory, 'many')),
      watch('a million sources: the whole command', many, 1_000_000),
    ],
    1,
  );
  printGoals(new Map([...fast, ...whole, ...slow, ...wide]));
}

function buildReader(): void {
  const tsc = join(root, 'node_modules', '.bin', 'tsc');
  execFileSync(tsc, ['-p', join(root, 'bench'), '--outDir', built], { stdio: 'inherit' });
  writeFileSync(join(built, 'package.json'), '{ "type": "module" }\n');
  symlinkSync(join(root, 'node_modules'), join(built, 'node_modules'));
}

type Figure = Cost & {
  readonly lines: number;
  readonly usPerLine: number;
  /** Without the start of the program, where the reader knows it. */
  readonly ownUsPerLine: number;
};

type Figures = ReadonlyMap<string, Figure>;

function ours(name: string, way: string, file: string, count: number, store?: string): Contender {
  const reader = join(built, 'bench', 'log-reader.js');
  return {
    name,
    lines: count,
    argv: [process.execPath, ...limits, reader, way, file, ...(store === undefined ? [] : [store])],
    ...(store !== undefined && { prepare: () => rmSync(store, { recursive: true, force: true }) }),
  };
}

/** The whole command, with the thread that stores, and a line of JSON for each event. */
function watch(name: string, file: string, count: number): Contender {
  const state = join(directory, 'watched');
  const program = join(root, 'bin', 'bridgekeeper');
  const script = '"$1" watch --store --state "$2" -o json - <"$3" >"$4"';
  return {
    name,
    lines: count,
    argv: ['sh', '-c', script, 'sh', program, state, file, join(directory, 'watched.json')],
    prepare: () => rmSync(state, { recursive: true, force: true }),
  };
}

async function measured(peers: readonly Peer[], times = rounds): Promise<Figures> {
  const there = peers.filter((peer): peer is Contender => 'argv' in peer);
  for (const peer of peers) if ('missing' in peer) console.log(`${peer.name}: not measured, needs ${peer.missing}`);
  const costs = await inTurns(there, times);
  const entries = there.map(({ name, lines: count }, at): readonly [string, Figure] => {
    const cost = costs[at] as Cost;
    const own = ownCpuMs(cost.output) ?? cost.cpuMs;
    return [
      name,
      { ...cost, lines: count, usPerLine: (cost.cpuMs * 1000) / count, ownUsPerLine: (own * 1000) / count },
    ];
  });
  for (const [name, { cpuMs, usPerLine, rssMib, output }] of entries) {
    const own = ownCpuMs(output);
    const note = own === undefined ? '' : `, ${own.toFixed(0)} ms of it without its start`;
    console.log(
      `${name.padEnd(48)} ${cpuMs.toFixed(0).padStart(7)} ms CPU ${usPerLine.toFixed(2).padStart(8)} us/line ${rssMib.toFixed(0).padStart(5)} MiB${note}`,
    );
  }
  return new Map(entries);
}

function ownCpuMs(output: string): number | undefined {
  const own = /"ownCpuMs":([\d.]+)/.exec(output)?.[1];
  return own === undefined ? undefined : Number(own);
}

type Goal = {
  readonly claim: string;
  readonly of: string;
  readonly to: string;
  /** The ratio of CPU time by the line, ours to theirs, is at most this. */
  readonly most: number;
  /** Of the work alone: what it costs to start Node says nothing about a parser. */
  readonly own?: true;
};

const goals: readonly Goal[] = [
  { claim: 'parser <= 6 x grep -c', of: numbers, to: grep, most: 6, own: true },
  { claim: 'the same with objects', of: objects, to: grep, most: 6, own: true },
  { claim: 'parser >= 2 x as fast as readline and KEY=value', of: numbers, to: pairs, most: 1 / 2, own: true },
  { claim: 'the same with objects', of: objects, to: pairs, most: 1 / 2, own: true },
  { claim: 'parser >= 2 x as fast as one regex on the text', of: numbers, to: wholeText, most: 1 / 2, own: true },
  { claim: 'parser >= 2 x as fast as readline and one regex', of: numbers, to: oneRegex, most: 1 / 2, own: true },
  { claim: 'with de-duplication >= 5 x as fast as rsyslog', of: apart, to: syslog, most: 1 / 5 },
  { claim: 'kept durably: no more CPU than rsyslog', of: kept, to: syslog, most: 1 },
  { claim: 'the whole command: no more CPU than rsyslog', of: command, to: syslog, most: 1 },
  { claim: 'with de-duplication >= 50 x as fast as psad', of: apart, to: 'psad -A', most: 1 / 50 },
  { claim: 'with de-duplication >= 50 x as fast as CrowdSec', of: apart, to: 'CrowdSec, replay', most: 1 / 50 },
  { claim: 'kept durably: >= 50 x as fast as psad', of: kept, to: 'psad -A', most: 1 / 50 },
  { claim: 'kept durably: >= 50 x as fast as CrowdSec', of: kept, to: 'CrowdSec, replay', most: 1 / 50 },
];

function printGoals(figures: Figures): void {
  console.log('');
  for (const { claim, of, to, most, own: isOwn } of goals) {
    const [own, other] = [figures.get(of), figures.get(to)];
    if (own === undefined || other === undefined) {
      console.log(`${claim}: not measured`);
      continue;
    }
    const ratio = isOwn === true ? own.ownUsPerLine / other.ownUsPerLine : own.usPerLine / other.usPerLine;
    const text = ratio < 1 ? `${(1 / ratio).toFixed(1)} x as fast` : `${ratio.toFixed(1)} x the cost`;
    console.log(`${claim}: ${ratio <= most ? 'held' : 'missed'}, ${text}`);
  }
  for (const [name, { rssMib }] of figures) {
    if (!name.startsWith('a million sources')) continue;
    console.log(`${name}: <= ${mostMib} MiB: ${rssMib <= mostMib ? 'held' : 'missed'}, ${rssMib.toFixed(0)} MiB`);
  }
}

const root = join(import.meta.dirname, '..');
const directory = mkdtempSync(join(tmpdir(), 'bridgekeeper-bench-'));
const built = join(directory, 'built');
try {
  await measureAll();
} finally {
  rmSync(directory, { recursive: true, force: true });
}
