// A scene come alive: learning tables, neighbour caches, connection tracking, one virtual clock, one queue of events.
// The same scene, rules and events always give the same run. One namespace is the host and holds all its bridges.

import { type Ip, type Prefix, printIp } from '../model/ip.ts';
import type { Mac } from '../model/mac.ts';
import type { HookName, Ruleset } from '../model/ruleset.ts';
import type { Scene, SceneNode, SceneRoute } from '../model/scene.ts';
import type { Decision, LossReason, SimEvent } from '../model/trace.ts';
import { encodePacket, type Packet } from '../packet/packet.ts';
import { printPacket } from '../packet/print.ts';
import { type Connection, Conntrack } from './conntrack.ts';
import { Firewall } from './evaluate.ts';
import { printLogLine } from './log-line.ts';
import type { BridgeInfo } from './view.ts';

export type Iface = {
  readonly node: Node;
  readonly name: string;
  readonly mac: Mac;
  readonly addresses: readonly Prefix[];
  readonly master?: string;
  readonly isBridge: boolean;
  peer?: Iface;
};

export type FdbEntry = { readonly port: Iface; readonly learned: number };

/** Where a bridge floods first is the port that was enslaved last. */
export type BridgeState = {
  readonly device: Iface;
  readonly ports: readonly Iface[];
  readonly fdb: Map<Mac, FdbEntry>;
};

/** A permanent one was put there by the administrator and believes nobody. */
export type Neighbour = { mac?: Mac; updated: number; tries: number; waiting: (() => void)[]; permanent?: boolean };

export type Node = {
  readonly name: string;
  readonly kind: SceneNode['kind'];
  readonly ifaces: ReadonlyMap<string, Iface>;
  readonly bridges: ReadonlyMap<string, BridgeState>;
  readonly routes: readonly SceneRoute[];
  readonly sysctls: Readonly<Record<string, string>>;
  /** By `interface address`. */
  readonly neighbours: Map<string, Neighbour>;
  readonly conntrack: Conntrack;
  readonly firewall: Firewall | undefined;
  /** By sender: how many 'no route' errors it may still be told of. */
  readonly routeErrors: Map<bigint, { readonly tokens: number; readonly at: number }>;
  readonly listening: Set<number>;
  /** Own sockets that wait for an answer: echo ids and TCP ports, by a key of theirs. */
  readonly expecting: Map<string, (packet: Packet) => void>;
};

/** What the kernel keeps with a packet on its way through one namespace (struct sk_buff). */
export type Skb = {
  readonly id: number;
  readonly packet: Packet;
  readonly connection?: Connection;
  readonly bridgeInfo?: BridgeInfo;
};

/** What a cable costs; it only orders events. */
const cableDelay = 1;

export class World {
  readonly nodes: ReadonlyMap<string, Node>;
  readonly events: SimEvent[] = [];
  now = 0;
  #nextPacket = 1;
  readonly #queue: { readonly at: number; readonly order: number; readonly action: () => void }[] = [];
  #order = 0;

  /** @param ruleset what is loaded in the host's namespace */
  constructor(scene: Scene, ruleset: Ruleset) {
    this.nodes = new Map(scene.nodes.map((node) => [node.name, makeNode(node, ruleset)]));
    for (const { name, interfaces } of scene.nodes) {
      for (const { name: ifname, peer } of interfaces) {
        if (peer !== undefined) this.iface(name, ifname).peer = this.iface(peer.node, peer.name);
      }
    }
  }

  node(name: string): Node {
    const node = this.nodes.get(name);
    if (node === undefined) throw new Error(`the scene has no node '${name}'`);
    return node;
  }

  iface(node: string, ifname: string): Iface {
    const iface = this.node(node).ifaces.get(ifname);
    if (iface === undefined) throw new Error(`node '${node}' has no interface '${ifname}'`);
    return iface;
  }

  skb(packet: Packet): Skb {
    return { id: this.#nextPacket++, packet };
  }

  /** Microseconds from now. Events of one moment run in the order in which they were planned. */
  later(delay: number, action: () => void): void {
    const at = this.now + delay;
    const order = this.#order++;
    let index = this.#queue.length;
    while (index > 0 && (this.#queue[index - 1]?.at ?? 0) > at) index--;
    this.#queue.splice(index, 0, { at, order, action });
  }

  /** Lets everything happen that is due until then, and sets the clock to it. */
  runUntil(time: number): void {
    for (let next = this.#queue[0]; next !== undefined && next.at <= time; next = this.#queue[0]) {
      this.#queue.shift();
      this.now = next.at;
      next.action();
    }
    this.now = Math.max(this.now, time);
  }

  cross(peer: Iface, skb: Skb, arrive: (peer: Iface, skb: Skb) => void): void {
    this.later(cableDelay, () => arrive(peer, { id: skb.id, packet: skb.packet }));
  }

  /** Runs the base chains of a hook; their log lines and the decision become events. */
  decide(node: Node, family: 'bridge' | 'ip', hook: HookName, skb: Skb, iif?: Iface, oif?: Iface): boolean {
    if (node.firewall === undefined) return true;
    const names = { ...(iif === undefined ? {} : { iif: iif.name }), ...(oif === undefined ? {} : { oif: oif.name }) };
    const { packet, bridgeInfo, connection } = skb;
    const view = {
      packet,
      ...names,
      ...(bridgeInfo === undefined ? {} : { bridgeInfo }),
      ctState: connection?.state ?? 'untracked',
      mark: 0,
    };
    const decision: Decision = node.firewall.decide(family, hook, view, this.now, (prefix) => {
      const text = printLogLine({ prefix, family, packet, ...names, ...bridgeInfo });
      this.events.push({ kind: 'log', at: this.now, packet: skb.id, text });
    });
    if (decision.by !== undefined) {
      this.events.push({ kind: 'hook', at: this.now, packet: skb.id, family, hook, ...names, ...bridgeInfo, decision });
    }
    return decision.verdict === 'accept';
  }

  lost(node: Node, skb: Skb, reason: LossReason): void {
    this.events.push({ kind: 'lost', at: this.now, packet: skb.id, node: node.name, reason });
  }

  sent(iface: Iface, { id, packet }: Skb): void {
    this.events.push({ kind: 'sent', at: this.now, packet: id, ...place(iface), text: printPacket(packet) });
  }

  received(iface: Iface, { id, packet }: Skb, forHere: boolean): void {
    this.events.push({
      kind: 'received',
      at: this.now,
      packet: id,
      ...place(iface),
      text: printPacket(packet),
      forHere,
      frame: encodePacket(packet),
    });
  }
}

function place(iface: Iface): { readonly node: string; readonly ifname: string } {
  return { node: iface.node.name, ifname: iface.name };
}

function makeNode(scene: SceneNode, ruleset: Ruleset): Node {
  const ifaces = new Map<string, Iface>();
  const bridges = new Map<string, BridgeState>();
  const node: Node = {
    name: scene.name,
    kind: scene.kind,
    ifaces,
    bridges,
    routes: scene.routes,
    sysctls: scene.sysctls,
    neighbours: new Map(),
    conntrack: new Conntrack(),
    firewall: scene.kind === 'host' ? new Firewall(ruleset) : undefined,
    routeErrors: new Map(),
    listening: new Set(),
    expecting: new Map(),
  };
  for (const { name, mac, addresses, master } of scene.interfaces) {
    const isBridge = scene.bridges.includes(name);
    ifaces.set(name, { node, name, mac, addresses, isBridge, ...(master === undefined ? {} : { master }) });
  }
  for (const name of scene.bridges) {
    const device = ifaces.get(name);
    const ports = [...ifaces.values()].filter(({ master }) => master === name);
    if (device !== undefined) bridges.set(name, { device, ports, fdb: new Map() });
  }
  return node;
}

export function neighbourKey(iface: Iface, ip: Ip): string {
  return `${iface.name} ${printIp(ip)}`;
}

export function isOwn(node: Node, ip: Ip): boolean {
  for (const { addresses } of node.ifaces.values()) {
    if (addresses.some(({ family, bits }) => family === ip.family && bits === ip.bits)) return true;
  }
  return false;
}
