// What a small ruleset says of the addresses that a change is about, row by row of an interval set.
import { canonicalValues } from '../../model/canonical-match.ts';
import { type NumberRange, valueKey } from '../../model/field.ts';
import { type Row, type RuleFacts, rowOf } from './rule-facts.ts';

/** A guest's address stands by itself, another one in the range that it is in. */
export type RowStates = {
  readonly row: Row;
  readonly own: ReadonlyMap<bigint, 'guest' | 'other'>;
  /** All other addresses of the row. */
  readonly others: string;
};

/** @param bound those of the own addresses that are guests' */
export function rowStates(
  facts: RuleFacts,
  base: string,
  own: ReadonlySet<bigint>,
  bound: ReadonlySet<bigint>,
): ReadonlyMap<string, RowStates> {
  const rows = new Map<string, { readonly row: Row; readonly ranges: NumberRange[] }>();
  for (const key of [base, `${base}_net`]) {
    for (const entry of facts.sets.get(key)?.entries.values() ?? []) {
      const { row, ips } = rowOf(entry);
      const known = rows.get(row.key);
      if (known === undefined) rows.set(row.key, { row, ranges: [ips] });
      else known.ranges.push(ips);
    }
  }
  return new Map([...rows].map(([key, { row, ranges }]) => [key, stateOf(row, ranges, own, bound)]));
}

function stateOf(
  row: Row,
  ranges: readonly NumberRange[],
  own: ReadonlySet<bigint>,
  bound: ReadonlySet<bigint>,
): RowStates {
  const present = [...own].filter((bits) => ranges.some(({ first, last }) => first <= bits && bits <= last));
  const rest = present.reduce<readonly NumberRange[]>(
    (left, bits) => left.flatMap((range) => without(range, bits)),
    ranges,
  );
  return {
    row,
    own: new Map(present.map((bits) => [bits, bound.has(bits) ? 'guest' : 'other'])),
    others: canonicalValues(rest).map(valueKey).join(),
  };
}

function without(range: NumberRange, bits: bigint): readonly NumberRange[] {
  const { first, last } = range;
  if (bits < first || last < bits) return [range];
  return [...(first < bits ? [{ first, last: bits - 1n }] : []), ...(bits < last ? [{ first: bits + 1n, last }] : [])];
}
