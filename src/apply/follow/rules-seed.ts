// The rules of a ruleset as a follower keeps them: keys of elements, texts of chains, addresses as ranges. Plain data, since
// who compiles a large host is another process than who follows it.
import type { NumberRange } from '../../model/field.ts';
import type { NamedSet, Ruleset, TableFamily, VerdictMap } from '../../model/ruleset.ts';
import { chainText, type Entry, rowOf, ruleFacts } from './rule-facts.ts';

export type LoadedSet = {
  readonly family: TableFamily;
  /** Without its elements. */
  readonly set: NamedSet | VerdictMap;
  readonly isMap: boolean;
  readonly keys: Set<string>;
};

type Rows = ReadonlyMap<string, readonly NumberRange[]>;

export type RulesSeed = {
  readonly sets: ReadonlyMap<string, LoadedSet>;
  /** By family and name. */
  readonly chains: ReadonlyMap<string, string>;
  /** Of interval sets, and of hash sets that have one beside them, the addresses that are no guests'. */
  readonly rows: ReadonlyMap<string, Rows>;
};

/** @param guests their addresses, which stand one by one */
export function rulesSeed(ruleset: Ruleset, guests: ReadonlySet<bigint>): RulesSeed {
  const facts = ruleFacts(ruleset);
  const sets = new Map(
    [...facts.sets].map(([key, { family, set, isMap, entries }]) => [
      key,
      { family, set, isMap, keys: new Set(entries.keys()) },
    ]),
  );
  const rows = intervalSets(sets).map(([base, partner]) => {
    const entries = [...new Set([base, partner])].flatMap((key) => [...(facts.sets.get(key)?.entries.values() ?? [])]);
    return [base, rowsOf(entries, base === partner ? noGuests : guests)] as const;
  });
  const chains = new Map([...facts.chains].map(([key, chain]) => [key, chainText(chain)]));
  return { sets, chains, rows: new Map(rows) };
}

const noGuests: ReadonlySet<bigint> = new Set();

/** Each with the set that holds its ranges: another one beside it, or itself. */
function intervalSets(sets: ReadonlyMap<string, LoadedSet>): readonly (readonly [string, string])[] {
  return [...sets].flatMap(([key, { set }]) => {
    if (sets.has(`${key}_net`)) return [[key, `${key}_net`] as const];
    const isPartner = key.endsWith('_net') && sets.has(key.slice(0, -4));
    return set.interval && set.types.length === 1 && !isPartner ? [[key, key] as const] : [];
  });
}

function rowsOf(entries: readonly Entry[], guests: ReadonlySet<bigint>): Rows {
  const ranges = new Map<string, NumberRange[]>();
  for (const entry of entries) {
    const { row, ips } = rowOf(entry);
    if (ips.first === ips.last && guests.has(ips.first)) continue;
    const known = ranges.get(row.key);
    if (known === undefined) ranges.set(row.key, [ips]);
    else known.push(ips);
  }
  return ranges;
}
