// Rulesets as single facts: an element is in a set, a chain has these rules. What two rulesets differ in are facts.
import { canonicalValues } from '../../model/canonical-match.ts';
import type { NumberRange, Value } from '../../model/field.ts';
import type { Chain, Element, NamedSet, Ruleset, TableFamily, Verdict, VerdictMap } from '../../model/ruleset.ts';
import { printChain } from '../../nft/print.ts';
import { elementKey } from '../../nft/values.ts';

/** `verdict` in maps only. */
export type Entry = { readonly element: Element; readonly verdict?: Verdict };

export type SetFacts = {
  readonly family: TableFamily;
  /** Without its elements. */
  readonly set: NamedSet | VerdictMap;
  readonly isMap: boolean;
  readonly entries: ReadonlyMap<string, Entry>;
};

export type ChainFacts = { readonly family: TableFamily; readonly chain: Chain };

export function chainText({ chain, family }: ChainFacts): string {
  return printChain(chain, family);
}

/** By family and name, as in `bridge own`. */
export type RuleFacts = {
  readonly sets: ReadonlyMap<string, SetFacts>;
  readonly chains: ReadonlyMap<string, ChainFacts>;
};

export function ruleFacts({ tables }: Ruleset): RuleFacts {
  const sets = tables.flatMap(({ family, sets: some, maps }) => [
    ...some.map((set) => setFacts(family, set)),
    ...maps.map((map) => mapFacts(family, map)),
  ]);
  const chains = tables.flatMap(({ family, chains: some }) => some.map((chain) => ({ family, chain })));
  return {
    sets: new Map(sets.map((one) => [`${one.family} ${one.set.name}`, one])),
    chains: new Map(chains.map((one) => [`${one.family} ${one.chain.name}`, one])),
  };
}

function setFacts(family: TableFamily, { elements, ...set }: NamedSet): SetFacts {
  // as the printer joins them
  const isRanged = set.interval && set.types.length === 1;
  const kept: readonly Element[] = isRanged ? canonicalValues(elements.flat()).map((value) => [value]) : elements;
  const entries = new Map(kept.map((element) => [elementKey(element), { element }]));
  return { family, set: { ...set, elements: [] }, isMap: false, entries };
}

function mapFacts(family: TableFamily, { elements, ...map }: VerdictMap): SetFacts {
  const entries = new Map(
    elements.map(({ key, verdict }) => [entryKey(key, verdict), { element: key, verdict }] as const),
  );
  return { family, set: { ...map, elements: [] }, isMap: true, entries };
}

export function entryKey(element: Element, verdict: Verdict | undefined): string {
  const target = verdict === undefined ? '' : ` : ${verdict.kind} ${'chain' in verdict ? verdict.chain : ''}`;
  return `${elementKey(element)}${target}`;
}

/** All but the address at the end, which may be one of a range, and what the element leads to. */
export type Row = { readonly key: string; readonly front: Element; readonly verdict?: Verdict };

export function rowOf({ element, verdict }: Entry): { readonly row: Row; readonly ips: NumberRange } {
  const front = element.slice(0, -1);
  const row = { key: entryKey(front, verdict), front, ...(verdict === undefined ? {} : { verdict }) };
  return { row, ips: addressOf(element.at(-1)) };
}

function addressOf(value: Value | undefined): NumberRange {
  if (value === undefined || typeof value === 'string') throw new Error('an interval set of names');
  return value;
}

export function entryIn({ front, verdict }: Row, { first, last }: NumberRange): Entry {
  return { element: [...front, { first, last }], ...(verdict === undefined ? {} : { verdict }) };
}
