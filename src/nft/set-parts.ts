// What sets are made of: addresses as single elements and as ranges, and the names of sets that belong to one port.
import { exactly, type Value } from '../model/field.ts';
import { type IpSet, intersectIps, isSingle, listIps, ofFamily, subtractIps } from '../model/ip-set.ts';
import type { Element, NamedSet } from '../model/ruleset.ts';

export function hashSet(name: string, types: NamedSet['types'], elements: readonly Element[]): NamedSet {
  return { name, types, interval: false, elements };
}

function rangeSet(name: string, types: NamedSet['types'], elements: readonly Element[]): NamedSet {
  return { name: rangesOf(name), types, interval: true, elements };
}

/** The set of ranges beside a set of single addresses. */
export function rangesOf(set: string): string {
  return `${set}_net`;
}

/** Underscores in pairs: no port's set has the name of another one's ranges. */
export function portSet(what: string, port: string): string {
  return `${what}_${port.replaceAll('_', '__')}`;
}

/** Addresses alone. The set of single ones is there without any too, that of ranges is not. */
export function addressSets(name: string, ips: IpSet, guestIps: IpSet): readonly NamedSet[] {
  const { single, ranges } = parted(ips, guestIps);
  const alone = (value: Value): Element => [value];
  return [
    hashSet(name, ['ipv4_addr'], single.map(alone)),
    ...(ranges.length === 0 ? [] : [rangeSet(name, ['ipv4_addr'], ranges.map(alone))]),
  ];
}

/** Addresses after a key, a port's name or a MAC. */
export function keyedSets(
  name: string,
  type: 'ifname' | 'ether_addr',
  keyed: readonly (readonly [key: Value, ips: IpSet])[],
  guestIps: IpSet,
): readonly NamedSet[] {
  const parts = keyed.map(([key, ips]) => ({ key, ...parted(ips, guestIps) }));
  const elements = (part: 'single' | 'ranges'): readonly Element[] =>
    parts.flatMap(({ key, [part]: values }) => values.map((ip) => [key, ip]));
  return [
    hashSet(name, [type, 'ipv4_addr'], elements('single')),
    rangeSet(name, [type, 'ipv4_addr'], elements('ranges')),
  ];
}

type Parted = { readonly single: readonly Value[]; readonly ranges: readonly Value[] };

/**
 * Single addresses for a hash set, ranges for an interval set, which is slower. Guests' addresses are listed one by one,
 * also where they are neighbours: whoever comes or goes is one element then, and no set appears or vanishes for it.
 */
function parted(ips: IpSet, guestIps: IpSet): Parted {
  const guests = listIps(ofFamily(intersectIps(ips, guestIps), 4)).map(({ bits }) => exactly(bits));
  const others = subtractIps(ips, guestIps);
  return {
    single: [...guests, ...ip4Values(others.filter(isSingle))],
    ranges: ip4Values(others.filter((range) => !isSingle(range))),
  };
}

export function ip4Values(ips: IpSet) {
  return ips.filter(({ family }) => family === 4).map(({ first, last }) => ({ first, last }));
}
