// How time and memory of parsing and compiling grow with the number of guests, beside what loading the result costs nft. Ratios of
// one run count; single figures depend on the machine.
import { spawnSync } from 'node:child_process';
import { compile } from '../src/compile/compile.ts';
import { lowerIptables } from '../src/iptables/lower.ts';
import { printIptablesSave } from '../src/iptables/print.ts';
import { lowerNft } from '../src/nft/lower.ts';
import { printNft } from '../src/nft/print.ts';
import { parsePolicy } from '../src/policy/parse-policy.ts';
import { parseHost } from '../src/topology/host-file.ts';
import { hostOf, type Size, textsOf } from './hosts.ts';

const sizes = [100, 1_000, 3_000, 10_000];
const rounds = 5;

type Figure = { readonly ms: number; readonly mib: number };

/** The median of several rounds, and the memory that the result holds. */
function measured<T>(make: () => T): { readonly figure: Figure; readonly result: T } {
  const times: number[] = [];
  globalThis.gc?.();
  const before = process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers;
  let result = make();
  globalThis.gc?.();
  const mib = (process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers - before) / 2 ** 20;
  for (let round = 0; round < rounds; round++) {
    const begin = performance.now();
    result = make();
    times.push(performance.now() - begin);
  }
  times.sort((a, b) => a - b);
  return { figure: { ms: times[Math.floor(rounds / 2)] ?? 0, mib }, result };
}

type Row = { readonly guests: number; readonly figures: Readonly<Record<string, Figure>> };

function measureSize(guests: number): Row {
  const { policy, host }: Size = hostOf(guests);
  const texts = textsOf({ policy, host });
  const parsed = measured(() => [parsePolicy(texts.policy, 'policy.yaml'), parseHost(texts.host, 'host.yaml')]);
  if (parsed.result.some(({ value }) => value === undefined)) throw new Error('the synthetic host is not read');
  const compiled = measured(() => compile(policy, host));
  const list = compiled.result.value?.list;
  if (list === undefined) throw new Error('the synthetic host does not compile');
  const nft = measured(() => lowerNft(list, { arp: 'bound' }));
  const nftText = measured(() => printNft(nft.result));
  const iptables = measured(() => lowerIptables(list));
  const iptablesText = measured(() => printIptablesSave(iptables.result));
  return {
    guests,
    figures: {
      parse: parsed.figure,
      compile: compiled.figure,
      'lower to nft': nft.figure,
      'print nft': nftText.figure,
      'nft -f (its CPU time)': loaded(['nft', '-f', '-'], nftText.result),
      'lower to iptables': iptables.figure,
      'print iptables': iptablesText.figure,
      'iptables-restore (its CPU time)': loaded(['iptables-restore'], iptablesText.result),
    },
  };
}

/** In a fresh namespace; without root there is nothing to load into. */
function loaded(argv: readonly string[], text: string): Figure {
  if (process.getuid?.() !== 0) return { ms: Number.NaN, mib: Number.NaN };
  const script =
    'import resource,subprocess,sys;r=subprocess.run(sys.argv[1:]).returncode;u=resource.getrusage(resource.RUSAGE_CHILDREN);print((u.ru_utime+u.ru_stime)*1000,u.ru_maxrss/1024);sys.exit(r)';
  const { status, stdout, stderr } = spawnSync('unshare', ['-n', 'python3', '-c', script, ...argv], {
    input: text,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${argv.join(' ')}: ${stderr.slice(0, 500)}`);
  const [ms = Number.NaN, mib = Number.NaN] = stdout.trim().split(' ').map(Number);
  return { ms, mib };
}

function print(rows: readonly Row[]): void {
  const names = Object.keys(rows[0]?.figures ?? {});
  console.log(`${'guests'.padEnd(34)}${rows.map(({ guests }) => String(guests).padStart(12)).join('')}`);
  for (const unit of ['ms', 'mib'] as const) {
    for (const name of names) {
      const cells = rows.map(({ figures }) =>
        (figures[name]?.[unit] ?? Number.NaN).toFixed(unit === 'ms' ? 0 : 1).padStart(12),
      );
      console.log(`${`${name}, ${unit === 'ms' ? 'ms' : 'MiB'}`.padEnd(34)}${cells.join('')}`);
    }
  }
  for (const name of names) ratio(rows, name, 1_000, 10_000);
  against(rows, ['parse', 'compile', 'lower to nft', 'print nft'], 'nft -f (its CPU time)', 10_000);
}

/** What we take for making the rules, in one run with what the tool takes for loading them. */
function against(rows: readonly Row[], ours: readonly string[], theirs: string, guests: number): void {
  const figures = rows.find((row) => row.guests === guests)?.figures;
  const sum = ours.reduce((ms, name) => ms + (figures?.[name]?.ms ?? Number.NaN), 0);
  const share = sum / (figures?.[theirs]?.ms ?? Number.NaN);
  console.log(`${guests} guests: ${ours.join(', ')} together take ${share.toFixed(2)} of ${theirs}`);
}

function ratio(rows: readonly Row[], name: string, small: number, large: number): void {
  const [a, b] = [small, large].map((guests) => rows.find((row) => row.guests === guests)?.figures[name]);
  if (a === undefined || b === undefined) return;
  const times = (b.ms / a.ms).toFixed(1);
  console.log(
    `${name}: ${large / small} times the guests, ${times} times the time, ${(b.mib / a.mib).toFixed(1)} times the memory`,
  );
}

print(sizes.map(measureSize));
