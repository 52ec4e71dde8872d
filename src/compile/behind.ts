// What is behind every port: derived from the tree of bridges, so that nobody has to list it. For each border port
// the addresses on its far side (`behind`) and on its own side (`near`); both hold only what a permission may name.
import type { Host, HostInterface, Port } from '../model/host.ts';
import { type IpSet, intersectIps, listIps, noIps, singleIps, subtractIps, unionIps } from '../model/ip-set.ts';
import type { Policy } from '../model/policy.ts';
import type { ArpPair, GroundBridge, GroundPort, Own } from '../model/rule-list.ts';
import { type Bindings, type BoundGuest, type PortRole, type Segment, segmentPorts } from './ground.ts';
import { beyond, type Names, outsideAt } from './sides.ts';

/** One thing that a bridge leads to: a guest, the host, the outside. `port` is undefined for the bridge device. */
type Station = {
  readonly bridge: string;
  readonly port?: string;
  readonly ips: IpSet;
  readonly arp: readonly ArpPair[];
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
  const routed = routedBeyond(policy, names, guestIps, unionIps(guestIps, hostIps));
  const stations = [
    ...guests.map(guestStation),
    ...attached.map((at) => hostStation(at, routed)),
    ...uplinkStations(segment, policy, host, bindings, routed),
  ];
  const sides = tree(segment, bindings, host, stations);
  const bridges = segment.bridges.map((name) => groundBridge(name, host, bindings, sides));
  const attachments = attached.map((at) => ({
    ifname: at.own.name,
    bridge: at.bridge,
    ...(at.port === undefined ? {} : { port: at.port }),
    ips: addressesOf(at.own),
    behind: unionIps(addressesOf(at.own), routed),
    near: sides.near(at.bridge, at.port),
  }));
  return { bridges, attachments, guests, hostIps };
}

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

/** Everything beyond the segment that some permission lets its guests speak with, by way of the host. */
function routedBeyond(policy: Policy, names: Names, guestIps: IpSet, segmentIps: IpSet): IpSet {
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

function guestStation({ port, ips, mac }: BoundGuest): Station {
  return { bridge: port.bridge, port: port.name, ips, arp: pairs(ips, mac) };
}

function pairs(ips: IpSet, mac: number | undefined): readonly ArpPair[] {
  return listIps(ips)
    .filter(({ family }) => family === 4)
    .map((ip) => (mac === undefined ? { ip } : { ip, mac }));
}

function hostStation({ own, bridge, port }: Attached, routed: IpSet): Station {
  const ips = addressesOf(own);
  const place = port === undefined ? { bridge } : { bridge, port };
  return { ...place, ips: unionIps(ips, routed), arp: pairs(ips, own.mac) };
}

/**
 * Behind an uplink are the outside machines that the policy puts there, and, for a side that names `any`, everything
 * that is not elsewhere; several uplinks of a bridge share them.
 */
function uplinkStations(
  segment: Segment,
  policy: Policy,
  host: Host,
  { roles }: Bindings,
  routed: IpSet,
): readonly Station[] {
  const ports = host.bridges.filter(({ name }) => segment.bridges.includes(name)).flatMap((bridge) => bridge.ports);
  const elsewhere = policy.outside
    .filter(({ behind }) => !segment.bridges.includes(behind) && !ports.some(({ name }) => name === behind))
    .map(({ addresses }) => addresses);
  return ports
    .filter((port) => roles.get(port.name)?.kind === 'uplink')
    .map((port) => {
      const here = [...outsideAt(policy, port.name), ...outsideAt(policy, port.bridge)].map((one) => one.addresses);
      const ips = unionIps(...here, subtractIps(routed, unionIps(...elsewhere)));
      return { bridge: port.bridge, port: port.name, ips, arp: [] };
    });
}

type Sides = {
  readonly behind: (port: Port, role: PortRole) => readonly Station[];
  readonly device: (bridge: string) => readonly Station[];
  readonly near: (bridge: string, port: string | undefined) => IpSet;
};

function tree(segment: Segment, bindings: Bindings, host: Host, stations: readonly Station[]): Sides {
  const atBridge = Map.groupBy(stations, ({ bridge }) => bridge);
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
      role.kind === 'link'
        ? stationsOf(reach(role.peer.bridge, port.name))
        : stations.filter((station) => station.port === port.name),
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
  const behind = unionIps(...device.map(({ ips }) => ips));
  return { name, ports, device: { behind, near: sides.near(name, undefined), arp: device.flatMap(({ arp }) => arp) } };
}

function groundPort(port: Port, { roles }: Bindings, sides: Sides): GroundPort {
  const role = roles.get(port.name) ?? { kind: 'closed' };
  const place = { name: port.name, bridge: port.bridge };
  if (role.kind === 'closed') return { ...place, kind: 'closed', behind: noIps, near: noIps, arp: [] };
  const stations = sides.behind(port, role);
  const arp = stations.flatMap((station) => station.arp);
  const macs =
    arp.every(({ mac }) => mac !== undefined) && role.kind !== 'uplink' ? arp.map(({ mac }) => mac ?? 0) : undefined;
  const common = {
    ...place,
    behind: unionIps(...stations.map(({ ips }) => ips)),
    arp,
    ...(macs === undefined ? {} : { macs: [...new Set(macs)] }),
  };
  if (role.kind === 'guest') return { ...common, kind: 'guest', own: ownOf(role.guest), near: noIps };
  return { ...common, kind: role.kind, near: sides.near(port.bridge, port.name) };
}

function ownOf({ ips, mac }: BoundGuest): Own {
  return mac === undefined ? { ips } : { ips, mac };
}
