// A network namespace with log rules of every kind, a way to send frames into it, and what its kernel writes about them.
import { setTimeout as sleep } from 'node:timers/promises';
import { type Agent, startAgent } from '../../src/lab/agent.ts';
import { openKernelLog } from '../../src/lab/kernel-log.ts';
import { joinLabs } from '../../src/lab/registry.ts';
import type { LogFlags, Seen } from './frame-fields.ts';
import { loggerMac, senderMac } from './frames.ts';

/** A log rule: what is in front of IN= after the name of the run, and what it is known to see. */
export type Rule = { readonly name: string; readonly place: Omit<Seen, 'knowsAe'> };

const plain: LogFlags = { seq: false, options: false, decoded: false };
const all: LogFlags = { seq: true, options: true, decoded: true };

/** The first rule sees every frame first: its line begins what is written about a frame. */
export const firstRule = 'netdev';

export const rules: readonly Rule[] = [
  { name: firstRule, place: { iif: 'v0', layer: 'frame', flags: plain } },
  { name: 'netdev all', place: { iif: 'v0', layer: 'frame', flags: all, uid: 0 } },
  { name: 'inet', place: { iif: 'v0', layer: 'internet', flags: plain, mark: 0x1f } },
  { name: 'ip all', place: { iif: 'v0', layer: 'internet', flags: all, mark: 0x1f } },
  { name: 'ip6 all', place: { iif: 'v0', layer: 'internet', flags: all, mark: 0x1f } },
  { name: 'arp', place: { iif: 'v0', layer: 'frame', flags: plain } },
  { name: 'arp all', place: { iif: 'v0', layer: 'frame', flags: all } },
  { name: 'LOG', place: { iif: 'v0', layer: 'internet', flags: plain, mark: 0x1f } },
  { name: 'LOG all', place: { iif: 'v0', layer: 'internet', flags: { ...all, decoded: false }, mark: 0x1f } },
  { name: 'LOG ether', place: { iif: 'v0', layer: 'internet', flags: { ...plain, decoded: true }, mark: 0x1f } },
  { name: 'bridge pre', place: { iif: 'b0', layer: 'frame', flags: plain } },
  { name: 'bridge pre all', place: { iif: 'b0', layer: 'frame', flags: all, uid: 0 } },
  { name: 'bridge forward', place: { iif: 'b0', oif: 'b1', layer: 'frame', flags: plain } },
  { name: 'FORWARD', place: { iif: 'br0', oif: 'br0', physin: 'b0', physout: 'b1', layer: 'internet', flags: plain } },
  { name: 'OUTPUT', place: { oif: 'v0', layer: 'internet', flags: plain, uid: 0 } },
];

type Prefix = (name: string) => string;

const words = (name: string): string => name.replace(' ', '_');

type Chain = readonly [family: string, hook: string, rules: readonly string[]];

function ruleset(prefix: Prefix): string {
  const log = (name: string, flags = ''): string => `log prefix "${prefix(name)}"${flags}`;
  const chains: readonly Chain[] = [
    ['netdev', 'ingress device v0 priority 0', [log(firstRule), log('netdev all', ' flags all')]],
    ['inet', 'prerouting priority -200', [`iifname v0 meta mark set 0x1f ${log('inet')}`]],
    ['ip', 'prerouting priority -190', [`iifname v0 ${log('ip all', ' flags all')}`]],
    ['ip', 'output priority 0', [`udp dport 4444 ${log('OUTPUT', ' flags skuid')}`]],
    ['ip6', 'prerouting priority -190', [`iifname v0 ${log('ip6 all', ' flags all')}`]],
    ['arp', 'input priority 0', [`iifname v0 ${log('arp')}`, `iifname v0 ${log('arp all', ' flags all')}`]],
    [
      'bridge',
      'prerouting priority -300',
      [`iifname b0 ${log('bridge pre')}`, `iifname b0 ${log('bridge pre all', ' flags all')}`],
    ],
    ['bridge', 'forward priority -300', [`iifname b0 ${log('bridge forward')}`]],
  ];
  return chains
    .map(
      ([family, hook, list], index) =>
        `table ${family} t {\nchain c${index} {\ntype filter hook ${hook};\n${list.join('\n')}\n}\n}\n`,
    )
    .join('');
}

const ipCommands = `
link add s0 address ${colons(senderMac)} type veth peer name v0 address ${colons(loggerMac)}
link add s1 type veth peer name b0
link add s2 type veth peer name b1
link add br0 type bridge forward_delay 0 mcast_snooping 0
link set b0 master br0
link set b1 master br0
address add 10.7.0.2/24 dev v0
address add fd07::2/64 dev v0 nodad
neighbour add 10.7.0.1 lladdr ${colons(senderMac)} dev v0
${['lo', 's0', 'v0', 's1', 'b0', 's2', 'b1', 'br0'].map((name) => `link set ${name} up`).join('\n')}
`;

function colons(mac: string): string {
  return mac.replace(/(..)(?!$)/g, '$1:');
}

async function build(agent: Agent, prefix: Prefix): Promise<void> {
  await agent.setSysctls({
    'net.ipv6.conf.default.disable_ipv6': '0',
    'net.ipv6.conf.default.autoconf': '0',
    'net.ipv6.conf.default.router_solicitations': '0',
    'net.ipv4.conf.all.rp_filter': '0',
    'net.ipv4.conf.default.rp_filter': '0',
  });
  await agent.output(['ip', '-batch', '-'], { input: ipCommands });
  // what a namespace sends by itself would be logged too
  for (const name of ['s0', 's1', 'b0', 's2', 'b1', 'br0']) {
    await agent.setSysctls({ [`net.ipv6.conf.${name}.disable_ipv6`]: '1' });
  }
  await agent.setSysctls({ 'net.bridge.bridge-nf-call-iptables': '1', 'net.bridge.bridge-nf-call-ip6tables': '1' });
  await agent.output(['nft', '-f', '-'], { input: ruleset(prefix) });
  for (const [table, rule] of iptables(prefix)) {
    for (const program of ['iptables', 'ip6tables']) await agent.output([program, '-t', table, ...rule]);
  }
  await agent.open('s0');
  await agent.open('s1');
}

function iptables(prefix: Prefix): readonly (readonly [table: string, rule: readonly string[]])[] {
  const log = (name: string, ...flags: readonly string[]): readonly string[] => [
    ...['-j', 'LOG', '--log-prefix', prefix(name)],
    ...flags,
  ];
  const before = ['-A', 'PREROUTING', '-i', 'v0'];
  return [
    ['mangle', [...before, ...log('LOG')]],
    [
      'mangle',
      [...before, ...log('LOG all', '--log-tcp-sequence', '--log-tcp-options', '--log-ip-options', '--log-uid')],
    ],
    ['mangle', [...before, ...log('LOG ether', '--log-macdecode')]],
    ['filter', ['-A', 'FORWARD', '-i', 'br0', ...log('FORWARD')]],
  ];
}

export type Written = { readonly rule: Rule; readonly text: string };

export class KernelBench {
  readonly agent: Agent;
  readonly #run: string;
  readonly #log: ReturnType<typeof openKernelLog>;
  readonly #opened: AsyncDisposableStack;

  static async open(): Promise<KernelBench> {
    await using opened = new AsyncDisposableStack();
    const membership = await joinLabs();
    opened.defer(() => membership.leave());
    const log = opened.adopt(openKernelLog(), (open) => open.close());
    const agent = opened.adopt(await startAgent('logger'), (started) => started.stop());
    const run = `L${process.pid.toString(36)}`;
    await build(agent, (name) => `${run} ${words(name)}: `);
    return new KernelBench(agent, log, run, opened.move());
  }

  private constructor(agent: Agent, log: ReturnType<typeof openKernelLog>, run: string, opened: AsyncDisposableStack) {
    this.agent = agent;
    this.#log = log;
    this.#opened = opened;
    this.#run = run;
  }

  close(): Promise<void> {
    return this.#opened.disposeAsync();
  }

  prefix(name: string): string {
    return `${this.#run} ${words(name)}: `;
  }

  /** The lines that frames cause, sent one after the other: `first` names the rule that writes about every frame. */
  async linesOf(ifname: string, frames: readonly Uint8Array[], first: string): Promise<readonly Written[]> {
    const before = await this.#log.mark();
    const sent = frames.map((bytes) => ({ ifname, bytes }));
    await this.agent.send(sent, 1);
    const deadline = Date.now() + 20_000;
    for (;;) {
      // veth hands a frame over before `send` comes back, but for a kernel with much to do
      await sleep(2);
      const lines = this.#own(this.#log.linesBetween(before, await this.#log.mark()));
      if (lines.filter(({ rule }) => rule.name === first).length >= frames.length) return lines;
      if (Date.now() > deadline) return lines;
      await sleep(20);
    }
  }

  async linesBy(action: () => Promise<unknown>): Promise<readonly Written[]> {
    const before = await this.#log.mark();
    await action();
    return this.#own(await this.#log.linesUntil(before, (found) => this.#own(found).length > 0, { timeoutMs: 20_000 }));
  }

  #own(lines: readonly { readonly text: string }[]): readonly Written[] {
    return lines.flatMap(({ text }) => {
      const rule = rules.find(({ name }) => text.startsWith(this.prefix(name)));
      return rule === undefined ? [] : [{ rule, text }];
    });
  }
}
