// The attacks by ARP spoofing: who poisons whom, and the scenario that shows whether the redirected packets get through.
import { type Ip, prefixContains } from '../model/ip.ts';
import type { Mac } from '../model/mac.ts';
import type { Scene, SceneNode } from '../model/scene.ts';
import { arpReply } from '../packet/build.ts';
import type { Packet } from '../packet/packet.ts';
import type { Step } from './scenario.ts';
import { hostNode } from './scene.ts';

/** A node by one of its interfaces, as others on the same network know it. */
export type Party = { readonly node: string; readonly ifname: string; readonly ip: Ip; readonly mac: Mac };

export type Attack = {
  readonly number: number;
  readonly title: string;
  readonly attacker: Party;
  readonly victims: readonly [Party, Party];
  /** The victims' exchange goes on from before the poisoning: its packets are ESTABLISHED. */
  readonly running: boolean;
};

/** Every attacker between every two victims would be many; these are the ways that differ. */
export function attacksOn(scene: Scene): readonly Attack[] {
  const known = publishedAttacks(scene);
  return known.length > 0 ? known : generalAttacks(scene);
}

type Plan = readonly [attacker: string, a: string, b: string, running?: boolean];

/** The five of the published two-bridge experiment, one on a single bridge, and the takeover of a running flow. */
const published: readonly Plan[] = [
  ['kali2', 'kali3', 'kali4'],
  ['kali2', 'kali3', hostNode],
  ['kali3', 'kali4', hostNode],
  ['kali3', 'kali2', hostNode],
  [hostNode, 'kali3', 'kali2'],
  ['kali5', 'kali3', 'kali4'],
  ['kali2', 'kali3', 'kali4', true],
];

function publishedAttacks(scene: Scene): readonly Attack[] {
  const names = new Set(scene.nodes.map(({ name }) => name));
  if (!published.every((plan) => plan.slice(0, 3).every((name) => names.has(String(name))))) return [];
  return numbered(scene, published);
}

/** Each guest once in the middle of the next two, the host in the middle of the first two, and one running flow. */
function generalAttacks(scene: Scene): readonly Attack[] {
  const guests = scene.nodes.filter(
    ({ kind, interfaces }) => kind === 'guest' && interfaces[0]?.addresses[0] !== undefined,
  );
  const names = guests.slice(0, 8).map(({ name }) => name);
  const ring = names.length < 3 ? [] : names.map((name, at): Plan => [name, at1(names, at + 1), at1(names, at + 2)]);
  const withHost = names.length < 2 ? [] : names.map((name, at): Plan => [name, at1(names, at + 1), hostNode]);
  const byHost: readonly Plan[] = names.length < 2 ? [] : [[hostNode, at1(names, 0), at1(names, 1)]];
  const running = ring.slice(0, 1).map(([attacker, a, b]): Plan => [attacker, a, b, true]);
  return numbered(scene, [...ring, ...withHost, ...byHost, ...running]);
}

function at1(names: readonly string[], index: number): string {
  return names[index % names.length] ?? '';
}

function numbered(scene: Scene, plans: readonly Plan[]): readonly Attack[] {
  const attacks = plans.flatMap(([attacker, a, b, running = false]) => {
    const victims = [a, b].map((name) => partyOf(scene, name, a === hostNode ? b : a));
    const middle = partyOf(scene, attacker, a === hostNode ? b : a);
    const [first, second] = victims;
    if (middle === undefined || first === undefined || second === undefined) return [];
    const what = running
      ? `${attacker} takes over the running flow of ${a} and ${b}`
      : `${attacker} between ${a} and ${b}`;
    return [{ title: what, attacker: middle, victims: [first, second] as const, running }];
  });
  return attacks.map((attack, index) => ({ number: index + 1, ...attack }));
}

/** The host has several addresses: the one in the other's network counts. */
function partyOf(scene: Scene, name: string, other: string): Party | undefined {
  const node = scene.nodes.find((one) => one.name === name);
  const reference = scene.nodes.find((one) => one.name === other)?.interfaces[0]?.addresses[0];
  return node === undefined ? undefined : partyIn(node, reference);
}

function partyIn(node: SceneNode, reference: Ip | undefined): Party | undefined {
  for (const { name: ifname, mac, addresses } of node.interfaces) {
    const address = addresses.find(
      (one) => node.kind !== 'host' || (reference !== undefined && prefixContains(one, reference)),
    );
    if (address !== undefined)
      return { node: node.name, ifname, ip: { family: address.family, bits: address.bits }, mac };
  }
  return undefined;
}

/** Numbers by which one lab's probes differ from those of another: ICMP identifiers. */
export type Idents = { readonly first: number };

/**
 * Both victims know each other; then both are told, again and again, that the other is at the attacker's MAC; then
 * each pings the other. The kernel ignores an ARP update within a second of the last one, hence the wait.
 */
export function attackSteps({ attacker, victims: [a, b], running }: Attack, { first }: Idents): readonly Step[] {
  const forge: Step = {
    kind: 'inject',
    node: attacker.node,
    ifname: attacker.ifname,
    frames: [lie(attacker, a, b), lie(attacker, b, a)],
  };
  const probe = (from: Party, to: Party, ident: number, sequence: number): Step => ({
    kind: 'ping',
    node: from.node,
    to: to.ip,
    ident,
    sequence,
  });
  const cache = (of: Party, about: Party): Step => ({
    kind: 'neighbour',
    node: of.node,
    ifname: of.ifname,
    ip: about.ip,
  });
  const flows = running ? [first, first + 1] : [first + 2, first + 3];
  return [
    { kind: 'forget' },
    probe(a, b, first, 1),
    probe(b, a, first + 1, 1),
    { kind: 'wait', us: 1_100_000 },
    forge,
    cache(a, b),
    cache(b, a),
    forge,
    probe(a, b, flows[0] ?? 0, 2),
    forge,
    probe(b, a, flows[1] ?? 0, 2),
    forge,
    cache(a, b),
    cache(b, a),
  ];
}

/** The forged reply: tells `victim` that `other` is at the attacker's MAC. */
function lie(attacker: Party, victim: Party, other: Party): Packet {
  return arpReply({
    ether: { source: attacker.mac, destination: victim.mac },
    source: other.ip,
    destination: victim.ip,
  });
}
