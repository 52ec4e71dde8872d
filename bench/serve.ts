// What the daemon costs on a large host: `bridgekeeper serve` itself with 4,000 taps in a network namespace, its memory, and the
// processor time of everything that it runs for one guest that starts or stops, from the event to the port's being let in.
// Beside it what one would take instead, in the same run: node bench/serve.ts [guests] [bridges]
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { inTurns } from './measured.ts';
import { cpuMs, familyMebibytes, mebibytes } from './process-cost.ts';
import { cables, policyText, portLines } from './tap-host.ts';

const count = Number(process.argv[2] ?? 4_000);
/** A bridge of Linux has 1,023 ports at the most. */
const bridgeCount = Number(process.argv[3] ?? 5);
const rounds = 10;
const program = join(import.meta.dirname, '..', 'bin', 'bridgekeeper');
const idleSeconds = 20;
/** After an event, until nothing is done for it any more. */
const afterMs = 400;

const holder = spawn('unshare', ['-n', 'cat'], { stdio: ['pipe', 'pipe', 'inherit'] });
holder.stdin.write('ready\n');
await once(holder.stdout, 'data');
const directory = mkdtempSync(join(tmpdir(), 'bridgekeeper-bench-'));
const state = join(directory, 'state');
const policy = join(directory, 'policy.yaml');

function inside(argv: readonly string[], input = ''): string {
  const args = ['-n', '-t', String(holder.pid), '--', ...argv];
  return execFileSync('nsenter', args, {
    input,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: ['pipe', 'pipe', 'ignore'],
  });
}

function batch(lines: readonly string[]): void {
  inside(['ip', '-batch', '-'], lines.join('\n'));
}

function build(): void {
  inside(['sysctl', '-qw', 'net.ipv6.conf.all.disable_ipv6=1', 'net.ipv6.conf.default.disable_ipv6=1']);
  const guests = Array.from({ length: count }, (_, guest) => portLines(guest, bridgeCount)).flat();
  batch([...cables(bridgeCount), ...guests]);
  writeFileSync(policy, policyText(count));
  inside([program, 'apply', '--no-confirm', '--policy', policy, '--state', state]);
}

type Costs = { readonly ms: number; readonly cpu: number; readonly own: number };

class Daemon {
  readonly child: ChildProcess;
  #said = '';

  constructor() {
    const argv = ['-n', '-t', String(holder.pid), '--', program, 'serve', '--policy', policy, '--state', state];
    this.child = spawn('nsenter', argv, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.child.stdout?.on('data', (chunk) => {
      this.#said += chunk;
    });
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  async said(words: RegExp): Promise<void> {
    while (!words.test(this.#said)) {
      if (this.child.exitCode !== null) throw new Error(`the daemon ended: ${this.#said}`);
      await sleep(2);
    }
    this.#said = '';
  }

  /** Nothing but looking whether there is something to do. @returns milliseconds of processor time a second */
  async quiet(): Promise<{ readonly mean: number; readonly usual: number }> {
    for (let busy = true; busy; ) {
      const before = cpuMs(this.pid).all;
      await sleep(4_000);
      busy = cpuMs(this.pid).all - before > 400;
    }
    const seconds: number[] = [];
    for (let second = 0; second < idleSeconds; second++) {
      const before = cpuMs(this.pid).all;
      await sleep(1_000);
      seconds.push(cpuMs(this.pid).all - before);
    }
    console.log(`a quiet second each: ${seconds.toSorted((a, b) => a - b).join(' ')} ms`);
    return { mean: mean(seconds), usual: median(seconds) };
  }

  async event(lines: readonly string[], told: RegExp): Promise<Costs> {
    const before = cpuMs(this.pid);
    const begun = Date.now();
    batch(lines);
    await this.said(told);
    const ms = Date.now() - begun;
    await sleep(afterMs);
    const now = cpuMs(this.pid);
    return { ms, cpu: now.all - before.all, own: now.own - before.own };
  }
}

function memory(when: string, { pid }: Daemon): void {
  const [now, most] = [mebibytes(pid, 'VmRSS'), mebibytes(pid, 'VmHWM')];
  const held = (mib: number): string => `${mib} MiB (<= 150: ${mib <= 150 ? 'held' : 'missed'})`;
  const family = familyMebibytes(pid);
  console.log(
    `memory of the process, ${when}: ${held(now)}, at the most ${held(most)}; with what it keeps running ${family} MiB`,
  );
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Each minute everything is read and compared, in one event's time or another's. */
function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** @param idleMs what a second costs without any event */
function tell(what: string, costs: readonly Costs[], idleMs: number, goal?: number): number {
  const cpu = median(costs.map((one) => one.cpu - (idleMs * (one.ms + afterMs)) / 1_000));
  const own = median(costs.map((one) => one.own));
  const ms = median(costs.map((one) => one.ms));
  const held = goal === undefined ? '' : `   <= ${goal} ms: ${cpu <= goal ? 'held' : 'missed'}`;
  console.log(
    `${what.padEnd(52)}${cpu.toFixed(0).padStart(6)} ms CPU, of it the process ${own.toFixed(0)}; told after ${ms.toFixed(0)} ms${held}`,
  );
  return cpu;
}

async function main(): Promise<void> {
  build();
  const daemon = new Daemon();
  try {
    await daemon.said(/ following: /);
    memory('started', daemon);
    const idle = await daemon.quiet();
    console.log(
      `\n${count} guests on ${bridgeCount} bridges; without news ${(idle.mean / 10).toFixed(1)} % of one processor`,
    );
    memory('before', daemon);
    const costs: { stops: Costs[]; starts: Costs[] } = { stops: [], starts: [] };
    for (let round = 0; round < rounds; round++) {
      const guest = Math.floor((round * count) / rounds) + 7;
      costs.stops.push(await daemon.event([`link del p${guest}`], new RegExp(`port p${guest} .*no longer there`)));
      costs.starts.push(await daemon.event(portLines(guest, bridgeCount), new RegExp(`port p${guest} .*a guest's`)));
    }
    const [first] = costs.stops.splice(0, 1);
    if (first !== undefined) tell('the very first event', [first], idle.usual);
    tell('a guest stops', costs.stops, idle.usual);
    const plug = tell('a guest starts', costs.starts, idle.usual, 50);
    memory('afterwards', daemon);
    const rules = join(state, 'confirmed', 'rules.nft');
    const reload = { name: 'reload', lines: 1, argv: ['unshare', '-n', 'nft', '-f', rules] };
    const [loaded] = await inTurns([reload], 3);
    const cpu = loaded?.cpuMs ?? Number.NaN;
    console.log(
      `${'instead: all rules loaded anew by nft -f'.padEnd(52)}${cpu.toFixed(0).padStart(6)} ms CPU, ${(cpu / plug).toFixed(0)} times a start`,
    );
  } finally {
    daemon.child.kill('SIGTERM');
    await once(daemon.child, 'exit');
  }
}

if (process.getuid?.() !== 0) throw new Error('network namespaces need root');
try {
  await main();
} finally {
  holder.stdin.end();
  rmSync(directory, { recursive: true, force: true });
}
