// Does a condition hold for a packet? One of the readers of the union of conditions; the kernel decides who is right.
import { type Value, valueHolds, valueKey } from '../model/field.ts';
import type { LimitMatch, LookupMatch, Match, PhysdevIsMatch, PhysdevMatch, TcpFlagsMatch } from '../model/match.ts';
import type { NamedSet, VerdictMap } from '../model/ruleset.ts';
import { unreachable } from '../model/unreachable.ts';
import { fieldValue, type View } from './view.ts';

/** What a condition may ask besides the packet. */
export type Surroundings = {
  readonly sets: ReadonlyMap<string, PreparedSet<true>>;
  /** Takes a token; the memory of a limit belongs to the rule it stands in. */
  readonly takeToken: (limit: LimitMatch) => boolean;
};

export function matches(match: Match, view: View, around: Surroundings): boolean {
  switch (match.kind) {
    case 'field': {
      const actual = fieldValue(match.field, view);
      if (actual === undefined) return false;
      return match.values.some((value) => valueHolds(value, actual)) !== match.negated;
    }
    case 'lookup':
      return lookupHolds(match, view, around);
    case 'physdev':
      return physdevHolds(match, view);
    case 'physdev-is':
      return physdevIsHolds(match, view);
    case 'ct-state':
      return match.states.includes(view.ctState) !== match.negated;
    case 'tcp-flags':
      return tcpFlagsHold(match, view);
    case 'limit':
      return around.takeToken(match);
    case 'opaque':
      throw new Error(`the simulator cannot decide '${match.text}'`);
    default:
      return unreachable(match);
  }
}

function lookupHolds(match: LookupMatch, view: View, { sets }: Surroundings): boolean {
  const key = keyOf(match.fields, view);
  if (key === undefined) return false;
  return (sets.get(match.set)?.find(key) !== undefined) !== match.negated;
}

export function keyOf(fields: LookupMatch['fields'], view: View): readonly (string | bigint)[] | undefined {
  const key: (string | bigint)[] = [];
  for (const field of fields) {
    const value = fieldValue(field, view);
    if (value === undefined) return undefined;
    key.push(value);
  }
  return key;
}

/**
 * net/netfilter/xt_physdev.c: on a packet without bridge information the answer is the polarity itself; an absent
 * output port makes both polarities false, an absent input port both true.
 */
function physdevHolds({ end, negated, name }: PhysdevMatch, { bridgeInfo }: View): boolean {
  if (bridgeInfo === undefined) return negated;
  const actual = end === 'in' ? bridgeInfo.physin : bridgeInfo.physout;
  if (actual === undefined) return end === 'in';
  return valueHolds(name, actual) !== negated;
}

function physdevIsHolds({ what, negated }: PhysdevIsMatch, { bridgeInfo }: View): boolean {
  if (bridgeInfo === undefined) return negated;
  const present = what === 'in' ? bridgeInfo.physin !== undefined : bridgeInfo.physout !== undefined;
  return present !== negated;
}

function tcpFlagsHold({ mask, flags, negated }: TcpFlagsMatch, { packet: { payload } }: View): boolean {
  if (payload.kind !== 'ip4' || payload.transport.kind !== 'tcp') return false;
  const set = payload.transport.flags.filter((flag) => mask.includes(flag));
  const same = set.length === flags.length && flags.every((flag) => set.includes(flag));
  return same !== negated;
}

/** Elements ready for look-ups: single values in a hash table, ranges and name patterns in a list. */
export class PreparedSet<T> {
  readonly #single = new Map<string, T>();
  readonly #others: { readonly key: readonly Value[]; readonly value: T }[] = [];

  constructor(elements: Iterable<readonly [readonly Value[], T]>) {
    for (const [key, value] of elements) {
      if (key.every(isSingle)) this.#single.set(key.map(valueKey).join(' '), value);
      else this.#others.push({ key, value });
    }
  }

  find(key: readonly (string | bigint)[]): T | undefined {
    const hit = this.#single.get(key.join(' '));
    if (hit !== undefined || this.#others.length === 0) return hit;
    return this.#others.find((other) => other.key.every((value, index) => valueHolds(value, key[index] ?? '')))?.value;
  }
}

function isSingle(value: Value): boolean {
  return typeof value === 'string' ? !value.endsWith('*') : value.first === value.last;
}

export function prepareSet(set: NamedSet): PreparedSet<true> {
  return new PreparedSet(set.elements.map((element) => [element, true] as const));
}

export function prepareMap(map: VerdictMap): PreparedSet<VerdictMap['elements'][number]['verdict']> {
  return new PreparedSet(map.elements.map(({ key, verdict }) => [key, verdict] as const));
}
