// Groups of addresses -> named sets of a table, so that rules which ask for the same addresses share them.
import { exactly, type NumberRange } from '../model/field.ts';
import { everyIp, type IpSet, isSingle, listIps, ofFamily, printIpSet, subtractIps } from '../model/ip-set.ts';
import { field, lookup, type Match, notField, notLookup } from '../model/match.ts';
import type { NamedSet } from '../model/ruleset.ts';

/**
 * Named sets for groups of addresses, each made once. Guests' addresses are listed one by one, also where they are
 * neighbours: a guest that comes or goes is one element then.
 */
export class AddressSets {
  readonly #guests: IpSet;
  readonly #sets = new Map<string, NamedSet>();
  /** Many rules share one set, and spelling it out takes long. */
  readonly #names = new WeakMap<IpSet, string>();

  constructor(guests: IpSet) {
    this.#guests = guests;
  }

  match(name: 'ip saddr' | 'ip daddr', ips: IpSet, negated: boolean): readonly Match[] {
    const known = this.#names.get(ips);
    if (known !== undefined) return [negated ? notLookup(known, name) : lookup(known, name)];
    const values = this.#values(ips);
    const [everything] = everyIp(4);
    const [only] = values;
    if (values.length === 1 && only !== undefined) {
      if (only.first === everything?.first && only.last === everything?.last) return [];
      return [negated ? notField(name, only) : field(name, only)];
    }
    const set = this.#named(ips, values);
    return [negated ? notLookup(set, name) : lookup(set, name)];
  }

  #values(ips: IpSet): readonly NumberRange[] {
    const others = subtractIps(ips, this.#guests);
    if (!others.every(isSingle)) return ip4Values(ips);
    return listIps(ofFamily(ips, 4)).map(({ bits }) => exactly(bits));
  }

  #named(ips: IpSet, values: readonly NumberRange[]): string {
    const named = this.#names.get(ips) ?? this.#made(ips, values);
    this.#names.set(ips, named);
    return named;
  }

  #made(ips: IpSet, values: readonly NumberRange[]): string {
    const key = printIpSet(ips);
    const known = this.#sets.get(key);
    if (known !== undefined) return known.name;
    const name = `group_${this.#sets.size + 1}`;
    const interval = values.some(({ first, last }) => first !== last);
    this.#sets.set(key, { name, types: ['ipv4_addr'], interval, elements: values.map((value) => [value]) });
    return name;
  }

  sets(): readonly NamedSet[] {
    return [...this.#sets.values()];
  }
}

export function ip4Values(ips: IpSet) {
  return ips.filter(({ family }) => family === 4).map(({ first, last }) => ({ first, last }));
}
