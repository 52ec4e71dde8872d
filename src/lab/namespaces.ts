// A scene built on the real kernel: one agent in a network namespace of its own for each node, veth pairs as cables.
// A lab is rebuilt in the same processes but always in fresh namespaces, so nothing of an earlier scene can remain.
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { local } from '../machine/access.ts';
import { loadBridgeFilter } from '../machine/bridge-filter.ts';
import { HostError } from '../model/host-error.ts';
import type { Scene, SceneInterface, SceneNode } from '../model/scene.ts';
import { type Agent, startAgent } from './agent.ts';
import { ipBatches } from './ip-batch.ts';

const readyMs = 10_000;
const pollMs = 4;

/**
 * A fresh namespace copies the IPv4 settings of the machine (`net.core.devconf_inherit_init_net`): these put the
 * kernel's own defaults back, quiet and without reverse path filter. `ip_forward` first: it changes the redirects.
 */
const defaultSysctls: Readonly<Record<string, string>> = {
  'net.ipv4.ip_forward': '0',
  ...forAllInterfaces('net.ipv4.conf', {
    accept_redirects: '0',
    arp_accept: '0',
    arp_announce: '0',
    arp_filter: '0',
    arp_ignore: '0',
    arp_notify: '0',
    log_martians: '0',
    proxy_arp: '0',
    rp_filter: '0',
    send_redirects: '0',
  }),
  ...forAllInterfaces('net.ipv6.conf', { disable_ipv6: '1' }),
};

function forAllInterfaces(tree: string, values: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const entries = Object.entries(values);
  return Object.fromEntries(
    ['all', 'default'].flatMap((name) => entries.map(([key, value]) => [`${tree}.${name}.${key}`, value])),
  );
}

/** @throws HostError what an agent or `ip` refused, 'no-br-netfilter', 'unknown-sysctl', 'lab-not-ready'; nothing is left then */
export async function buildScene(scene: Scene): Promise<Lab> {
  const lab = new Lab();
  try {
    await lab.rebuild(scene);
  } catch (error) {
    await lab.close();
    throw error;
  }
  return lab;
}

export class Lab {
  #pool: readonly Agent[] = [];
  #nodes: ReadonlyMap<string, Agent> = new Map();

  /** @throws Error when the scene has no such node */
  node(name: string): Agent {
    const agent = this.#nodes.get(name);
    if (agent === undefined) throw new Error(`the lab has no node ${name}`);
    return agent;
  }

  /** Another scene in place of this one; agents and their pids stay, everything in the namespaces is new. */
  async rebuild(scene: Scene): Promise<void> {
    this.#nodes = new Map();
    await needBridgeFilter();
    await this.#provide(scene.nodes.length);
    this.#nodes = new Map(scene.nodes.flatMap(({ name }, index) => pairs(name, this.#pool[index])));
    for (const [name, agent] of this.#nodes) agent.name = name;
    await configure(scene, this.#nodes);
  }

  async #provide(count: number): Promise<void> {
    const missing = Array.from({ length: count - this.#pool.length }, () => startAgent());
    const renewed = await Promise.allSettled(this.#pool.map((agent) => agent.renew()));
    const started = await Promise.allSettled(missing);
    this.#pool = [...this.#pool, ...started.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []))];
    const failed = [...renewed, ...started].find(({ status }) => status === 'rejected');
    if (failed?.status === 'rejected') throw failed.reason;
  }

  async close(): Promise<void> {
    const pool = this.#pool;
    this.#pool = [];
    this.#nodes = new Map();
    await Promise.all(pool.map((agent) => agent.stop()));
  }
}

/** A module is loaded for all namespaces, and by the first one only. */
async function needBridgeFilter(): Promise<void> {
  if (existsSync('/proc/sys/net/bridge') || (await loadBridgeFilter(local))) return;
  throw new HostError('no-br-netfilter', 'the module br_netfilter is not loaded, and cannot be');
}

function pairs(name: string, agent: Agent | undefined): readonly [string, Agent][] {
  return agent === undefined ? [] : [[name, agent]];
}

async function configure(scene: Scene, agents: ReadonlyMap<string, Agent>): Promise<void> {
  const onEach = (step: (node: SceneNode, agent: Agent) => Promise<void>) =>
    Promise.all(
      scene.nodes.flatMap((node) => pairs(node.name, agents.get(node.name)).map(([, agent]) => step(node, agent))),
    );
  const batches = ipBatches(scene, new Map([...agents].map(([name, agent]) => [name, agent.pid])));
  await onEach((node, agent) => agent.setSysctls({ ...defaultSysctls, ...sysctlsOf(node, 'general') }));
  await onEach((node, agent) => runBatch(agent, batches.get(node.name)?.create ?? []));
  await onEach(async (node, agent) => {
    const own = sysctlsOf(node, 'own interfaces');
    if (Object.keys(own).length > 0) await agent.setSysctls(own);
    await runBatch(agent, batches.get(node.name)?.setUp ?? []);
  });
  const deadline = Date.now() + readyMs;
  await onEach((node, agent) => untilReady(node, agent, deadline));
}

/** Those of single interfaces exist only after the interface does. */
function sysctlsOf(node: SceneNode, which: 'general' | 'own interfaces'): Readonly<Record<string, string>> {
  const isOwn = (sysctl: string) =>
    node.interfaces.some(({ name }) => sysctl.includes(`.${name}.`) || sysctl.includes(`/${name}/`));
  return Object.fromEntries(
    Object.entries(node.sysctls).filter(([sysctl]) => isOwn(sysctl) === (which === 'own interfaces')),
  );
}

async function runBatch(agent: Agent, lines: readonly string[]): Promise<void> {
  if (lines.length === 0) return;
  const input = `${lines.join('\n')}\n`;
  // the kernel may have to load its modules first
  const { status, stderr } = await agent.run(['ip', '-batch', '-'], { input, timeoutMs: 60_000 });
  if (status === 0) return;
  const line = lines[Number(/^Command failed -:(\d+)$/m.exec(stderr)?.[1]) - 1];
  const reason = stderr.split('\n')[0] ?? '';
  throw new HostError('command-failed', `${agent.name}: ip ${line ?? '-batch -'}: ${reason || `status ${status}`}`);
}

type Link = {
  readonly ifname: string;
  readonly operstate: string;
  readonly linkinfo?: { readonly info_slave_data?: { readonly state?: string } };
};

/** A link that is set up but whose carrier the kernel has not worked off yet drops what is sent. */
async function untilReady(node: SceneNode, agent: Agent, deadline: number): Promise<void> {
  for (;;) {
    const links: readonly Link[] = JSON.parse(await agent.output(['ip', '-j', '-d', 'link', 'show']));
    const byName = new Map(links.map((link) => [link.ifname, link]));
    const waiting = node.interfaces.filter((self) => !isReady(node, self, byName.get(self.name)));
    if (waiting.length === 0) return;
    if (Date.now() > deadline) throw notReady(node, waiting);
    await sleep(pollMs);
  }
}

function isReady(node: SceneNode, self: SceneInterface, link: Link | undefined): boolean {
  if (link === undefined) return false;
  const isEmptyBridge = node.bridges.includes(self.name) && !node.interfaces.some(({ master }) => master === self.name);
  const carries = link.operstate === 'UP' || isEmptyBridge;
  return carries && (self.master === undefined || link.linkinfo?.info_slave_data?.state === 'forwarding');
}

function notReady(node: SceneNode, waiting: readonly SceneInterface[]): HostError {
  const names = waiting.map(({ name }) => name).join(', ');
  return new HostError('lab-not-ready', `${node.name}: no carrier or not forwarding after ${readyMs} ms: ${names}`);
}
