// The two sides of a permission: names -> sets of addresses, for each segment that the connection may touch.
import { type Diagnostic, error } from '../model/diagnostic.ts';
import type { Host } from '../model/host.ts';
import { everyIp, type IpSet, noIps, singleIps, subtractIps, unionIps } from '../model/ip-set.ts';
import { suggestion } from '../model/nearest.ts';
import type { NameRef, Policy } from '../model/policy.ts';
import type { BoundGuest } from './ground.ts';

/** One side of a permission. The host has other addresses in every network, so it stays a name until one is meant. */
export type Side = { readonly guests: IpSet; readonly outside: IpSet; readonly host: boolean; readonly any: boolean };

const nobody: Side = { guests: noIps, outside: noIps, host: false, any: false };

export type Names = {
  /** Expands references; a name that nobody has is reported once and stands for nobody. */
  readonly side: (refs: readonly NameRef[]) => Side;
  readonly diagnostics: readonly Diagnostic[];
};

export function knownNames(policy: Policy, host: Host, guests: readonly BoundGuest[]): Names {
  const diagnostics: Diagnostic[] = [];
  const groups = new Map(policy.groups.map((group) => [group.name, group.members]));
  const fixed = fixedNames(policy, host, guests);
  const memo = new Map<string, Side>();
  const reported = new Set<NameRef>();
  const sideOf = (ref: NameRef, path: readonly string[]): Side => {
    const known = fixed.get(ref.name) ?? memo.get(ref.name);
    if (known !== undefined) return known;
    const members = groups.get(ref.name);
    if (members === undefined) {
      if (!reported.has(ref)) diagnostics.push(unknownName(ref, [...fixed.keys(), ...groups.keys()]));
      reported.add(ref);
      return nobody;
    }
    if (path.includes(ref.name)) return nobody;
    const side = together(members.map((member) => sideOf(member, [...path, ref.name])));
    memo.set(ref.name, side);
    return side;
  };
  for (const group of policy.groups) sideOf({ name: group.name, span: group.span }, []);
  // a line is asked for at every port: its sides are worked out, and its unknown names reported, once
  const sides = new WeakMap<readonly NameRef[], Side>();
  const side = (refs: readonly NameRef[]): Side => {
    const worked = sides.get(refs) ?? together(refs.map((ref) => sideOf(ref, [])));
    sides.set(refs, worked);
    return worked;
  };
  return { side, diagnostics };
}

function fixedNames(policy: Policy, host: Host, guests: readonly BoundGuest[]): ReadonlyMap<string, Side> {
  const ofBridge = (bridge: string): IpSet =>
    unionIps(...guests.filter(({ port }) => port.bridge === bridge).map(({ ips }) => ips));
  const bound = new Map(guests.map((guest) => [guest.name, guest]));
  // a network outside may hold addresses of guests and of the host: these are nevertheless not outside
  const inside = unionIps(
    ...policy.guests.map(({ addresses }) => addresses),
    ...host.interfaces.map(({ addresses }) => singleIps(addresses)),
  );
  return new Map<string, Side>([
    ...host.bridges.map(({ name }): [string, Side] => [name, { ...nobody, guests: ofBridge(name) }]),
    ...policy.outside.map(({ name, addresses }): [string, Side] => [
      name,
      { ...nobody, outside: subtractIps(addresses, inside) },
    ]),
    // a guest without a port has no addresses here: nothing is opened for a machine that is not there
    ...policy.guests.map(({ name }): [string, Side] => [name, { ...nobody, guests: bound.get(name)?.ips ?? noIps }]),
    ['guests', { ...nobody, guests: unionIps(...guests.map(({ ips }) => ips)) }],
    ['host', { ...nobody, host: true }],
    ['any', { ...nobody, any: true }],
  ]);
}

function together(sides: readonly Side[]): Side {
  return {
    guests: unionIps(...sides.map(({ guests }) => guests)),
    outside: unionIps(...sides.map(({ outside }) => outside)),
    host: sides.some(({ host }) => host),
    any: sides.some(({ any }) => any),
  };
}

function unknownName(ref: NameRef, known: readonly string[]): Diagnostic {
  const hint = suggestion(ref.name, known) ?? 'name it under guests, outside or groups';
  return error('unknown-name', `no guest, outside machine, group or bridge is named '${ref.name}'`, ref.span, { hint });
}

/** The addresses of a side, given what the host is called in the network in question. */
export function sideIps(side: Side, hostIps: IpSet): IpSet {
  if (side.any) return everyIp(4);
  return unionIps(side.guests, side.outside, side.host ? hostIps : noIps);
}

/** What no machine has for an address (RFC 1122 section 3.2.1.3): a guest without a lease speaks so, where it may. */
const thisNetwork: IpSet = [{ family: 4, first: 0n, last: 0x00ff_ffffn }];

/** Everybody on a side who is neither one of these guests nor the host: what lies beyond the segment. */
export function beyond(side: Side, segmentIps: IpSet): IpSet {
  const everybody = side.any ? subtractIps(everyIp(4), thisNetwork) : unionIps(side.guests, side.outside);
  return subtractIps(everybody, segmentIps);
}
