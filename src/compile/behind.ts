// What is behind every port: derived from the tree of bridges, so that nobody has to list it. For each border port
// the addresses on its far side (`behind`) and on its own side (`near`); both hold only what a permission may name.
import type { Host, HostInterface, Port } from '../model/host.ts';
import {
  type IpSet,
  intersectIps,
  listIps,
  noIps,
  ofFamily,
  singleIps,
  subtractIps,
  unionIps,
} from '../model/ip-set.ts';
import type { Mac } from '../model/mac.ts';
import type { Policy } from '../model/policy.ts';
import type { ArpPair, GroundBridge, GroundPort, Own } from '../model/rule-list.ts';
import { type Bindings, type BoundGuest, type PortRole, type Segment, segmentPorts } from './ground.ts';
import { beyond, type Names } from './sides.ts';

/** One thing that a bridge leads to: a guest, the host, the outside. `port` is undefined for the bridge device. */
type Station = {
  readonly bridge: string;
  readonly port?: string;
  readonly ips: IpSet;
  readonly arp: readonly ArpPair[];
  readonly arpFree: IpSet;
};

/** Where the host attaches to a segment: by a veth end behind a port, or by the bridge device. */
export type Attachment = {
  readonly ifname: string;
  readonly bridge: string;
  readonly port?: string;
  /** The host's own addresses there. */
  readonly ips: IpSet;
  /** Those and everything that the host routes to from there. */
  readonly behind: IpSet;
  readonly near: IpSet;
};

export type SegmentGround = {
  readonly bridges: readonly GroundBridge[];
  readonly attachments: readonly Attachment[];
  readonly guests: readonly BoundGuest[];
  /** The host's addresses in this segment. */
  readonly hostIps: IpSet;
};

export function segmentGround(
  segment: Segment,
  policy: Policy,
  host: Host,
  bindings: Bindings,
  names: Names,
): SegmentGround {
  const guests = segmentPorts(segment, host).flatMap((port) => {
    const role = bindings.roles.get(port.name);
    return role?.kind === 'guest' ? [role.guest] : [];
  });
  const attached = attachedInterfaces(segment, host, bindings);
  const hostIps = unionIps(...attached.map(({ own }) => addressesOf(own)));
  const guestIps = unionIps(...guests.map(({ ips }) => ips));
  const uplinks = segmentPorts(segment, host).filter((port) => bindings.roles.get(port.name)?.kind === 'uplink');
  const spoken = spokenWith(policy, names, guestIps, unionIps(guestIps, hostIps));
  const spokenByHost = attached.length === 0 ? noIps : hostSpeaksWith(policy, names, unionIps(guestIps, hostIps));
  const { byHost, byUplink } = beyondSegment(spoken, spokenByHost, segment, uplinks, { policy, host, bindings });
  const stations = [
    ...guests.map(guestStation),
    ...attached.map((at) => hostStation(at, byHost)),
    ...uplinks.map((port) => uplinkStation(port, byUplink)),
  ];
  const sides = tree(segment, bindings, host, stations);
  const bridges = segment.bridges.map((name) => groundBridge(name, host, bindings, sides));
  const attachments = attached.map((at) => ({
    ifname: at.own.name,
    bridge: at.bridge,
    ...(at.port === undefined ? {} : { port: at.port }),
    ips: addressesOf(at.own),
    behind: unionIps(addressesOf(at.own), byHost),
    near: sides.near(at.bridge, at.port),
  }));
  return { bridges, attachments, guests, hostIps };
}

type Facts = { readonly policy: Policy; readonly host: Host; readonly bindings: Bindings };

type Attached = { readonly own: HostInterface; readonly bridge: string; readonly port?: string };

function attachedInterfaces(segment: Segment, host: Host, { roles }: Bindings): readonly Attached[] {
  return host.bridges
    .filter(({ name }) => segment.bridges.includes(name))
    .flatMap((bridge) => {
      const device = host.interfaces.find(({ name, addresses }) => name === bridge.name && addresses.length > 0);
      const byPort = bridge.ports.flatMap((port) => {
        const role = roles.get(port.name);
        return role?.kind === 'host' ? [{ own: role.attachment, bridge: bridge.name, port: port.name }] : [];
      });
      return [...(device === undefined ? [] : [{ own: device, bridge: bridge.name }]), ...byPort];
    });
}

export function addressesOf(own: HostInterface): IpSet {
  return singleIps(own.addresses);
}

/** Everything beyond the segment that some permission lets its guests speak with. */
function spokenWith(policy: Policy, names: Names, guestIps: IpSet, segmentIps: IpSet): IpSet {
  const sets = policy.allow
    .filter(({ via }) => via === undefined)
    .flatMap(({ from, to }) => {
      const source = names.side(from);
      const destination = names.side(to);
      const touches = (side: typeof source) => side.any || intersectIps(side.guests, guestIps).length > 0;
      return [
        ...(touches(source) ? [beyond(destination, segmentIps)] : []),
        ...(touches(destination) ? [beyond(source, segmentIps)] : []),
      ];
    });
  return unionIps(...sets);
}

/** Everybody with whom some permission lets the host itself speak: by an uplink of the segment it does so in the segment. */
function hostSpeaksWith(policy: Policy, names: Names, segmentIps: IpSet): IpSet {
  const sets = policy.allow
    .filter(({ via }) => via === undefined)
    .flatMap(({ from, to }) => {
      const [source, destination] = [names.side(from), names.side(to)];
      return [
        ...(source.host ? [beyond(destination, segmentIps)] : []),
        ...(destination.host ? [beyond(source, segmentIps)] : []),
      ];
    });
  return unionIps(...sets);
}

function guestStation({ port, ips, mac }: BoundGuest): Station {
  return { bridge: port.bridge, port: port.name, ips, ...claims(ips, mac) };
}

function claims(ips: IpSet, mac: Mac | undefined): Pick<Station, 'arp' | 'arpFree'> {
  const own = ofFamily(ips, 4);
  return mac === undefined
    ? { arp: [], arpFree: own }
    : { arp: listIps(own).map((ip) => ({ ip, mac })), arpFree: noIps };
}

function hostStation({ own, bridge, port }: Attached, routed: IpSet): Station {
  const ips = addressesOf(own);
  const place = port === undefined ? { bridge } : { bridge, port };
  return { ...place, ips: unionIps(ips, routed), ...claims(ips, own.mac) };
}

/** Several uplinks lead to the same outside. */
function uplinkStation(port: Port, ips: IpSet): Station {
  return { bridge: port.bridge, port: port.name, ips, ...claims(ips, undefined) };
}

type Beyond = { readonly byHost: IpSet; readonly byUplink: IpSet };

/**
 * Who is reached by the host's routing, and who by an uplink of the segment: an outside machine where the policy puts
 * it; what nobody names (a side that is `any`) by the uplink, if the segment has one. No address is on both ways.
 */
function beyondSegment(
  byGuests: IpSet,
  spokenByHost: IpSet,
  segment: Segment,
  uplinks: readonly Port[],
  { policy, host, bindings }: Facts,
): Beyond {
  const here = (behind: string): boolean =>
    segment.bridges.includes(behind) || segmentPorts(segment, host).some(({ name }) => name === behind);
  const machines = (wanted: boolean): IpSet =>
    unionIps(...policy.outside.filter(({ behind }) => here(behind) === wanted).map(({ addresses }) => addresses));
  const elsewhere = unionIps(
    machines(false),
    ...bindings.guests.map(({ ips }) => ips),
    ...host.interfaces.map(addressesOf),
  );
  const all = unionIps(byGuests, spokenByHost);
  const byUplink =
    uplinks.length === 0 ? noIps : unionIps(intersectIps(all, machines(true)), subtractIps(all, elsewhere));
  return { byHost: subtractIps(byGuests, byUplink), byUplink };
}

type Sides = {
  readonly behind: (port: Port, role: PortRole) => readonly Station[];
  readonly device: (bridge: string) => readonly Station[];
  readonly near: (bridge: string, port: string | undefined) => IpSet;
};

function tree(segment: Segment, bindings: Bindings, host: Host, stations: readonly Station[]): Sides {
  const atBridge = Map.groupBy(stations, ({ bridge }) => bridge);
  const atPort = Map.groupBy(stations, ({ port }) => port ?? '');
  const portsOf = new Map(host.bridges.map(({ name, ports }) => [name, ports]));
  /** All bridges that are reached from here without crossing this port. */
  const reach = (start: string, without: string | undefined): readonly string[] => {
    const found = [start];
    for (let index = 0; index < found.length; index++) {
      for (const port of portsOf.get(found[index] as string) ?? []) {
        const role = bindings.roles.get(port.name);
        if (role?.kind !== 'link' || port.name === without || role.peer.name === without) continue;
        if (!found.includes(role.peer.bridge) && segment.bridges.includes(role.peer.bridge))
          found.push(role.peer.bridge);
      }
    }
    return found;
  };
  const stationsOf = (bridges: readonly string[]) => bridges.flatMap((bridge) => atBridge.get(bridge) ?? []);
  return {
    behind: (port, role) =>
      role.kind === 'link' ? stationsOf(reach(role.peer.bridge, port.name)) : (atPort.get(port.name) ?? []),
    device: (bridge) => stations.filter((station) => station.bridge === bridge && station.port === undefined),
    near: (bridge, port) =>
      unionIps(
        ...stationsOf(reach(bridge, port))
          .filter((station) => station.bridge !== bridge || station.port !== port)
          .map(({ ips }) => ips),
      ),
  };
}

function groundBridge(name: string, host: Host, bindings: Bindings, sides: Sides): GroundBridge {
  const bridge = host.bridges.find((one) => one.name === name);
  const ports = (bridge?.ports ?? []).map((port) => groundPort(port, bindings, sides));
  const device = sides.device(name);
  if (device.length === 0) return { name, ports };
  return { name, ports, device: { ...together(device), near: sides.near(name, undefined) } };
}

function groundPort(port: Port, { roles }: Bindings, sides: Sides): GroundPort {
  const role = roles.get(port.name) ?? { kind: 'closed' };
  const place = { name: port.name, bridge: port.bridge };
  if (role.kind === 'closed') return { ...place, kind: 'closed', behind: noIps, near: noIps, arp: [], arpFree: noIps };
  const stations = sides.behind(port, role);
  const side = together(stations);
  const macs = side.arpFree.length === 0 ? { macs: [...new Set(side.arp.map(({ mac }) => mac))] } : {};
  const common = { ...place, ...side, ...macs };
  if (role.kind === 'guest') {
    return { ...common, kind: 'guest', guest: role.guest.name, own: ownOf(role.guest), near: noIps };
  }
  const peer = role.kind === 'link' ? { peer: role.peer.name } : {};
  return { ...common, kind: role.kind, ...peer, near: sides.near(port.bridge, port.name) };
}

function together(stations: readonly Station[]): Pick<GroundPort, 'behind' | 'arp' | 'arpFree'> {
  return {
    behind: unionIps(...stations.map(({ ips }) => ips)),
    arp: stations.flatMap(({ arp }) => arp),
    arpFree: unionIps(...stations.map(({ arpFree }) => arpFree)),
  };
}

function ownOf({ ips, mac }: BoundGuest): Own {
  return mac === undefined ? { ips } : { ips, mac };
}
