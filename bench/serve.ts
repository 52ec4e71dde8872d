// What the daemon costs on a large host: memory, and processor time for one guest that starts and for a minute without news.
// Guests are taps in a network namespace: node bench/serve.ts [guests]
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const count = Number(process.argv[2] ?? 4_000);
const perBridge = 1_000;
const program = join(import.meta.dirname, '..', 'src', 'cli', 'bridgekeeper.ts');
/** As bin/bridgekeeper has them. */
const limits = ['--max-semi-space-size=1', '--expose-gc'];
const ticksPerSecond = 100;
const idleSeconds = 20;

const holder = spawn('unshare', ['-n', 'cat'], { stdio: ['pipe', 'pipe', 'inherit'] });
holder.stdin.write('ready\n');
await once(holder.stdout, 'data');
const directory = mkdtempSync(join(tmpdir(), 'bridgekeeper-bench-'));
const state = join(directory, 'state');
const policy = join(directory, 'policy.yaml');

function inside(argv: readonly string[], input = ''): string {
  const args = ['-n', '-t', String(holder.pid), '--', ...argv];
  return execFileSync('nsenter', args, { input, encoding: 'utf8', maxBuffer: 1 << 28 });
}

function mac(guest: number): string {
  return `52:54:00:${[16, 8, 0].map((shift) => ((guest >> shift) & 255).toString(16).padStart(2, '0')).join(':')}`;
}

function portLines(guest: number): readonly string[] {
  const bridge = Math.floor(guest / perBridge);
  return [`tuntap add dev p${guest} mode tap`, `link set p${guest} master br${bridge} up`];
}

function batch(lines: readonly string[]): void {
  inside(['ip', '-batch', '-'], lines.join('\n'));
}

/** Seconds of processor time, of the process and of the children that it has waited for (proc_pid_stat(5)). */
function cpuSeconds({ pid }: ChildProcess): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / ticksPerSecond;
}

function mebibytes({ pid }: ChildProcess, what: 'VmRSS' | 'VmHWM'): number {
  const [, kibibytes] = new RegExp(`^${what}:\\s+(\\d+)`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Math.round(Number(kibibytes) / 1024);
}

async function main(): Promise<void> {
  inside(['sysctl', '-qw', 'net.ipv6.conf.all.disable_ipv6=1', 'net.ipv6.conf.default.disable_ipv6=1']);
  const bridges = Array.from(
    { length: Math.ceil(count / perBridge) },
    (_, index) => `link add br${index} up type bridge`,
  );
  batch([...bridges, ...Array.from({ length: count }, (_, guest) => portLines(guest)).flat()]);
  const guests = Array.from({ length: count }, (_, guest) => {
    const ip = `10.${guest >> 16}.${(guest >> 8) & 255}.${guest & 255}`;
    return `  g${guest}: { ip: ${guest === 0 ? '10.255.0.1' : ip}, port: p${guest}, mac: "${mac(guest)}" }`;
  });
  const allow = '  - { from: guests, to: guests, service: ping }';
  writeFileSync(policy, ['guests:', ...guests, 'allow:', allow, 'dhcp: none', ''].join('\n'));
  inside([process.execPath, program, 'apply', '--no-confirm', '--policy', policy, '--state', state]);
  const argv = [
    '-n',
    '-t',
    String(holder.pid),
    '--',
    process.execPath,
    ...limits,
    program,
    'serve',
    '--policy',
    policy,
  ];
  const serve = spawn('nsenter', [...argv, '--state', state], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  serve.stdout.on('data', (chunk) => {
    said += chunk;
  });
  const until = async (words: RegExp): Promise<void> => {
    while (!words.test(said)) await sleep(20);
    said = '';
  };
  try {
    await until(/ following: /);
    await sleep(5_000);
    console.log(`${count} guests, ready: ${mebibytes(serve, 'VmRSS')} MiB, at most ${mebibytes(serve, 'VmHWM')} MiB`);
    const idle = cpuSeconds(serve);
    await sleep(idleSeconds * 1_000);
    console.log(`without news: ${(((cpuSeconds(serve) - idle) / idleSeconds) * 100).toFixed(1)} % of one processor`);
    for (let turn = 0; turn < 3; turn++) {
      const guest = count - 1 - turn;
      batch([`link del p${guest}`]);
      await until(/is no longer there/);
      await sleep(3_000);
      const before = cpuSeconds(serve);
      const begun = Date.now();
      batch(portLines(guest));
      await until(/is new: a guest's/);
      const ms = Date.now() - begun;
      await sleep(3_000);
      const used = cpuSeconds(serve) - before;
      console.log(
        `one guest starts: let in after ${ms} ms, ${used.toFixed(2)} s of processor time within three seconds`,
      );
    }
    console.log(`afterwards: ${mebibytes(serve, 'VmRSS')} MiB, at most ${mebibytes(serve, 'VmHWM')} MiB`);
  } finally {
    serve.kill('SIGTERM');
    await once(serve, 'exit');
  }
}

try {
  await main();
} finally {
  holder.stdin.end();
  rmSync(directory, { recursive: true, force: true });
}
