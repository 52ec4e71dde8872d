// Ground -> the sets of the bridge table that ports share: an element for each (port, MAC, address). Sets without elements are
// left out, and so are the rules that would ask them. What is behind border ports is in sets of theirs (border-ports.ts).
import { exactly, type Value } from '../model/field.ts';
import { type IpSet, listIps, ofFamily } from '../model/ip-set.ts';
import type { Mac } from '../model/mac.ts';
import type { Ground, GroundBridge, GroundPort } from '../model/rule-list.ts';
import type { Element, NamedSet } from '../model/ruleset.ts';
import { isBorder } from './border-ports.ts';
import { hashSet, keyedSets } from './set-parts.ts';

/** These the rules name whether they have elements or not: a port that comes and is not known is one element more. */
const always = ['own', 'mute', 'told', 'station', 'ports', 'closed'];

export function bridgeSets({ bridges }: Ground, guestIps: IpSet): readonly NamedSet[] {
  const ports = bridges.flatMap((bridge) => bridge.ports);
  const sets = [
    ...guestSets(ports.filter(({ kind }) => kind === 'guest')),
    ...portSets(ports),
    ...deviceSets(bridges, guestIps),
  ];
  return sets.filter(({ name, elements }) => elements.length > 0 || always.includes(name));
}

/** What a guest may be called, as IPv4's source and as ARP's sender, and the card that frames for it are for. */
function guestSets(guests: readonly GroundPort[]): readonly NamedSet[] {
  const known = guests.flatMap(({ name, macs = [] }) => macs.map((mac) => [name, exactly(mac)]));
  return [
    hashSet('own_mac', ['ifname', 'ether_addr', 'ipv4_addr'], guests.flatMap(ownWithMac)),
    hashSet(
      'own_free',
      ['ifname', 'ipv4_addr'],
      guests.filter(({ own }) => own?.mac === undefined).flatMap(ownAddresses),
    ),
    hashSet('own', ['ifname', 'ipv4_addr'], guests.flatMap(ownAddresses)),
    hashSet('station', ['ifname', 'ether_addr'], known),
  ];
}

function portSets(ports: readonly GroundPort[]): readonly NamedSet[] {
  const told = ports.filter((port) => isBorder(port) && port.macs !== undefined);
  return [
    names('ports', ports),
    names(
      'closed',
      ports.filter(({ kind }) => kind === 'closed'),
    ),
    names('told', told),
  ];
}

/** What the host may say by its bridge devices, at each port, and what may come up to it, by the device's MAC. */
function deviceSets(bridges: readonly GroundBridge[], guestIps: IpSet): readonly NamedSet[] {
  const speaking = bridges.flatMap(({ ports, device }) =>
    device === undefined ? [] : ports.map(({ name }) => ({ ...device, name })),
  );
  const claims = speaking.flatMap(({ name, arp }) => arp.map(({ ip, mac }) => [name, exactly(mac), exactly(ip.bits)]));
  const up = bridges.flatMap(({ device }) =>
    deviceMacs(device).map((mac) => [exactly(mac), device?.behind ?? []] as const),
  );
  return [
    ...(isMute(bridges) ? [] : [names('mute', mutePorts(bridges))]),
    hashSet('arp_host', ['ifname', 'ether_addr', 'ipv4_addr'], claims),
    ...keyedSets(
      'arp_host_free',
      'ifname',
      speaking.map(({ name, arpFree }) => [name, arpFree]),
      guestIps,
    ),
    ...keyedSets('up', 'ether_addr', up, guestIps),
  ];
}

/** Whether the host speaks by none of the bridge devices: all ports are mute then, and have no second set. */
export function isMute(bridges: readonly GroundBridge[]): boolean {
  return bridges.every(({ device }) => device === undefined);
}

function mutePorts(bridges: readonly GroundBridge[]): readonly GroundPort[] {
  return bridges.filter(({ device }) => device === undefined).flatMap(({ ports }) => ports);
}

export function deviceMacs(device: GroundBridge['device']): readonly Mac[] {
  return [...new Set(device?.arp.map(({ mac }) => mac) ?? [])];
}

function names(name: string, ports: readonly GroundPort[]): NamedSet {
  return hashSet(
    name,
    ['ifname'],
    ports.map((port) => [port.name]),
  );
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
