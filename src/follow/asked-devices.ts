// What the kernel itself says of a few devices -> what `ip` would have said of them. Only for what nearly every event is about:
// taps that came, went or changed, and bridges without addresses and routes. Everything else is `ip`'s.
import type { AnsweredLink } from '../netlink/link-questions.ts';
import type { KernelPort } from '../netlink/route.ts';
import type { IpDevice, IpLink, IpRoute } from '../topology/ip-json.ts';
import { isBridge, type LiveFacts } from '../topology/live.ts';
import { plainName } from '../topology/read.ts';

/** Those with these names, in their order; undefined when it is not known. */
export type AskLinks = (names: readonly string[]) => Promise<readonly (AnsweredLink | 'gone')[] | undefined>;

/** Each costs a question of its own. */
const mostNames = 32;

/** Those that are there. Undefined when `ip` has to be asked. */
export async function askedDevices(
  before: LiveFacts,
  names: ReadonlySet<string>,
  ask: AskLinks,
): Promise<readonly IpDevice[] | undefined> {
  const known = before.links.filter(({ ifname }) => names.has(ifname));
  if (names.size > mostNames || ![...names].every((name) => plainName.test(name))) return undefined;
  if (!known.every(isKnownKind) || before.routes.some((route) => leadsOver(route, names))) return undefined;
  const answers = await ask([...names]);
  if (answers === undefined) return undefined;
  const there = answers.filter((answer) => answer !== 'gone');
  const devices = there.flatMap((link) => deviceOf(link, before) ?? []);
  return devices.length === there.length ? devices : undefined;
}

function isKnownKind({ linkinfo, link }: IpLink): boolean {
  const kind = linkinfo?.info_kind;
  return (kind === 'tun' || kind === 'bridge') && (link ?? undefined) === undefined;
}

/** Routes are not asked for: a device that one leads over may have taken it along. */
function leadsOver({ dev, nexthops = [] }: IpRoute, names: ReadonlySet<string>): boolean {
  return [dev, ...nexthops.map((hop) => hop.dev)].some((name) => names.has(name ?? ''));
}

function deviceOf(link: AnsweredLink, before: LiveFacts): IpDevice | undefined {
  const { what } = link;
  if (what.kind === 'bridge') return bridgeOf(link, what);
  const info = { info_kind: 'tun', info_data: { type: 'tap' } };
  // over one that is up and on no bridge routes may lead that are not known yet
  if (what.port === undefined) return link.isUp ? undefined : { ...plain(link), linkinfo: info };
  const master = bridgeName(what.port, before);
  if (master === undefined) return undefined;
  const { hairpin, learning, isolated } = what.port;
  const linkinfo = { ...info, info_slave_kind: 'bridge', info_slave_data: { hairpin, learning, isolated } };
  return { ...plain(link), master, linkinfo };
}

function plain({ index, name, mac, addresses }: AnsweredLink): IpDevice {
  return {
    ifindex: index,
    ifname: name,
    link_type: 'ether',
    address: mac,
    addr_info: addresses.map((local) => ({ family: 'inet6', local, prefixlen: 64, scope: 'link' })),
  };
}

function bridgeName({ bridge }: KernelPort, { links }: LiveFacts): string | undefined {
  const link = links.find(({ ifindex }) => ifindex === bridge);
  return link !== undefined && isBridge(link) ? link.ifname : undefined;
}

type Bridge = Extract<AnsweredLink['what'], { kind: 'bridge' }>;

/** Some kernels (6.18) tell of a bridge whenever a port comes. */
function bridgeOf(link: AnsweredLink, { stpState, vlanFiltering }: Bridge): IpDevice {
  const filtering = vlanFiltering === undefined ? {} : { vlan_filtering: vlanFiltering };
  return { ...plain(link), linkinfo: { info_kind: 'bridge', info_data: { stp_state: stpState, ...filtering } } };
}
