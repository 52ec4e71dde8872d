// A real bridge with two ports in a network namespace of its own, log rules at every hook of it, and a way to send
// frames into it: what the kernel writes about each of them.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { KernelLogOverrun, openKernelLog } from '../../src/lab/kernel-log.ts';
import { joinLabs } from '../../src/lab/registry.ts';
import { printMac } from '../../src/model/mac.ts';
import { ended, nextWords } from '../support/child.ts';

export const hostMac = 0x0200_0000_00fe;
export const guestMac = 0x0200_0000_0001;
export const markedMac = 0x0200_0000_0002;
/** Frames from here end in bridge prerouting. */
export const fuzzMac = 0x0200_0000_0003;

/** What the tests need and this machine lacks; `false` when they can run. */
export function missing(): string | false {
  if (process.getuid?.() !== 0) return 'needs root: network namespaces and raw sockets';
  if (!existsSync('/proc/sys/net/bridge')) return 'needs br_netfilter';
  return (
    ['ip', 'nft', 'iptables', 'python3', 'flock', 'unshare', 'nsenter']
      .filter((tool) => !runs(tool))
      .map((tool) => `needs ${tool}`)[0] ?? false
  );
}

function runs(tool: string): boolean {
  try {
    execFileSync('sh', ['-c', 'command -v "$1"', 'sh', tool], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

export type LogBench = {
  /** The text before `IN=` of the rule at a hook. */
  readonly prefix: (hook: string) => string;
  /** Sends a frame into port p0 and gives the lines that it causes, waiting for as many as wanted. */
  readonly linesOf: (frame: Uint8Array, wanted: number) => Promise<readonly string[]>;
  readonly close: () => Promise<void>;
};

export async function openLogBench(): Promise<LogBench> {
  const run = `bk${process.pid.toString(36)}`;
  const prefix = (hook: string) => `${run} ${hook}: `;
  await using opened = new AsyncDisposableStack();
  const membership = await joinLabs();
  opened.defer(() => membership.leave());
  const log = opened.adopt(openKernelLog(), (open) => open.close());
  const host = opened.adopt(await startNamespace(), (namespace) => namespace.close());
  const guest = opened.adopt(await startNamespace(), (namespace) => namespace.close());
  buildBridge(host, guest);
  loadRules(host, prefix);
  const sender = opened.adopt(startSender(guest), (started) => started.close());
  const linesOnce = async (frame: Uint8Array, wanted: number) => {
    const before = await log.mark();
    await sender.send(frame);
    const isOurs = ({ text }: { readonly text: string }) => text.startsWith(`${run} `);
    const lines = await log.linesUntil(before, (found) => found.filter(isOurs).length >= wanted, { timeoutMs: 20_000 });
    return lines.filter(isOurs).map(({ text }) => text);
  };
  // others fill the ring as well; a frame leaves nothing behind that the next one would meet
  const linesOf = async (frame: Uint8Array, wanted: number) => {
    for (let turn = 1; ; turn++) {
      try {
        return await linesOnce(frame, wanted);
      } catch (error) {
        if (!(error instanceof KernelLogOverrun) || turn === 3) throw error;
      }
    }
  };
  const kept = opened.move();
  return { prefix, linesOf, close: () => kept.disposeAsync() };
}

type Namespace = { readonly pid: number; readonly close: () => Promise<void> };

/** Lives as long as a process that ends with our end of its pipe: also when we are killed nothing remains. */
async function startNamespace(): Promise<Namespace> {
  const holder = spawn('unshare', ['--net', 'cat'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ending = ended(holder);
  holder.stdin.write('\n');
  await nextWords(holder);
  if (holder.pid === undefined) throw new Error('unshare gave no network namespace');
  return {
    pid: holder.pid,
    close: async () => {
      holder.stdin.end();
      await ending;
    },
  };
}

function inside(namespace: Namespace, argv: readonly string[], input = ''): void {
  execFileSync('nsenter', ['--net', '--target', `${namespace.pid}`, ...argv], {
    input,
    stdio: ['pipe', 'ignore', 'inherit'],
  });
}

const sysctls = [
  'net.ipv6.conf.all.disable_ipv6=1',
  'net.ipv6.conf.default.disable_ipv6=1',
  'net.ipv4.ip_forward=1',
  'net.ipv4.conf.all.rp_filter=0',
  'net.bridge.bridge-nf-call-iptables=1',
  'net.bridge.bridge-nf-call-ip6tables=1',
  'net.bridge.bridge-nf-filter-vlan-tagged=1',
  'net.bridge.bridge-nf-filter-pppoe-tagged=1',
];

/** br0 with ports p0 and p1 is 192.168.77.1, br1 with port q0 is 192.168.78.1; the guests' ends have no addresses. */
function buildBridge(host: Namespace, guest: Namespace): void {
  for (const namespace of [host, guest]) inside(namespace, ['sysctl', '-qw', ...sysctls]);
  inside(host, ['ip', '-batch', '-'], hostCommands(guest).join('\n'));
  inside(guest, ['ip', '-batch', '-'], ports.map(([port]) => `link set g${port} up`).join('\n'));
}

const ports: readonly [name: string, bridge: string][] = [
  ['p0', 'br0'],
  ['p1', 'br0'],
  ['q0', 'br1'],
];

function hostCommands(guest: Namespace): readonly string[] {
  const bridges = ['br0', 'br1'].flatMap((bridge, index) => [
    `link add ${bridge} address ${printMac(hostMac + index)} type bridge forward_delay 0 mcast_snooping 0`,
    `address add 192.168.${77 + index}.1/24 dev ${bridge}`,
    `link set ${bridge} up`,
  ]);
  const cables = ports.flatMap(([port, bridge]) => [
    `link add ${port} type veth peer name g${port} netns ${guest.pid}`,
    `link set ${port} master ${bridge} up`,
  ]);
  return [
    ...bridges,
    ...cables,
    `neighbour add 192.168.77.2 lladdr ${printMac(guestMac)} dev br0`,
    `neighbour add 192.168.78.2 lladdr ${printMac(0x0200_0000_0078)} dev br1`,
  ];
}

const bridgeHooks: readonly [hook: string, priority: number][] = [
  ['prerouting', -300],
  ['input', 0],
  ['forward', -200],
  ['output', 0],
  ['postrouting', 0],
];

const ipHooks: readonly [table: string, chain: string][] = [
  ['raw', 'PREROUTING'],
  ['filter', 'INPUT'],
  ['filter', 'FORWARD'],
  ['filter', 'OUTPUT'],
  ['mangle', 'POSTROUTING'],
];

function loadRules(host: Namespace, prefix: (hook: string) => string): void {
  inside(host, ['nft', '-f', '-'], bridgeRules(prefix));
  for (const tool of ['iptables', 'ip6tables']) {
    for (const [table, chain] of ipHooks) {
      inside(host, [tool, '-t', table, '-A', chain, '-j', 'LOG', '--log-level', 'info', '--log-prefix', prefix(chain)]);
    }
  }
}

function bridgeRules(prefix: (hook: string) => string): string {
  const chains = bridgeHooks.map(([hook, priority]) => {
    const first = hook === 'prerouting' ? `ether saddr ${printMac(markedMac)} meta mark set 0x1f` : '';
    const last = hook === 'prerouting' ? `ether saddr ${printMac(fuzzMac)} drop` : '';
    return `chain bridge-${hook} {
      type filter hook ${hook} priority ${priority};
      ${first}
      log prefix "${prefix(hook)}" level info
      ${last}
    }`;
  });
  return `table bridge logs {\n${chains.join('\n')}\n}\n`;
}

type Sender = { readonly send: (frame: Uint8Array) => Promise<void>; readonly close: () => Promise<void> };

/** test/support/send-frames.py in the guests' namespace, on the other end of p0. */
function startSender(guest: Namespace): Sender {
  const script = fileURLToPath(new URL('../support/send-frames.py', import.meta.url));
  const argv = ['--net', '--target', `${guest.pid}`, 'python3', script, 'gp0'];
  const child = spawn('nsenter', argv, { stdio: ['pipe', 'pipe', 'inherit'] });
  const { stdin, stdout } = child;
  const answers = createInterface({ input: stdout })[Symbol.asyncIterator]();
  const ending = ended(child);
  return {
    send: async (frame) => {
      stdin.write(`${Buffer.from(frame).toString('hex')}\n`);
      const answer = await answers.next();
      if (answer.value !== 'sent') throw new Error(`send-frames.py: ${answer.value ?? 'ended'}`);
    },
    close: async () => {
      stdin.end();
      await ending;
    },
  };
}
