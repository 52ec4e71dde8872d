// Ground -> the sets of the bridge table: one element for each (port, MAC, address). Sets without elements are left
// out, and so are the rules that would ask them.
import { exactly, type Value } from '../model/field.ts';
import { type IpSet, intersectIps, isSingle, listIps, ofFamily, subtractIps, unionIps } from '../model/ip-set.ts';
import type { Mac } from '../model/mac.ts';
import type { Ground, GroundBridge, GroundPort } from '../model/rule-list.ts';
import type { Element, NamedSet } from '../model/ruleset.ts';

/** These the rules name whether they have elements or not: a port that comes and is not known is one element more. */
const always = ['own', 'mute', 'told', 'station', 'ports', 'closed'];

export function bridgeSets(ground: Ground): readonly NamedSet[] {
  const ports = ground.bridges.flatMap((bridge) => bridge.ports);
  const guests = unionIps(...ports.map(({ own }) => own?.ips ?? []));
  const sets = [
    ...addressSets(ports, guests),
    ...arpSets(ports, guests),
    ...cardSets(ports),
    ...deviceSets(ground.bridges, guests),
  ];
  return sets.filter(({ name, elements }) => elements.length > 0 || always.includes(name));
}

function addressSets(ports: readonly GroundPort[], guestIps: IpSet): readonly NamedSet[] {
  const guests = ports.filter(({ kind }) => kind === 'guest');
  const border = ports.filter(({ kind }) => kind !== 'guest' && kind !== 'closed');
  const unknownMac = guests.filter(({ own }) => own?.mac === undefined);
  return [
    set('own_mac', ['ifname', 'ether_addr', 'ipv4_addr'], guests.flatMap(ownWithMac)),
    set('own_free', ['ifname', 'ipv4_addr'], unknownMac.flatMap(ownAddresses)),
    set('own', ['ifname', 'ipv4_addr'], guests.flatMap(ownAddresses)),
    ...sideSets('behind', border, ({ behind }) => behind, guestIps),
    ...sideSets('near', border, ({ near }) => near, guestIps),
  ];
}

function arpSets(ports: readonly GroundPort[], guestIps: IpSet): readonly NamedSet[] {
  const bound = ports.flatMap(({ name, arp }) =>
    arp.map(({ ip, mac }) => [name, exactly(mac), exactly(mac), exactly(ip.bits)]),
  );
  return [
    set('arp_bound', ['ifname', 'ether_addr', 'ether_addr', 'ipv4_addr'], bound),
    ...sideSets('arp_free', ports, ({ arpFree }) => arpFree, guestIps),
  ];
}

/** The cards behind each port, and the ports whose cards are all known. */
function cardSets(ports: readonly GroundPort[]): readonly NamedSet[] {
  const known = ports.filter(({ macs }) => macs !== undefined);
  const cards = known.flatMap(({ name, macs = [] }) => macs.map((mac) => [name, exactly(mac)]));
  const closed = ports.filter(({ kind }) => kind === 'closed');
  const border = ports.filter(({ kind }) => kind !== 'guest' && kind !== 'closed');
  return [
    set('ports', ['ifname'], ports.map(nameOf)),
    set('closed', ['ifname'], closed.map(nameOf)),
    set('border', ['ifname'], border.map(nameOf)),
    set('station', ['ifname', 'ether_addr'], cards),
    set('told', ['ifname'], known.map(nameOf)),
  ];
}

/** What the host may say by its bridge devices, at each port, and what may come up to it, by the device's MAC. */
function deviceSets(bridges: readonly GroundBridge[], guestIps: IpSet): readonly NamedSet[] {
  const mute = bridges.filter(({ device }) => device === undefined).flatMap(({ ports }) => ports);
  const speaking = bridges.flatMap(({ ports, device }) =>
    device === undefined ? [] : ports.map(({ name }) => ({ ...device, name })),
  );
  const claims = speaking.flatMap(({ name, arp }) => arp.map(({ ip, mac }) => [name, exactly(mac), exactly(ip.bits)]));
  return [
    set('mute', ['ifname'], mute.map(nameOf)),
    set('arp_host', ['ifname', 'ether_addr', 'ipv4_addr'], claims),
    ...sideSets('arp_host_free', speaking, ({ arpFree }) => arpFree, guestIps),
    ...upSets(bridges, guestIps),
  ];
}

function upSets(bridges: readonly GroundBridge[], guestIps: IpSet): readonly NamedSet[] {
  const elements = (part: keyof Parted): readonly Element[] =>
    bridges.flatMap(({ device }) =>
      deviceMacs(device).flatMap((mac) => parted(device?.behind ?? [], guestIps)[part].map((ip) => [exactly(mac), ip])),
    );
  return [
    set('up', ['ether_addr', 'ipv4_addr'], elements('single')),
    { ...set('up_net', ['ether_addr', 'ipv4_addr'], elements('ranges')), interval: true },
  ];
}

export function deviceMacs(device: GroundBridge['device']): readonly Mac[] {
  return [...new Set(device?.arp.map(({ mac }) => mac) ?? [])];
}

function nameOf({ name }: { readonly name: string }): Element {
  return [name];
}

function set(name: string, types: NamedSet['types'], elements: readonly Element[]): NamedSet {
  return { name, types, interval: false, elements };
}

function ownAddresses(port: GroundPort): readonly Element[] {
  return ownIps(port).map((ip) => [port.name, ip]);
}

/** One by one, neighbours too: a guest has few, and a hash set takes no ranges. */
function ownIps({ own }: GroundPort): readonly Value[] {
  return listIps(ofFamily(own?.ips ?? [], 4)).map(({ bits }) => exactly(bits));
}

function ownWithMac(port: GroundPort): readonly Element[] {
  const mac = port.own?.mac;
  return mac === undefined ? [] : ownIps(port).map((ip) => [port.name, exactly(mac), ip]);
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

function sideSets<P extends { readonly name: string }>(
  name: string,
  ports: readonly P[],
  side: (port: P) => IpSet,
  guestIps: IpSet,
): readonly NamedSet[] {
  const elements = (part: keyof Parted): readonly Element[] =>
    ports.flatMap((port) => parted(side(port), guestIps)[part].map((ip) => [port.name, ip]));
  return [
    set(name, ['ifname', 'ipv4_addr'], elements('single')),
    { ...set(`${name}_net`, ['ifname', 'ipv4_addr'], elements('ranges')), interval: true },
  ];
}

function ip4Values(ips: IpSet): readonly Value[] {
  return ips.filter(({ family }) => family === 4).map(({ first, last }) => ({ first, last }));
}
