// Border ports in the bridge table: to another bridge, to the host, outside. Each has sets of its own, since behind a cable are
// all guests of the other side, and an element that is one value costs nft a fifth of one that begins with the port's name.
import { exactly } from '../model/field.ts';
import type { IpSet } from '../model/ip-set.ts';
import type { Mac } from '../model/mac.ts';
import { lookup, type Match, notLookup } from '../model/match.ts';
import type { GroundBridge, GroundPort } from '../model/rule-list.ts';
import type { NamedSet } from '../model/ruleset.ts';
import type { ArpAddress } from './arp.ts';
import { addressSets, hashSet, keyedSets, portSet, rangesOf } from './set-parts.ts';

export type BorderPorts = {
  readonly sets: readonly NamedSet[];
  /** What goes from one side of the port to the other, as it comes in there or goes out; each of these is enough. */
  readonly crossings: (port: GroundPort, direction: 'in' | 'out') => readonly (readonly Match[])[];
  readonly notOn: (side: 'far' | 'near', address: Address, port: GroundPort) => readonly Match[];
  /** Who may be the sender of ARP that comes in there, or, in a probe, its target; each of these is enough. */
  readonly speakers: (port: GroundPort, address: ArpAddress) => readonly (readonly Match[])[];
};

type Address = 'ip saddr' | 'ip daddr';

export function isBorder({ kind }: GroundPort): boolean {
  return kind !== 'guest' && kind !== 'closed';
}

/** The MACs behind a border port; without any when not all of them are known. */
export function cardsOf({ name }: GroundPort): string {
  return portSet('cards', name);
}

export function borderPorts(bridges: readonly GroundBridge[], guestIps: IpSet): BorderPorts {
  const borders = bridges.flatMap(({ ports }) => ports.filter(isBorder));
  const networkOf = networks(bridges);
  const speakersOf = ({ bridge }: GroundPort): string => portSet('speakers', networkOf.get(bridge) ?? bridge);
  const several = addressesOfSeveral(borders);
  const sets = [
    ...borders.flatMap((port) => ownSets(port, guestIps)),
    ...[...Map.groupBy(borders, speakersOf)].map(([name, some]) => speakers(name, some, several)),
    ...[bound(borders, several), ...free(borders, guestIps)].filter(({ elements }) => elements.length > 0),
  ];
  const names = new Set(sets.map(({ name }) => name));
  const has = (name: string): boolean => names.has(name);
  const side = (which: 'far' | 'near', port: GroundPort): readonly string[] => {
    const set = which === 'far' ? behindSet(port) : nearSet(port);
    return [set, rangesOf(set)].filter(has);
  };
  return {
    sets,
    crossings: (port, direction) => {
      const [far, near] =
        direction === 'in' ? (['ip saddr', 'ip daddr'] as const) : (['ip daddr', 'ip saddr'] as const);
      return side('far', port).flatMap((behind) =>
        side('near', port).map((here) => [lookup(behind, far), lookup(here, near)]),
      );
    },
    notOn: (which, address, port) => side(which, port).map((set) => notLookup(set, address)),
    speakers: (port, address) => [
      ...side('far', port).map((behind) => [
        lookup(behind, address),
        lookup(speakersOf(port), 'ether saddr', address),
        lookup(speakersOf(port), 'arp saddr ether', address),
      ]),
      ...(has('arp_bound') ? [[lookup('arp_bound', 'iifname', 'ether saddr', 'arp saddr ether', address)]] : []),
      ...['arp_free', rangesOf('arp_free')].filter(has).map((set) => [lookup(set, 'iifname', address)]),
    ],
  };
}

/** The first bridge of those that are linked with each. */
function networks(bridges: readonly GroundBridge[]): ReadonlyMap<string, string> {
  const portsOf = new Map(bridges.map(({ name, ports }) => [name, ports]));
  const bridgeOf = new Map(bridges.flatMap(({ name, ports }) => ports.map((port) => [port.name, name])));
  const firsts = new Map<string, string>();
  for (const { name: first } of bridges) {
    const linked = [first];
    for (let bridge = linked.pop(); bridge !== undefined; bridge = linked.pop()) {
      if (firsts.has(bridge)) continue;
      firsts.set(bridge, first);
      linked.push(...(portsOf.get(bridge) ?? []).flatMap(({ peer = '' }) => bridgeOf.get(peer) ?? []));
    }
  }
  return firsts;
}

function behindSet({ name }: GroundPort): string {
  return portSet('behind', name);
}

/** One set for both ends of a cable: what is behind the one is near the other. */
function nearSet({ name, peer }: GroundPort): string {
  return peer === undefined ? portSet('near', name) : portSet('behind', peer);
}

/** Single addresses and MACs, there without elements too: whoever comes is one element more. */
function ownSets(port: GroundPort, guestIps: IpSet): readonly NamedSet[] {
  const { peer, behind, near, macs = [] } = port;
  const cards = macs.map((mac) => [exactly(mac)]);
  return [
    ...addressSets(behindSet(port), behind, guestIps),
    ...(peer === undefined ? addressSets(nearSet(port), near, guestIps) : []),
    hashSet(cardsOf(port), ['ether_addr'], cards),
  ];
}

/**
 * The MAC of each address in a network of linked bridges, whichever ports it is behind: an element for each guest instead of one
 * for each guest and cable. Asked for both MACs of a frame, beside what is behind its port, it says what (port, MAC, MAC,
 * address) would: whom the host or an uplink leads to is nobody of this network.
 */
function speakers(name: string, borders: readonly GroundPort[], several: ReadonlySet<bigint>): NamedSet {
  const macs = new Map(borders.flatMap(({ arp }) => arp.map(({ ip, mac }) => [ip.bits, mac] as const)));
  for (const bits of several) macs.delete(bits);
  const elements = [...macs].map(([bits, mac]) => [exactly(mac), exactly(bits)]);
  return hashSet(name, ['ether_addr', 'ipv4_addr'], elements);
}

/** Port by port where an address has several MACs, as the host's own may have on two interfaces. */
function bound(borders: readonly GroundPort[], several: ReadonlySet<bigint>): NamedSet {
  const elements = borders.flatMap(({ name, arp }) =>
    arp
      .filter(({ ip }) => several.has(ip.bits))
      .map(({ ip, mac }) => [name, exactly(mac), exactly(mac), exactly(ip.bits)]),
  );
  return hashSet('arp_bound', ['ifname', 'ether_addr', 'ether_addr', 'ipv4_addr'], elements);
}

function addressesOfSeveral(borders: readonly GroundPort[]): ReadonlySet<bigint> {
  const macOf = new Map<bigint, Mac>();
  const several = new Set<bigint>();
  for (const { ip, mac } of borders.flatMap(({ arp }) => arp)) {
    if ((macOf.get(ip.bits) ?? mac) !== mac) several.add(ip.bits);
    macOf.set(ip.bits, mac);
  }
  return several;
}

function free(borders: readonly GroundPort[], guestIps: IpSet): readonly NamedSet[] {
  const keyed = borders.map(({ name, arpFree }) => [name, arpFree] as const);
  return keyedSets('arp_free', 'ifname', keyed, guestIps);
}
