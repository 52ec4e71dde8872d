// What a program costs as a whole process: CPU time, wall time, peak memory. Contenders take turns, so that a busy machine is
// busy for all of them, and medians are compared.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const program = join(import.meta.dirname, 'measure.py');

export type Cost = {
  readonly cpuMs: number;
  readonly wallMs: number;
  readonly rssMib: number;
  readonly output: string;
};

export type Contender = {
  readonly name: string;
  readonly argv: readonly string[];
  /** How many lines it works on: costs are compared by the line. */
  readonly lines: number;
  /** A daemon is done when this file has so many lines. */
  readonly until?: { readonly file: string; readonly lines: number };
  /** Before each run. */
  readonly prepare?: () => void;
};

/** @throws Error when it failed: a benchmark of what does not work is worth nothing */
async function costOf({ name, argv, until, prepare }: Contender): Promise<Cost> {
  prepare?.();
  const daemon = until === undefined ? [] : ['--until', until.file, `${until.lines}`];
  const { stdout } = await run('python3', [program, ...daemon, ...argv], { maxBuffer: 1 << 26 });
  const cost = JSON.parse(stdout);
  if (cost.code !== 0) throw new Error(`${name} ended with ${cost.code}: ${cost.said || cost.output}`);
  return cost;
}

/** The medians of each, in the order of the contenders. */
export async function inTurns(contenders: readonly Contender[], rounds: number): Promise<readonly Cost[]> {
  const costs: Cost[][] = contenders.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [at, contender] of contenders.entries()) costs[at]?.push(await costOf(contender));
  }
  return costs.map(middle);
}

/** What was printed is that of the run in the middle: it tells of its own CPU time. */
function middle(costs: readonly Cost[]): Cost {
  const at = Math.floor(costs.length / 2);
  const median = (pick: (cost: Cost) => number): number => costs.map(pick).sort((a, b) => a - b)[at] ?? Number.NaN;
  const byCpu = [...costs].sort((a, b) => a.cpuMs - b.cpuMs);
  return {
    cpuMs: median(({ cpuMs }) => cpuMs),
    wallMs: median(({ wallMs }) => wallMs),
    rssMib: median(({ rssMib }) => rssMib),
    output: byCpu[at]?.output ?? '',
  };
}
