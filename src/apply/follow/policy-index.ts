// The guests of a policy by what a port of a host leads to them by, and by their addresses.
import type { Port } from '../../model/host.ts';
import { type Ip, printIp } from '../../model/ip.ts';
import { listIps } from '../../model/ip-set.ts';
import type { Policy, PolicyGuest } from '../../model/policy.ts';

type Found<T> = ReadonlyMap<string, readonly T[]>;

export class PolicyIndex {
  readonly #byName: Found<PolicyGuest>;
  readonly #byPort: Found<PolicyGuest>;
  readonly #byMac: Found<PolicyGuest>;
  readonly #byAddress: Found<PolicyGuest>;
  readonly believesHost: boolean;

  constructor({ guests }: Policy) {
    this.#byName = grouped(guests, ({ name }) => [name]);
    this.#byPort = grouped(guests, ({ port }) => (port === undefined ? [] : [port]));
    this.#byMac = grouped(guests, ({ mac }) => (mac === undefined ? [] : [String(mac)]));
    this.#byAddress = grouped(guests, ({ addresses }) => listIps(addresses).map(printIp));
    this.believesHost = guests.some(({ addressesFrom }) => addressesFrom.length > 0);
  }

  named(name: string): readonly PolicyGuest[] {
    return this.#byName.get(name) ?? [];
  }

  /** Everybody who could be behind the port. */
  behind({ name, guest, mac }: Port): readonly PolicyGuest[] {
    return [
      ...(guest === undefined ? [] : this.named(guest)),
      ...(this.#byPort.get(name) ?? []),
      ...(mac === undefined ? [] : (this.#byMac.get(String(mac)) ?? [])),
    ];
  }

  with(ip: Ip): readonly PolicyGuest[] {
    return this.#byAddress.get(printIp(ip)) ?? [];
  }
}

function grouped<T>(things: readonly T[], keysOf: (thing: T) => readonly string[]): Found<T> {
  const groups = new Map<string, T[]>();
  for (const thing of things) {
    for (const key of keysOf(thing)) {
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [thing]);
      else group.push(thing);
    }
  }
  return groups;
}
