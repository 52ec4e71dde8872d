// What the host said of itself, and what it says of a few devices now -> what it says of itself now: as if all were read anew.
// Only devices that say nothing of others are exchanged like this; where that is not certain, all has to be read.
import type { IpAddresses, IpDevice, IpLink, IpRoute } from './ip-json.ts';
import { isBridge, type LiveFacts } from './live.ts';

/** What was read of the devices that are named; those that were not found are gone. */
export type ChangedFacts = Pick<LiveFacts, 'namespaces' | 'sysctls'> & {
  readonly devices: readonly IpDevice[];
  readonly routes: readonly IpRoute[];
};

/** @param names of devices that came, went or changed. Undefined when all has to be read. */
export function changedFacts(
  facts: LiveFacts,
  names: ReadonlySet<string>,
  { devices, ...others }: ChangedFacts,
): LiveFacts | undefined {
  const left = facts.links.filter(({ ifname }) => !names.has(ifname));
  // of a device that came nothing was there
  const before = left.length === facts.links.length ? [] : facts.links.filter(({ ifname }) => names.has(ifname));
  const was = new Map(before.map((link) => [link.ifname, link]));
  const is = new Map(devices.map((link) => [link.ifname, link]));
  if (is.size !== devices.length || ![...is.keys()].every((name) => names.has(name))) {
    return undefined;
  }
  // two that changed names between two answers
  if (new Set(devices.map(({ ifindex }) => ifindex)).size !== devices.length) return undefined;
  if (areRenamed(facts.links, devices)) return undefined;
  const moved = new Set([...names].filter((name) => !isSameDevice(was.get(name), is.get(name))));
  const alone = [...moved].flatMap((name) => [was.get(name) ?? [], is.get(name) ?? []].flat());
  if (!alone.every(isByItself) || left.some((link) => leansOn(link, moved))) return undefined;
  const [links, addresses] = partsOf(devices);
  return {
    links: [...left, ...links],
    addresses: [...facts.addresses.filter(({ ifname }) => !names.has(ifname)), ...addresses],
    ...others,
  };
}

/** Devices without any address are left out of the second: they are most. */
export function partsOf(devices: readonly IpDevice[]): readonly [readonly IpLink[], readonly IpAddresses[]] {
  return [
    devices.map(({ addr_info: _none, ...link }) => link),
    devices.flatMap(({ ifname, addr_info }) => (addr_info.length === 0 ? [] : [{ ifname, addr_info }])),
  ];
}

/** A device that was renamed is called by its old name by others. */
function areRenamed(links: readonly IpLink[], devices: readonly IpLink[]): boolean {
  const names = new Map(devices.map(({ ifindex, ifname }) => [ifindex, ifname]));
  return links.some(({ ifindex, ifname }) => (names.get(ifindex) ?? ifname) !== ifname);
}

/** What others say of it stays true. */
function isSameDevice(was: IpLink | undefined, is: IpLink | undefined): boolean {
  return (
    was !== undefined &&
    was.ifindex === is?.ifindex &&
    was.link === is.link &&
    was.link_netnsid === is.link_netnsid &&
    was.linkinfo?.info_kind === is.linkinfo?.info_kind
  );
}

/** What is on a bridge, and what another device is on or is the other end of, is said by both. */
function isByItself(link: IpLink): boolean {
  return !isBridge(link) && (link.link ?? undefined) === undefined;
}

function leansOn({ link, master }: IpLink, names: ReadonlySet<string>): boolean {
  return names.has(link ?? '') || names.has(master ?? '');
}
