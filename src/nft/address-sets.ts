// Groups of addresses -> named sets of a table, so that rules which ask for the same addresses share them.
import { exactly, type NumberRange } from '../model/field.ts';
import { everyIp, type IpSet, isSingle, listIps, ofFamily, subtractIps } from '../model/ip-set.ts';
import { field, lookup, type Match, notField, notLookup } from '../model/match.ts';
import type { NamedIps } from '../model/rule-list.ts';
import type { NamedSet } from '../model/ruleset.ts';
import { shortDigest } from '../model/short-digest.ts';
import { isSameTree } from '../model/stable-text.ts';
import { ip4Values } from './set-parts.ts';

/**
 * Named sets for groups of addresses, each made once. Guests' addresses are listed one by one, also where they are
 * neighbours: a guest that comes or goes is one element then. A set is called by what it is for and never by how many were
 * made before it, so that it keeps its name whoever comes and goes.
 */
export class AddressSets {
  readonly #guests: IpSet;
  readonly #sets = new Map<string, NamedSet>();
  /** Many rules ask for one set, and spelling it out takes long. */
  readonly #known = new WeakMap<IpSet, NumberRange | string>();

  constructor(guests: IpSet) {
    this.#guests = guests;
  }

  match(end: 'ip saddr' | 'ip daddr', { name, ips }: NamedIps, negated: boolean): readonly Match[] {
    const known = this.#known.get(ips) ?? this.#worked(name, ips);
    this.#known.set(ips, known);
    if (typeof known === 'string') return [negated ? notLookup(known, end) : lookup(known, end)];
    const [everything] = everyIp(4);
    if (known.first === everything?.first && known.last === everything?.last) return [];
    return [negated ? notField(end, known) : field(end, known)];
  }

  /** One value for the rule itself, or the name of a set. */
  #worked(name: string, ips: IpSet): NumberRange | string {
    const [only, ...more] = this.#values(ips);
    if (only !== undefined && more.length === 0) return only;
    return this.#made(name, only === undefined ? [] : [only, ...more]);
  }

  #values(ips: IpSet): readonly NumberRange[] {
    const others = subtractIps(ips, this.#guests);
    if (!others.every(isSingle)) return ip4Values(ips);
    return listIps(ofFamily(ips, 4)).map(({ bits }) => exactly(bits));
  }

  #made(meaning: string, values: readonly NumberRange[]): string {
    const interval = values.some(({ first, last }) => first !== last);
    const made = { types: ['ipv4_addr'], interval, elements: values.map((value) => [value]) } as const;
    for (let again = 1; ; again++) {
      const name = `group_${shortDigest(again === 1 ? meaning : `${meaning} ${again}`)}`;
      const known = this.#sets.get(name);
      if (known === undefined) this.#sets.set(name, { name, ...made });
      if (known === undefined || isSameTree(known, { name, ...made })) return name;
    }
  }

  sets(): readonly NamedSet[] {
    return [...this.#sets.values()];
  }
}
