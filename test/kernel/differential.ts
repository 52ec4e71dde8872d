// Simulator against kernel: a random host, random rules, random frames. Deliveries at every machine and the ordered log
// lines must agree. A seed alone replays its run.
import { setTimeout as sleep } from 'node:timers/promises';
import { compile } from '../../src/compile/compile.ts';
import { lowerIptables } from '../../src/iptables/lower.ts';
import { comparable } from '../../src/lab/compare.ts';
import {
  type KernelLog,
  KernelLogOverrun,
  type KernelRecord,
  type Marker,
  openKernelLog,
} from '../../src/lab/kernel-log.ts';
import { loadRuleset } from '../../src/lab/load.ts';
import { buildScene, type Lab } from '../../src/lab/namespaces.ts';
import { isOurs } from '../../src/lab/perform.ts';
import { joinLabs, type Membership } from '../../src/lab/registry.ts';
import { type Ip, printIp } from '../../src/model/ip.ts';
import { type Mac, printMac } from '../../src/model/mac.ts';
import type { Ruleset } from '../../src/model/ruleset.ts';
import type { Scene, SceneNode } from '../../src/model/scene.ts';
import { lowerNft } from '../../src/nft/lower.ts';
import { echoRequest } from '../../src/packet/build.ts';
import { decodePacket, encodePacket } from '../../src/packet/packet.ts';
import { printPacket } from '../../src/packet/print.ts';
import { hostNode, sceneOf } from '../../src/simulate/scene.ts';
import { emitRaw, sendFrom } from '../../src/simulate/stack.ts';
import { neighbourKey, World } from '../../src/simulate/world.ts';
import { Random } from './random.ts';
import { type Action, randomActions, type Station } from './random-frames.ts';
import { guestAddress, hostAddress, ip, type RandomHost, randomHost } from './random-host.ts';
import { randomIptables, randomNft, type Surroundings } from './random-rules.ts';

export type Mismatch = {
  /** The actions between two looks, by their numbers. */
  readonly first: number;
  readonly last: number;
  readonly what: string;
  readonly simulated: readonly string[];
  readonly seen: readonly string[];
};

export type SeedReport = {
  readonly seed: number;
  readonly rules: string;
  readonly mismatches: readonly Mismatch[];
  readonly actions: readonly Action[];
  /** How often what happened: for the proof that the run was not vacuous. */
  readonly counts: ReadonlyMap<string, number>;
};

const actionsPerSeed = 40;
const unknownNeighbour = '10.5.0.200';
/** Between two actions, in the simulator's microseconds. */
const pause = 1_000;
/** How late the kernel may be on a busy machine. */
const patienceMs = 1_500;
/** How often others may push our lines out of the kernel's ring. */
const mostAttempts = 3;

/** One set of namespaces for one seed after the other. */
export class Harness {
  readonly #membership: Membership;
  readonly #log: KernelLog;
  readonly #together: number;
  #lab: Lab | undefined;

  private constructor(membership: Membership, log: KernelLog, together: number) {
    this.#membership = membership;
    this.#log = log;
    this.#together = together;
  }

  /**
   * @param together how many actions are looked at with one look, since to ask everybody costs more than to send: each begins when
   * what the simulator expects of the one before is there
   */
  static async open(together: number): Promise<Harness> {
    return new Harness(await joinLabs(), openKernelLog(), together);
  }

  async close(): Promise<void> {
    await this.#lab?.close();
    this.#log.close();
    await this.#membership.leave();
  }

  /** A seed of which log lines were lost proves nothing: it runs again. */
  async run(seed: number): Promise<SeedReport> {
    for (let left = mostAttempts - 1; ; left--) {
      try {
        return await this.#try(seed);
      } catch (error) {
        if (!(error instanceof KernelLogOverrun) || left === 0) throw error;
      }
    }
  }

  async #try(seed: number): Promise<SeedReport> {
    const random = new Random(seed);
    let given = this.#membership.slot.firstMac;
    const mac = (): Mac => ++given;
    const made = randomHost(random, mac);
    const cast = castOf(made, sceneOf(made.policy, made.host, { mac }));
    const { name, ruleset } = rulesFor(seed, random, made, cast);
    const { firstIdent: ident, firstPort: port } = this.#membership.slot;
    const actions = randomActions(
      random,
      cast.stations,
      [ip(unknownNeighbour), ip('172.16.0.9')],
      { ident, port },
      actionsPerSeed,
    );
    if (this.#lab === undefined) this.#lab = await buildScene(cast.scene);
    else await this.#lab.rebuild(cast.scene);
    await this.#prepare(this.#lab, cast, ruleset);
    const world = simulated(cast, ruleset);
    const mismatches: Mismatch[] = [];
    let mark = await this.#log.mark();
    for (let first = 0; first < actions.length && mismatches.length === 0; first += this.#together) {
      const some = actions.slice(first, first + this.#together);
      const expected = some.map((action) => simulateAction(world, cast, action));
      const { differences, after } = await this.#compare(this.#lab, cast, some, expected, mark);
      mismatches.push(...differences.map((one) => ({ first, last: first + some.length - 1, ...one })));
      mark = after;
    }
    return { seed, rules: name, mismatches, actions, counts: countsOf(world, actions, name, ruleset) };
  }

  async #prepare(lab: Lab, cast: Cast, ruleset: Ruleset): Promise<void> {
    const host = lab.node(hostNode);
    await loadRuleset(host, ruleset);
    const permanent = cast.neighbours.map(
      ({ ifname, ip: to, mac }) => `neigh replace ${printIp(to)} lladdr ${printMac(mac)} nud permanent dev ${ifname}`,
    );
    await host.output(['ip', '-batch', '-'], { input: `${permanent.join('\n')}\n` });
    await Promise.all(cast.cards.map(({ node, ifname }) => lab.node(node).open(ifname)));
  }

  /** The kernel is done when the frame is sent, or a moment later: nothing counts as different before it had time. */
  async #compare(
    lab: Lab,
    cast: Cast,
    actions: readonly Action[],
    expected: readonly Happened[],
    before: Marker,
  ): Promise<{ readonly differences: readonly Difference[]; readonly after: Marker }> {
    for (const [index, action] of actions.entries()) {
      await act(lab, action);
      if (index < actions.length - 1) await this.#settled(lab, joined(cast, expected.slice(0, index + 1)), before);
    }
    const deadline = Date.now() + patienceMs;
    let { deliveries } = emptyHappened(cast);
    for (;;) {
      const isLast = Date.now() > deadline;
      deliveries = await this.#delivered(lab, cast, deliveries);
      const after = await this.#log.mark();
      const seen = { lines: this.#own(this.#log.linesBetween(before, after)).map(comparable), deliveries };
      const differences = difference(actions, joined(cast, expected), seen);
      if (differences.length === 0 || isLast) return { differences, after };
      await sleep(10);
    }
  }

  /** Until as much has come as is expected; whether it is that is seen with the next look. */
  async #settled(lab: Lab, { lines, deliveries }: Happened, before: Marker): Promise<void> {
    const patience = { timeoutMs: patienceMs };
    const awaited = [...deliveries].filter(([, frames]) => frames.length > 0);
    await Promise.all(awaited.map(([node, { length }]) => lab.node(node).waitForFrames(length, patience)));
    if (lines.length === 0) return;
    const isEnough = (some: readonly KernelRecord[]): boolean => this.#own(some).length >= lines.length;
    await this.#log.linesUntil(before, isEnough, patience);
  }

  #own(records: readonly KernelRecord[]): readonly string[] {
    return records.map(({ text }) => text).filter((text) => isOurs(text, this.#membership.slot));
  }

  async #delivered(lab: Lab, cast: Cast, earlier: Happened['deliveries']): Promise<Happened['deliveries']> {
    const captured = await Promise.all(
      cast.cards.map(async ({ node }) => [node, await lab.node(node).captured()] as const),
    );
    return new Map(
      captured.map(([node, { frames }]) => [
        node,
        [...(earlier.get(node) ?? []), ...frames.map(({ bytes }) => frameText(bytes, cast))],
      ]),
    );
  }
}

type Neighbour = { readonly ifname: string; readonly ip: Ip; readonly mac: Mac };

type Cast = {
  readonly scene: Scene;
  readonly stations: readonly Station[];
  /** The stations whose cards are captured: all but the host. */
  readonly cards: readonly Station[];
  readonly neighbours: readonly Neighbour[];
};

/** The machines without addresses of their own: they say what the test makes them say, and nothing else. */
function castOf({ host }: RandomHost, scene: Scene): Cast {
  const own = host.interfaces.find(({ addresses }) => addresses.some(({ bits }) => bits === ip(hostAddress).bits));
  const cards = scene.nodes
    .filter(({ kind }) => kind === 'guest' || kind === 'outside')
    .map(
      (node): Station => ({ node: node.name, ifname: 'eth0', ip: addressOf(node), mac: node.interfaces[0]?.mac ?? 0 }),
    );
  const self: Station = { node: hostNode, ifname: own?.name ?? '', ip: ip(hostAddress), mac: own?.mac ?? 0 };
  const neighbours = cards.map(({ ip: to, mac }) => ({
    ifname: to.bits >> 8n === ip(hostAddress).bits >> 8n ? self.ifname : 'br-x',
    ip: to,
    mac,
  }));
  // nobody has it: asking for it again and again would take seconds, which a run does not have
  const nowhere = { ifname: self.ifname, ip: ip(unknownNeighbour), mac: 0x02ff_0000_00ff };
  return {
    scene: { nodes: scene.nodes.map(muted) },
    stations: [self, ...cards],
    cards,
    neighbours: [...neighbours, nowhere],
  };
}

function addressOf({ name, kind, interfaces }: SceneNode): Ip {
  const own = interfaces[0]?.addresses[0];
  if (own !== undefined) return { family: 4, bits: own.bits };
  return kind === 'guest' && /^g\d$/.test(name) ? ip(guestAddress(name)) : ip('10.5.0.99');
}

function muted(node: SceneNode): SceneNode {
  if (node.kind === 'host') return { ...node, sysctls: { ...node.sysctls, 'net.ipv4.icmp_ratemask': '0' } };
  return { ...node, routes: [], sysctls: {}, interfaces: node.interfaces.map((one) => ({ ...one, addresses: [] })) };
}

function rulesFor(
  seed: number,
  random: Random,
  { host, policy }: RandomHost,
  cast: Cast,
): { readonly name: string; readonly ruleset: Ruleset } {
  const list = compile(policy, host).value?.list;
  const compiled = seed % 4 < 2 ? list : undefined;
  if (compiled !== undefined && seed % 4 === 0) {
    // few guests, but the layouts for many: both must mean the same
    const many = random.chance(0.5) ? { manyPorts: 2, manyDestinations: 2 } : undefined;
    return {
      name: `compiled iptables${many === undefined ? '' : ', name tree'}`,
      ruleset: lowerIptables(compiled, many),
    };
  }
  if (compiled !== undefined) {
    const arp = random.chance(0.7) ? 'bound' : 'unchecked';
    return { name: `compiled nft, ARP ${arp}`, ruleset: lowerNft(compiled, { arp }) };
  }
  const around: Surroundings = {
    bridges: host.bridges.map(({ name }) => name),
    ports: host.bridges.flatMap(({ ports }) => ports.map(({ name }) => name)),
    hostInterfaces: host.interfaces.map(({ name }) => name),
    ips: cast.stations.map(({ ip: one }) => one.bits),
    macs: cast.stations.map(({ mac }) => mac),
  };
  return seed % 2 === 0
    ? { name: 'random iptables', ruleset: randomIptables(random, around) }
    : { name: 'random nft', ruleset: randomNft(random, around) };
}

function simulated(cast: Cast, ruleset: Ruleset): World {
  const world = new World(cast.scene, ruleset);
  for (const { ifname, ip: to, mac } of cast.neighbours) {
    const key = neighbourKey(world.iface(hostNode, ifname), to);
    world.node(hostNode).neighbours.set(key, { mac, updated: 0, tries: 0, waiting: [], permanent: true });
  }
  return world;
}

type Happened = { readonly lines: readonly string[]; readonly deliveries: ReadonlyMap<string, readonly string[]> };

function emptyHappened({ cards }: Cast): Happened {
  return { lines: [], deliveries: new Map(cards.map(({ node }) => [node, []])) };
}

/** One after the other. */
function joined(cast: Cast, parts: readonly Happened[]): Happened {
  const frames = (node: string) => parts.flatMap(({ deliveries }) => deliveries.get(node) ?? []);
  return {
    lines: parts.flatMap(({ lines }) => lines),
    deliveries: new Map([...emptyHappened(cast).deliveries.keys()].map((node) => [node, frames(node)])),
  };
}

function simulateAction(world: World, cast: Cast, action: Action): Happened {
  const before = world.events.length;
  if (action.kind === 'frame') {
    emitRaw(world, world.iface(action.from.node, action.from.ifname), action.packet);
  } else {
    const ends = { ether: { source: 0, destination: 0 }, source: ip(hostAddress), destination: action.to };
    sendFrom(
      world,
      world.node(hostNode),
      echoRequest({ ...ends, source: sourceTowards(world, action.to), id: action.ident, sequence: 1 }),
    );
  }
  world.runUntil(world.now + pause);
  const events = world.events.slice(before);
  const deliveries = new Map<string, string[]>(cast.cards.map(({ node }) => [node, []]));
  for (const event of events)
    if (event.kind === 'received') deliveries.get(event.node)?.push(frameText(event.frame, cast));
  return { lines: events.flatMap((event) => (event.kind === 'log' ? [comparable(event.text)] : [])), deliveries };
}

function sourceTowards(world: World, to: Ip): Ip {
  const addresses = [...world.node(hostNode).ifaces.values()].flatMap((iface) => iface.addresses);
  const near = addresses.find(({ bits }) => bits >> 8n === to.bits >> 8n);
  return near === undefined ? ip(hostAddress) : { family: 4, bits: near.bits };
}

async function act(lab: Lab, action: Action): Promise<void> {
  if (action.kind === 'frame') {
    await lab.node(action.from.node).send([{ ifname: action.from.ifname, bytes: encodePacket(action.packet) }]);
  } else {
    await lab.node(hostNode).ping({ address: action.to, ident: action.ident, sequence: 1 }, { timeoutMs: 1 });
  }
}

/** What the host's stack writes itself differs in identification, window and ping data; all else is compared whole. */
function frameText(frame: Uint8Array, { stations }: Cast): string {
  const packet = decodePacket(frame);
  const hostMade =
    packet?.payload.kind === 'ip4' &&
    [ip(hostAddress).bits, ip('10.9.0.1').bits].includes(packet.payload.ip.source.bits);
  const isHost = stations.some(({ node, mac }) => node === hostNode && mac === packet?.ether.source);
  if (packet === undefined || !hostMade || !(isHost || packet.ether.source !== stations[0]?.mac))
    return Buffer.from(frame).toString('hex');
  return `${printMac(packet.ether.source)} > ${printMac(packet.ether.destination)} ${printPacket(packet)}`;
}

type Difference = Omit<Mismatch, 'first' | 'last'>;

function actionText(action: Action): string {
  return action.kind === 'frame'
    ? `${action.what} from ${action.from.node}: ${printPacket(action.packet)}`
    : `host pings ${printIp(action.to)}`;
}

function difference(actions: readonly Action[], expected: Happened, seen: Happened): readonly Difference[] {
  const what = actions.map(actionText).join('; ');
  const pairs: readonly (readonly [string, readonly string[], readonly string[]])[] = [
    ['log', expected.lines, seen.lines],
    ...[...expected.deliveries].map(
      ([node, frames]) => [`delivered to ${node}`, frames, seen.deliveries.get(node) ?? []] as const,
    ),
  ];
  return pairs
    .filter(([, simulatedLines, seenLines]) => simulatedLines.join('\n') !== seenLines.join('\n'))
    .map(([place, simulatedLines, seenLines]) => ({
      what: `${what}: ${place}`,
      simulated: simulatedLines,
      seen: seenLines,
    }));
}

function countsOf(
  world: World,
  actions: readonly Action[],
  name: string,
  ruleset: Ruleset,
): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  const add = (key: string): void => {
    counts.set(key, (counts.get(key) ?? 0) + 1);
  };
  add(`rules: ${name}`);
  for (const action of actions)
    add(`action: ${action.kind === 'frame' ? action.what.replace(/ .*/, '') : action.kind}`);
  for (const event of world.events) {
    if (event.kind === 'hook') add(`${event.family} ${event.hook}: ${event.decision.verdict}`);
    else add(`event: ${event.kind}`);
  }
  for (const table of ruleset.tables) {
    for (const { rules } of table.chains)
      for (const { body } of rules) for (const { kind } of body) add(`expression: ${kind}`);
  }
  return counts;
}
