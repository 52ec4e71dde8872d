// What it costs to load the rules of a host and to follow its guests, beside what one would take instead, in one run. CPU time of
// the process and of the tools that it calls. Ratios count; single figures depend on the machine.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { largePages } from '../src/apply/live/nft.ts';
import { guestsOf, handWritten, oneByOne } from './apply-peers.ts';
import { type Cost, inTurns } from './measured.ts';

const worker = join(import.meta.dirname, 'apply-worker.ts');
const directory = mkdtempSync(join(tmpdir(), 'bridgekeeper-bench-'));
/** The published host has two bridges; with ten in a row each guest is behind nine cables. */
const shapes = [2, 10] as const;
/** 4,000 guests need some: a bridge of Linux has 1,023 ports at the most. */
const largeShapes = [5, 10] as const;
const rounds = 3;
const fewGuests = 100;

function inNamespace(script: string): readonly string[] {
  return ['unshare', '-n', 'sh', '-euc', script];
}

function node(...words: readonly (string | number)[]): string {
  return [process.execPath, worker, ...words].map((word) => `'${word}'`).join(' ');
}

function file(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

/** The text of our rules for a host. */
function rulesFile(guests: number, bridges: number): string {
  const argv = [worker, 'rules', join(directory, 'none'), `${guests}`, `${bridges}`];
  const { status, stdout, stderr } = spawnSync(process.execPath, argv, { encoding: 'utf8', maxBuffer: 1 << 28 });
  if (status !== 0) throw new Error(stderr);
  return file(`rules-${guests}-${bridges}.nft`, stdout);
}

function row(name: string, { cpuMs, rssMib }: Pick<Cost, 'cpuMs' | 'rssMib'>, goal?: number): void {
  const held = goal === undefined ? '' : `   <= ${goal} ms: ${cpuMs <= goal ? 'held' : 'missed'}`;
  console.log(`${name.padEnd(64)}${cpuMs.toFixed(0).padStart(8)} ms CPU ${rssMib.toFixed(0).padStart(5)} MiB${held}`);
}

async function loads(bridges: number): Promise<void> {
  const state = join(directory, `apply-${bridges}`);
  const ours = rulesFile(1_000, bridges);
  const hand = file(`hand-${bridges}.nft`, handWritten(guestsOf(1_000, bridges)));
  const few = file(`few-${bridges}.sh`, oneByOne(guestsOf(fewGuests, bridges)));
  const contenders = [
    {
      name: 'apply, whole',
      lines: 1_000,
      argv: inNamespace(node('apply', state, 1_000, bridges)),
      prepare: () => rmSync(state, { recursive: true, force: true }),
    },
    { name: 'of it, nft -f', lines: 1_000, argv: inNamespace(`${largePages} nft -f '${ours}'`) },
    {
      name: 'of it, nft -j list, to read back',
      lines: 1_000,
      argv: inNamespace(`export ${largePages}; nft -f '${ours}'; nft -j list ruleset >/dev/null`),
    },
    {
      name: 'written by hand, a chain for each guest, address checks only',
      lines: 1_000,
      argv: inNamespace(`nft -f '${hand}'`),
    },
    {
      name: `ebtables, a command for each rule, ${fewGuests} guests only`,
      lines: fewGuests,
      argv: inNamespace(`sh -eu '${few}'`),
    },
  ];
  const costs = await inTurns(contenders, rounds);
  const [, load] = costs;
  console.log(`\n1,000 guests on ${bridges} bridges, loaded`);
  for (const [at, { name }] of contenders.entries()) {
    const cost = costs[at] as Cost;
    const own = at === 2 ? { ...cost, cpuMs: cost.cpuMs - (load?.cpuMs ?? 0) } : cost;
    row(name, own, at === 1 ? 500 : undefined);
  }
}

type Followed = {
  readonly wholeMs: number;
  readonly firstMs: number;
  readonly stopMs: number;
  readonly startMs: number;
  readonly kernelMs: number;
  /** Of the process that compiles, which the daemon has others do. */
  readonly rssMib: number;
  readonly peakMib: number;
};

async function hotPlugs(bridges: number): Promise<void> {
  const state = join(directory, `follow-${bridges}`);
  const script = `${node('apply', state, 4_000, bridges)}; exec ${node('follow', state, 4_000, bridges).replace("' '", "' --max-semi-space-size=4 '")}`;
  const { status, stdout, stderr } = spawnSync('unshare', ['-n', 'sh', '-euc', script], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  const one: Followed = JSON.parse(stdout);
  const [reload, byHand] = await inTurns(
    [
      { name: 'ours', lines: 1, argv: inNamespace(`nft -f '${rulesFile(4_000, bridges)}'`) },
      {
        name: 'hand',
        lines: 1,
        argv: inNamespace(`nft -f '${file('hand-4000.nft', handWritten(guestsOf(4_000, bridges)))}'`),
      },
    ],
    1,
  );
  const mean = (one.stopMs + one.startMs) / 2 + one.kernelMs;
  console.log(`\none guest among 4,000 on ${bridges} bridges starts or stops`);
  row('rules for it: the process and the kernel, without reading the host', { cpuMs: mean, rssMib: one.rssMib }, 50);
  console.log(
    `  its start ${one.startMs.toFixed(0)} ms, its stop ${one.stopMs.toFixed(0)} ms, the very first ${one.firstMs.toFixed(0)} ms; of each ${one.kernelMs.toFixed(0)} ms the kernel's`,
  );
  row('everything compiled, read and compared anew', { cpuMs: one.wholeMs, rssMib: one.peakMib });
  if (reload !== undefined) row('all of our rules loaded anew by nft -f', reload);
  if (byHand !== undefined) row('all of those written by hand loaded anew', byHand);
}

if (process.getuid?.() !== 0) throw new Error('network namespaces need root');
try {
  for (const bridges of shapes) await loads(bridges);
  for (const bridges of largeShapes) await hotPlugs(bridges);
} finally {
  rmSync(directory, { recursive: true, force: true });
}
