// Host + Policy -> Scene: the host with its bridges, a namespace for each guest, and for each uplink a segment with the
// outside machines that the policy puts there. Lab and simulator both work from it, so they mean the same network.
import type { Host, HostInterface, Port } from '../model/host.ts';
import { type Ip, ipWidth, type Prefix, prefixContains } from '../model/ip.ts';
import { type IpSet, listIps } from '../model/ip-set.ts';
import type { Mac } from '../model/mac.ts';
import type { Outside, Policy } from '../model/policy.ts';
import type { Scene, SceneInterface, SceneNode, SceneRoute } from '../model/scene.ts';

/** The node that is the host itself; no guest can have this name. */
export const hostNode = 'host';

export type SceneOptions = {
  /** A MAC for each thing whose MAC the host does not show; `index` differs for each of them. */
  readonly mac: (index: number) => Mac;
};

/** Locally administered MACs (IEEE 802, second lowest bit of the first octet), for worlds without a lab. */
function localMac(index: number): Mac {
  return 0x02_00_00_00_00_00 + index;
}

export function sceneOf(policy: Policy, host: Host, { mac }: SceneOptions = { mac: localMac }): Scene {
  let given = 0;
  const next = (): Mac => mac(++given);
  const builder = { policy, host, next };
  const guests = host.bridges.flatMap(({ ports }) => ports.flatMap((port) => guestNode(port, builder)));
  const uplinks = [...uplinkNames(host)].map((ifname) => segmentNodes(ifname, builder));
  return { nodes: [hostScene(builder), ...guests, ...uplinks.flat()] };
}

type Builder = { readonly policy: Policy; readonly host: Host; readonly next: () => Mac };

const guestCard = 'eth0';

/** Uplink ports, and the host's own interfaces that have no other end here and are no bridges. */
function uplinkNames(host: Host): readonly string[] {
  const ports = host.bridges.flatMap((bridge) => bridge.ports.filter(({ uplink }) => uplink));
  const bridges = new Set(host.bridges.map(({ name }) => name));
  const own = host.interfaces.filter(({ name, peer }) => peer === undefined && !bridges.has(name));
  return [...ports, ...own].map(({ name }) => name);
}

function hostScene(builder: Builder): SceneNode {
  const { host, next } = builder;
  const own = new Map(host.interfaces.map((one) => [one.name, one]));
  const bridges = host.bridges.map(({ name }): SceneInterface => {
    const device = own.get(name);
    return { name, mac: device?.mac ?? next(), addresses: device?.addresses ?? [] };
  });
  const ports = host.bridges.flatMap((bridge) =>
    bridge.ports.map((port): SceneInterface => {
      const peer = portPeer(port, builder);
      return {
        name: port.name,
        mac: next(),
        addresses: [],
        master: bridge.name,
        ...(peer === undefined ? {} : { peer }),
      };
    }),
  );
  const others = host.interfaces
    .filter(({ name }) => !host.bridges.some((bridge) => bridge.name === name))
    .map((one): SceneInterface => {
      const peer =
        one.peer === undefined ? { node: segmentName(one.name), name: 'up' } : { node: hostNode, name: one.peer };
      return { name: one.name, mac: one.mac ?? next(), addresses: one.addresses, peer };
    });
  return {
    name: hostNode,
    kind: 'host',
    interfaces: [...bridges, ...ports, ...others],
    bridges: host.bridges.map(({ name }) => name),
    routes: [...hostRoutes(host), ...farMachines(builder)],
    sysctls: { 'net.bridge.bridge-nf-call-iptables': '1', ...host.sysctls },
  };
}

function portPeer(port: Port, builder: Builder): SceneInterface['peer'] {
  if (port.uplink) return { node: segmentName(port.name), name: 'up' };
  if (port.peer !== undefined) return { node: hostNode, name: port.peer };
  return { node: guestName(port, builder), name: guestCard };
}

/** A closed port has somebody behind it too: nobody knows who. */
function guestName(port: Port, { policy }: Builder): string {
  const named = policy.guests.find(
    (guest) => guest.port === port.name || (guest.port === undefined && guest.name === port.guest),
  );
  return named?.name ?? `stranger/${port.name}`;
}

function guestNode(port: Port, builder: Builder): readonly SceneNode[] {
  if (port.uplink || port.peer !== undefined) return [];
  const { policy, host, next } = builder;
  const name = guestName(port, builder);
  const guest = policy.guests.find((one) => one.name === name);
  const ips = ip4s(guest?.addresses ?? []);
  const addresses = ips.map((ip) => ({ ...ip, length: networkLength(ip, host.interfaces) }));
  const gateway = host.interfaces
    .flatMap((one) => one.addresses)
    .find((one) => ips.some((ip) => prefixContains(one, ip)));
  const mac = guest?.mac ?? port.mac ?? next();
  return [
    {
      name,
      kind: 'guest',
      interfaces: [{ name: guestCard, mac, addresses, peer: { node: hostNode, name: port.name } }],
      bridges: [],
      routes: gateway === undefined ? [] : [defaultRoute(gateway)],
      // a guest that relays what it catches, and tells nobody: the attacker's setting, harmless on the others
      sysctls: { 'net.ipv4.ip_forward': '1' },
    },
  ];
}

function ip4s(ips: IpSet): readonly Ip[] {
  return listIps(ips).filter(({ family }) => family === 4);
}

const everywhere: Prefix = { family: 4, bits: 0n, length: 0 };

function defaultRoute(gateway: Ip): SceneRoute {
  return { to: everywhere, via: { family: gateway.family, bits: gateway.bits }, dev: guestCard };
}

/** As long as that of the host's address in the same network; /24 where the host has none. */
function networkLength(ip: Ip, interfaces: readonly HostInterface[]): number {
  return interfaces.flatMap(({ addresses }) => addresses).find((address) => prefixContains(address, ip))?.length ?? 24;
}

function segmentName(ifname: string): string {
  return `wire/${ifname}`;
}

/** A cable to a switch with the outside machines of this uplink. */
function segmentNodes(ifname: string, builder: Builder): readonly SceneNode[] {
  const { host, next } = builder;
  const bridge = host.bridges.find(({ ports }) => ports.some(({ name }) => name === ifname));
  const machines = outsideOf(ifname, bridge?.name, builder);
  const name = segmentName(ifname);
  const ports = machines.map((machine, index): SceneInterface => {
    const peer = { node: machine.name, name: guestCard };
    return { name: `p${index + 1}`, mac: next(), addresses: [], master: 'wire', peer };
  });
  const up: SceneInterface = {
    name: 'up',
    mac: next(),
    addresses: [],
    master: 'wire',
    peer: { node: hostNode, name: ifname },
  };
  const segment: SceneNode = {
    name,
    kind: 'segment',
    interfaces: [{ name: 'wire', mac: next(), addresses: [] }, up, ...ports],
    bridges: ['wire'],
    routes: [],
    sysctls: {},
  };
  const own = host.interfaces.find((one) => one.name === (bridge?.name ?? ifname))?.addresses[0];
  return [
    segment,
    ...machines.map((machine, index) => outsideNode(machine, { node: name, name: `p${index + 1}` }, own, next())),
  ];
}

/** Of several uplinks of one bridge the first has the machines behind the bridge. */
function outsideOf(ifname: string, bridge: string | undefined, { policy, host }: Builder): readonly Outside[] {
  const first = host.bridges.find(({ name }) => name === bridge)?.ports.find(({ uplink }) => uplink)?.name;
  return policy.outside.filter(({ behind }) => behind === ifname || (behind === bridge && ifname === first));
}

function outsideNode(
  machine: Outside,
  peer: NonNullable<SceneInterface['peer']>,
  own: Prefix | undefined,
  mac: Mac,
): SceneNode {
  const ip = firstIp(machine);
  const near = own !== undefined && prefixContains(own, ip);
  const address: Prefix = { ...ip, length: near ? own.length : ipWidth[ip.family] };
  const onLink = own === undefined || near ? [] : [{ to: { ...own, length: 32 }, dev: guestCard }];
  return {
    name: machine.name,
    kind: 'outside',
    interfaces: [{ name: guestCard, mac, addresses: [address], peer }],
    bridges: [],
    routes: own === undefined ? [] : [...onLink, defaultRoute(own)],
    sysctls: {},
  };
}

/** One address stands for a whole network outside. */
function firstIp({ addresses }: Pick<Outside, 'addresses'>): Ip {
  const [range] = addresses;
  if (range === undefined) throw new Error('an outside machine has an address');
  return { family: range.family, bits: range.first };
}

/** Routes by an interface that is there; what a gateway outside would do, nobody needs here. */
function hostRoutes(host: Host): readonly SceneRoute[] {
  return host.routes.flatMap(({ to, via, dev }) => {
    const own = host.interfaces.find(({ name, addresses }) =>
      dev === undefined ? addresses.some((address) => via !== undefined && prefixContains(address, via)) : name === dev,
    );
    if (own === undefined) return [];
    const connected = own.addresses.some(
      ({ length, bits }) => length === to.length && prefixContains({ ...to, length }, { family: 4, bits }),
    );
    return connected ? [] : [{ to, ...(via === undefined ? {} : { via }), dev: own.name }];
  });
}

/** Outside machines beyond the host's own networks are reached as if they were on the link. */
function farMachines({ policy, host }: Builder): readonly SceneRoute[] {
  return policy.outside.flatMap((machine) => {
    const ip = firstIp(machine);
    const bridge = host.bridges.find(
      ({ name, ports }) => name === machine.behind || ports.some((port) => port.name === machine.behind),
    );
    const own = host.interfaces.find(({ name }) => name === (bridge?.name ?? machine.behind));
    if (own === undefined || own.addresses.some((address) => prefixContains(address, ip))) return [];
    return [{ to: { ...ip, length: ipWidth[ip.family] }, dev: own.name }];
  });
}
