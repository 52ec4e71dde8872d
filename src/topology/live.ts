// The output of ip -> Host. Of guests they know only network namespaces that have a name: a container. Its MAC
// is not taken from there, since whoever is inside can change it. What has a name that we cannot handle is kept out, and
// so has no policy: closed.
import { type Checked, type Diagnostic, error, type Span, warning } from '../model/diagnostic.ts';
import type { Host, HostInterface, Port, Route } from '../model/host.ts';
import { type Prefix, parseIp, parsePrefix } from '../model/ip.ts';
import { isGroupMac, type Mac, parseMac } from '../model/mac.ts';
import { quoted } from '../yaml/quoted.ts';
import { readInterface, readName } from '../yaml/words.ts';
import type { IpAddresses, IpLink, IpNamespace, IpRoute } from './ip-json.ts';

/** Live facts have no place in a text. */
export const hostSpan: Span = { file: '<host>', line: 1, column: 1 };

export type LiveFacts = {
  readonly links: readonly IpLink[];
  readonly addresses: readonly IpAddresses[];
  readonly routes: readonly IpRoute[];
  readonly namespaces: readonly IpNamespace[];
  readonly sysctls: Readonly<Record<string, string>>;
};

/** Always has a value. Bridges and ports stand by ifindex: in which order ports were enslaved cannot be seen. */
export function hostFromIp(facts: LiveFacts, name: string): Checked<Host> {
  const { ports, others, veths, odd, unusable } = parted(byNumber(facts.links));
  const links: Links = new Map([...others, ...veths].map((link) => [link.ifname, link]));
  const namespaces = namespacesOf(facts);
  const isDevice = deviceNames(links, ports);
  return {
    value: {
      name: 'value' in readName(name) ? name : 'host',
      bridges: others.filter(isBridge).map((bridge) => ({
        name: bridge.ifname,
        ports: (ports.get(bridge.ifname) ?? []).map((device) => portOf(device, bridge.ifname, links, namespaces)),
        stp: (bridge.linkinfo?.info_data?.stp_state ?? 0) > 0,
        span: hostSpan,
      })),
      interfaces: interfacesOf(others, links, facts.addresses),
      routes: facts.routes.flatMap((route) => routeOf(route, isDevice)),
      sysctls: facts.sysctls,
      guests: [],
    },
    diagnostics: [...nameFaults(unusable, name), ...notModelled(others, odd, facts)],
  };
}

/** What is found out about a device once: on a host with thousands of them few change from one look to the next. */
type Device = {
  readonly link: IpLink;
  readonly isUsable: boolean;
  readonly isPort: boolean;
  readonly isOdd: boolean;
  /** As it was found to be last; a cable's end is what the other end makes of it. */
  port?: Port;
};

const devices = new WeakMap<IpLink, Device>();

function deviceOf(link: IpLink): Device {
  const known = devices.get(link);
  if (known !== undefined) return known;
  const isUsable = 'value' in readInterface(link.ifname);
  const device = { link, isUsable, isPort: isPort(link), isOdd: isOddPort(link) };
  devices.set(link, device);
  return device;
}

/** Mostly they are in order. */
function byNumber(links: readonly IpLink[]): readonly IpLink[] {
  const isSorted = links.every(({ ifindex }, at) => at === 0 || (links[at - 1]?.ifindex ?? 0) < ifindex);
  return isSorted ? links : links.toSorted((a, b) => a.ifindex - b.ifindex);
}

type Parts = {
  /** By the bridges' names. */
  readonly ports: ReadonlyMap<string, readonly Device[]>;
  readonly others: readonly IpLink[];
  readonly veths: readonly IpLink[];
  /** Ports of which not everything is taken into account. */
  readonly odd: readonly IpLink[];
  readonly unusable: readonly IpLink[];
};

function parted(links: readonly IpLink[]): Parts {
  const ports = new Map<string, Device[]>();
  const [others, veths, odd, unusable]: [IpLink[], IpLink[], IpLink[], IpLink[]] = [[], [], [], []];
  for (const link of links) {
    const device = deviceOf(link);
    if (!device.isUsable) unusable.push(link);
    else if (device.isPort) {
      const siblings = ports.get(link.master ?? '');
      if (siblings === undefined) ports.set(link.master ?? '', [device]);
      else siblings.push(device);
      if (isVeth(link)) veths.push(link);
      if (device.isOdd) odd.push(link);
    } else others.push(link);
  }
  return { ports, others, veths, odd, unusable };
}

/** Routes seldom lead by a port: who all of them are is found out when one does. */
function deviceNames(links: Links, ports: Parts['ports']): (name: string) => boolean {
  let names: ReadonlySet<string> | undefined;
  return (name) => {
    if (links.has(name)) return true;
    names ??= new Set([...ports.values()].flatMap((some) => some.map(({ link }) => link.ifname)));
    return names.has(name);
  };
}

function isVeth({ linkinfo }: IpLink): boolean {
  return linkinfo?.info_kind === 'veth';
}

export function isBridge({ linkinfo }: IpLink): boolean {
  return linkinfo?.info_kind === 'bridge';
}

export function isPort({ linkinfo, master }: IpLink): boolean {
  return master !== undefined && linkinfo?.info_slave_kind === 'bridge';
}

function nameFaults(unusable: readonly IpLink[], name: string): readonly Diagnostic[] {
  const host = readName(name);
  return [
    ...('fault' in host
      ? [warning(host.fault.code, host.fault.message, hostSpan, { hint: "it is called 'host' here" })]
      : []),
    ...unusable.flatMap(({ ifname, master }) => {
      const read = readInterface(ifname);
      if ('value' in read) return [];
      const place = master === undefined ? '' : `, a port of ${quoted(master)},`;
      const message = `the interface ${quoted(ifname)}${place} is left out: the name cannot be used in rules`;
      return [error('bad-interface', message, hostSpan, { hint: read.fault.hint ?? '' })];
    }),
  ];
}

/** Those that another device can be the other end of, or a route's way; of ports only these. */
type Links = ReadonlyMap<string, IpLink>;

/** By their numbers; of a name that cannot be one in a policy nothing is said. */
type Namespaces = ReadonlyMap<number, string>;

function namespacesOf({ namespaces }: LiveFacts): Namespaces {
  const usable = namespaces.filter(({ name }) => 'value' in readName(name));
  return new Map(usable.flatMap(({ name, id }) => (typeof id === 'number' && id >= 0 ? [[id, name] as const] : [])));
}

function portOf(device: Device, bridge: string, links: Links, namespaces: Namespaces): Port {
  const { link, port: before } = device;
  if (before !== undefined && !isVeth(link)) return before;
  const peer = peerOf(link, links);
  const guest = isVeth(link) ? namespaces.get(link.link_netnsid ?? -1) : undefined;
  // the same port as before, for those who tell changes by it
  if (before !== undefined && before.peer === peer && before.guest === guest) return before;
  const port = {
    name: link.ifname,
    bridge,
    ...(peer === undefined ? {} : { peer }),
    ...(guest === undefined ? {} : { guest }),
    uplink: isUplink(link),
    span: hostSpan,
  };
  device.port = port;
  return port;
}

/** Devices that lead out of this host; a physical device has no kind at all. */
const uplinkKinds = ['bond', 'team', 'vlan', 'vxlan', 'geneve', 'gretap', 'ip6gretap', 'macvlan'];

function isUplink({ linkinfo }: IpLink): boolean {
  return linkinfo?.info_kind === undefined || uplinkKinds.includes(linkinfo.info_kind);
}

/** Both ends must name each other: `link` is also what a vlan is on. */
function peerOf(link: IpLink, links: Links): string | undefined {
  if (!isVeth(link) || typeof link.link_netnsid === 'number') return undefined;
  const other = links.get(link.link ?? '');
  return other !== undefined && isVeth(other) && other.link === link.ifname ? other.ifname : undefined;
}

/** A bridge device is one of them only if it has an address. */
function interfacesOf(
  others: readonly IpLink[],
  links: Links,
  addresses: readonly IpAddresses[],
): readonly HostInterface[] {
  const byName = new Map(addresses.map(({ ifname, addr_info }) => [ifname, addr_info.flatMap(prefixOf)]));
  return others
    .filter((link) => link.link_type !== 'loopback' && !isBonded(link))
    .filter((link) => !isBridge(link) || (byName.get(link.ifname) ?? []).length > 0)
    .map((link) => interfaceOf(link, byName.get(link.ifname) ?? [], links));
}

/** The bond takes part in the network, not the devices that it is made of. */
function isBonded({ linkinfo }: IpLink): boolean {
  return linkinfo?.info_slave_kind === 'bond' || linkinfo?.info_slave_kind === 'team';
}

function interfaceOf(link: IpLink, addresses: readonly Prefix[], links: Links): HostInterface {
  const mac = macOf(link);
  const peer = peerOf(link, links);
  return {
    name: link.ifname,
    ...(mac === undefined ? {} : { mac }),
    addresses,
    ...(peer === undefined ? {} : { peer }),
    span: hostSpan,
  };
}

/** Tunnels have an IP address in this place, or nothing. */
export function macOf({ address, link_type }: IpLink): Mac | undefined {
  const mac = link_type === 'ether' && address !== undefined ? parseMac(address) : undefined;
  return mac === undefined || mac === 0 || isGroupMac(mac) ? undefined : mac;
}

/** Link-local addresses are left out: every device has one, and nobody is known by it. */
function prefixOf({ local, prefixlen, scope }: IpAddresses['addr_info'][number]): readonly Prefix[] {
  if (local === undefined || prefixlen === undefined || scope === 'link') return [];
  const prefix = parsePrefix(`${local}/${prefixlen}`);
  return prefix === undefined ? [] : [prefix];
}

/** Of several next hops the first one. */
function routeOf(route: IpRoute, isDevice: (name: string) => boolean): readonly Route[] {
  if (unmodelledRoute(route) !== undefined || route.flags?.includes('dead')) return [];
  const to = parsePrefix(route.dst === 'default' ? '0.0.0.0/0' : route.dst);
  const { gateway, dev } = route.nexthops?.[0] ?? route;
  if (to === undefined || (dev !== undefined && !isDevice(dev))) return [];
  const via = gateway === undefined ? undefined : parseIp(gateway);
  return [{ to, ...(via === undefined ? {} : { via }), ...(dev === undefined ? {} : { dev }), span: hostSpan }];
}

function unmodelledRoute({ type = 'unicast', via, dst }: IpRoute): string | undefined {
  if (type !== 'unicast') return `the ${type} route to ${dst}`;
  return via === undefined ? undefined : `the route to ${dst} by ${via.host}`;
}

function isOddPort(link: IpLink): boolean {
  const { hairpin, learning, isolated } = link.linkinfo?.info_slave_data ?? {};
  return isPort(link) && (hairpin === true || learning === false || isolated === true);
}

/** Settings with which frames go other ways than the simulation and the proof assume. */
function notModelled(others: readonly IpLink[], odd: readonly IpLink[], { routes }: LiveFacts): readonly Diagnostic[] {
  const bridges = others.filter((link) => isBridge(link) && (link.linkinfo?.info_data?.vlan_filtering ?? 0) > 0);
  const ports = odd.flatMap(({ ifname, linkinfo }) => {
    const { hairpin, learning, isolated } = linkinfo?.info_slave_data ?? {};
    return [
      ...(hairpin === true ? [`port ${quoted(ifname)} sends frames back (hairpin)`] : []),
      ...(learning === false ? [`port ${quoted(ifname)} does not learn addresses`] : []),
      ...(isolated === true ? [`port ${quoted(ifname)} is isolated`] : []),
    ];
  });
  return [
    ...bridges.map(({ ifname }) => `bridge ${quoted(ifname)} filters VLANs`),
    ...ports,
    ...routes.flatMap((route) => unmodelledRoute(route) ?? []),
  ].map((what) => warning('unsupported', `${what}: not taken into account`, hostSpan));
}
