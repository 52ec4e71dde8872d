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
  const all = facts.links.toSorted((a, b) => a.ifindex - b.ifindex);
  const usable = all.filter(hasUsableName);
  const links: Links = new Map(usable.map((link) => [link.ifname, link]));
  const ports = Map.groupBy(usable.filter(isPort), ({ master }) => master ?? '');
  const namespaces = namespacesOf(facts);
  return {
    value: {
      name: 'value' in readName(name) ? name : 'host',
      bridges: usable.filter(isBridge).map((bridge) => ({
        name: bridge.ifname,
        ports: (ports.get(bridge.ifname) ?? []).map((link) => portOf(link, bridge.ifname, links, namespaces)),
        stp: (bridge.linkinfo?.info_data?.stp_state ?? 0) > 0,
        span: hostSpan,
      })),
      interfaces: interfacesOf(usable, links, facts.addresses),
      routes: facts.routes.flatMap((route) => routeOf(route, links)),
      sysctls: facts.sysctls,
      guests: [],
    },
    diagnostics: [...nameFaults(all, name), ...notModelled(usable, facts)],
  };
}

/** What was made of a device is kept with it: on a host with thousands of them few change from one look to the next. */
const usableNames = new WeakMap<IpLink, boolean>();
const plainPorts = new WeakMap<IpLink, Port>();

function hasUsableName(link: IpLink): boolean {
  const known = usableNames.get(link);
  if (known !== undefined) return known;
  const isUsable = 'value' in readInterface(link.ifname);
  usableNames.set(link, isUsable);
  return isUsable;
}

export function isBridge({ linkinfo }: IpLink): boolean {
  return linkinfo?.info_kind === 'bridge';
}

export function isPort({ linkinfo, master }: IpLink): boolean {
  return master !== undefined && linkinfo?.info_slave_kind === 'bridge';
}

function nameFaults(links: readonly IpLink[], name: string): readonly Diagnostic[] {
  const host = readName(name);
  return [
    ...('fault' in host
      ? [warning(host.fault.code, host.fault.message, hostSpan, { hint: "it is called 'host' here" })]
      : []),
    ...links
      .filter((link) => !hasUsableName(link))
      .flatMap(({ ifname, master }) => {
        const read = readInterface(ifname);
        if ('value' in read) return [];
        const place = master === undefined ? '' : `, a port of ${quoted(master)},`;
        const message = `the interface ${quoted(ifname)}${place} is left out: the name cannot be used in rules`;
        return [error('bad-interface', message, hostSpan, { hint: read.fault.hint ?? '' })];
      }),
  ];
}

type Links = ReadonlyMap<string, IpLink>;

/** By their numbers; of a name that cannot be one in a policy nothing is said. */
type Namespaces = ReadonlyMap<number, string>;

function namespacesOf({ namespaces }: LiveFacts): Namespaces {
  const usable = namespaces.filter(({ name }) => 'value' in readName(name));
  return new Map(usable.flatMap(({ name, id }) => (typeof id === 'number' && id >= 0 ? [[id, name] as const] : [])));
}

function portOf(link: IpLink, bridge: string, links: Links, namespaces: Namespaces): Port {
  const known = plainPorts.get(link);
  if (known !== undefined) return known;
  const peer = peerOf(link, links);
  const guest = link.linkinfo?.info_kind === 'veth' ? namespaces.get(link.link_netnsid ?? -1) : undefined;
  const port = {
    name: link.ifname,
    bridge,
    ...(peer === undefined ? {} : { peer }),
    ...(guest === undefined ? {} : { guest }),
    uplink: isUplink(link),
    span: hostSpan,
  };
  // a cable is what the other end makes of it
  if (link.linkinfo?.info_kind !== 'veth') plainPorts.set(link, port);
  return port;
}

/** Devices that lead out of this host; a physical device has no kind at all. */
const uplinkKinds = ['bond', 'team', 'vlan', 'vxlan', 'geneve', 'gretap', 'ip6gretap', 'macvlan'];

function isUplink({ linkinfo }: IpLink): boolean {
  return linkinfo?.info_kind === undefined || uplinkKinds.includes(linkinfo.info_kind);
}

/** Both ends must name each other: `link` is also what a vlan is on. */
function peerOf(link: IpLink, links: Links): string | undefined {
  if (link.linkinfo?.info_kind !== 'veth' || typeof link.link_netnsid === 'number') return undefined;
  const other = links.get(link.link ?? '');
  return other?.linkinfo?.info_kind === 'veth' && other.link === link.ifname ? other.ifname : undefined;
}

/** A bridge device is one of them only if it has an address. */
function interfacesOf(
  usable: readonly IpLink[],
  links: Links,
  addresses: readonly IpAddresses[],
): readonly HostInterface[] {
  const byName = new Map(addresses.map(({ ifname, addr_info }) => [ifname, addr_info.flatMap(prefixOf)]));
  return usable
    .filter((link) => !isPort(link) && link.link_type !== 'loopback' && !isBonded(link))
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
function routeOf(route: IpRoute, links: Links): readonly Route[] {
  if (unmodelledRoute(route) !== undefined || route.flags?.includes('dead')) return [];
  const to = parsePrefix(route.dst === 'default' ? '0.0.0.0/0' : route.dst);
  const { gateway, dev } = route.nexthops?.[0] ?? route;
  if (to === undefined || (dev !== undefined && !links.has(dev))) return [];
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
function notModelled(links: readonly IpLink[], { routes }: LiveFacts): readonly Diagnostic[] {
  const bridges = links.filter((link) => isBridge(link) && (link.linkinfo?.info_data?.vlan_filtering ?? 0) > 0);
  const ports = links.filter(isOddPort).flatMap(({ ifname, linkinfo }) => {
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
