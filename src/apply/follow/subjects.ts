// Ports and guests that changed -> everybody whom that may concern: who claims the same port, card or address.
import type { Host, Port } from '../../model/host.ts';
import type { Ip } from '../../model/ip.ts';
import { listIps } from '../../model/ip-set.ts';
import type { PolicyGuest } from '../../model/policy.ts';
import type { HostChanges } from './host-changes.ts';
import type { PolicyIndex } from './policy-index.ts';
import type { PortsOfBoth } from './port-index.ts';

export type Subjects = { readonly ports: ReadonlySet<string>; readonly guests: ReadonlySet<PolicyGuest> };

/** @param hosts both, for what they say of guests' addresses */
export function subjectsOf(
  changes: HostChanges,
  policy: PolicyIndex,
  known: PortsOfBoth,
  hosts: readonly Host[],
): Subjects {
  const ports = new Set([...changes.was, ...changes.now].map(({ name }) => name));
  const guests = new Set<PolicyGuest>();
  const reported = policy.believesHost ? reportedAddresses(hosts) : new Map<string, readonly Ip[]>();
  const owners = ownersOf(reported);
  const alike = (some: readonly Port[]): void => {
    for (const { name } of some) ports.add(name);
  };
  const named = (guest: string): void => {
    for (const one of policy.named(guest)) guests.add(one);
    alike(known.ofGuest(guest));
  };
  const claimed = (ips: readonly Ip[]): void => {
    for (const ip of ips) {
      for (const other of policy.with(ip)) guests.add(other);
      for (const other of owners.get(keyOf(ip)) ?? []) named(other);
    }
  };
  if (policy.believesHost) for (const guest of changes.guests) named(guest);
  // both grow while they are walked
  for (let size = -1; size !== ports.size + guests.size; ) {
    size = ports.size + guests.size;
    for (const port of [...ports].flatMap((name) => known.named(name))) {
      for (const guest of policy.behind(port)) guests.add(guest);
      if (port.mac !== undefined) alike(known.withMac(port.mac));
      if (!policy.believesHost || port.guest === undefined) continue;
      named(port.guest);
      claimed(reported.get(port.guest) ?? []);
    }
    for (const guest of guests) {
      alike(known.of(guest));
      claimed([...listIps(guest.addresses), ...(reported.get(guest.name) ?? [])]);
    }
  }
  return { ports, guests };
}

function keyOf({ family, bits }: Ip): string {
  return `${family} ${bits}`;
}

/** Whatever anybody says that guests have, believed or not. */
function reportedAddresses(hosts: readonly Host[]): ReadonlyMap<string, readonly Ip[]> {
  const reported = new Map<string, readonly Ip[]>();
  for (const host of hosts) {
    for (const { name, cards } of host.guests) {
      const ips = cards.flatMap(({ addresses }) => Object.values(addresses).flat());
      if (ips.length > 0) reported.set(name, [...(reported.get(name) ?? []), ...ips]);
    }
  }
  return reported;
}

function ownersOf(reported: ReadonlyMap<string, readonly Ip[]>): ReadonlyMap<string, readonly string[]> {
  const owners = new Map<string, string[]>();
  for (const [name, ips] of reported) {
    for (const ip of ips) owners.set(keyOf(ip), [...(owners.get(keyOf(ip)) ?? []), name]);
  }
  return owners;
}
