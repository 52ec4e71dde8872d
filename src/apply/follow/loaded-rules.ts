// The rules that are loaded, as keys of elements and texts of chains: little enough to keep for thousands of guests, and
// enough to say what a change of a small host's rules is in the large one's. What does not fit is never guessed.
import type { NumberRange } from '../../model/field.ts';
import type { Chain, Element, NamedSet, TableFamily, VerdictMap } from '../../model/ruleset.ts';
import { isSameTree } from '../../model/stable-text.ts';
import type { TableChanges } from '../../nft/changes.ts';
import { elementKey } from '../../nft/values.ts';
import { AddressRow } from './address-row.ts';
import { type RowStates, rowStates } from './row-states.ts';
import { type ChainFacts, chainText, type Entry, entryIn, entryKey, type Row, type RuleFacts } from './rule-facts.ts';
import type { LoadedSet, RulesSeed } from './rules-seed.ts';

/** What nobody else's rules can name: of the ports and guests that the change is about. */
export type Own = {
  readonly ports: ReadonlySet<string>;
  readonly macs: ReadonlySet<bigint>;
  readonly ips: ReadonlySet<bigint>;
  /** By family and name. */
  readonly chains: ReadonlySet<string>;
  /** Chains that say nothing of others: they are not compared with those that are loaded. */
  readonly familiar: ReadonlySet<string>;
  /** Those of the addresses that are guests', which stand one by one. */
  readonly bound: { readonly before: ReadonlySet<bigint>; readonly after: ReadonlySet<bigint> };
};

type Moves = { readonly lost: Map<string, Entry[]>; readonly gained: Map<string, Entry[]> };

export class LoadedRules {
  readonly #sets: ReadonlyMap<string, LoadedSet>;
  /** Of interval sets, and of hash sets that have one beside them, the addresses that are no guests'. */
  readonly #rows = new Map<string, Map<string, AddressRow>>();
  readonly #chains: Map<string, string>;
  /** Chains that were found loaded and do not change: a step asks for those of all cables, and printing them is dear. */
  readonly #trees = new Map<string, Chain>();

  constructor({ sets, chains, rows }: RulesSeed) {
    this.#sets = sets;
    this.#chains = new Map(chains);
    for (const [base, ranges] of rows) {
      this.#rows.set(base, new Map([...ranges].map(([key, some]) => [key, new AddressRow(some)])));
    }
  }

  /** @param set by family and name */
  has(set: string, element: Element): boolean {
    return this.#sets.get(set)?.keys.has(elementKey(element)) ?? false;
  }

  /**
   * What the step from one small ruleset to another is here; it is taken for loaded then. Undefined when these rules are
   * not a larger form of `before`, or when more would change than what is `own`: then nothing may be believed of this any more.
   */
  change(before: RuleFacts, after: RuleFacts, own: Own): readonly TableChanges[] | undefined {
    const chains = this.#chainChanges(before, after, own);
    const moves: Moves = { lost: new Map(), gained: new Map() };
    if (chains === undefined) return undefined;
    for (const key of new Set([...before.sets.keys(), ...after.sets.keys()])) {
      if (!this.#isSameShape(key, before, after) || !this.#move(key, before, after, own, moves)) return undefined;
    }
    if (!this.#settle(moves, after)) return undefined;
    for (const { key, now } of chains) {
      this.#trees.delete(key);
      if (now === undefined) this.#chains.delete(key);
      else this.#chains.set(key, chainText(now));
    }
    return this.#tableChanges(chains, moves);
  }

  #chainChanges(before: RuleFacts, after: RuleFacts, own: Own): readonly ChainChange[] | undefined {
    const changes: ChainChange[] = [];
    for (const key of new Set([...before.chains.keys(), ...after.chains.keys()])) {
      const was = before.chains.get(key);
      const now = after.chains.get(key);
      const isSame = was !== undefined && now !== undefined && isSameTree(was.chain, now.chain);
      if (isSame && own.familiar.has(key)) continue;
      if (!this.#isLoaded(key, was, own.chains.has(key))) return undefined;
      if (isSame) continue;
      if (!own.chains.has(key)) return undefined;
      changes.push({ key, was, now });
    }
    return changes;
  }

  #isLoaded(key: string, was: ChainFacts | undefined, isOwn: boolean): boolean {
    const tree = this.#trees.get(key);
    if (was !== undefined && tree !== undefined && isSameTree(tree, was.chain)) return true;
    if ((was === undefined ? undefined : chainText(was)) !== this.#chains.get(key)) return false;
    if (was !== undefined && !isOwn) this.#trees.set(key, was.chain);
    return true;
  }

  #isSameShape(key: string, before: RuleFacts, after: RuleFacts): boolean {
    const here = this.#sets.get(key);
    return [before.sets.get(key), after.sets.get(key)].every(
      (one) =>
        one === undefined ||
        (one.isMap === here?.isMap &&
          one.set.interval === here.set.interval &&
          one.set.types.join() === here.set.types.join()),
    );
  }

  #move(key: string, before: RuleFacts, after: RuleFacts, own: Own, moves: Moves): boolean {
    if (this.#rows.has(key)) return this.#moveRows(key, before, after, own, moves);
    // the base set moves both
    if (key.endsWith('_net') && this.#rows.has(key.slice(0, -4))) return true;
    const keys = this.#sets.get(key)?.keys;
    const was = before.sets.get(key)?.entries ?? new Map<string, Entry>();
    const now = after.sets.get(key)?.entries ?? new Map<string, Entry>();
    for (const [element, entry] of was) {
      if (keys?.has(element) !== true) return false;
      if (now.has(element)) continue;
      if (!this.#isOwn(key, entry, own)) return false;
      add(moves.lost, key, entry);
    }
    for (const [element, entry] of now) {
      if (was.has(element)) continue;
      if (keys?.has(element) === true || !this.#isOwn(key, entry, own)) return false;
      add(moves.gained, key, entry);
    }
    return true;
  }

  #isOwn(key: string, { element }: Entry, own: Own): boolean {
    const types = this.#sets.get(key)?.set.types ?? [];
    return element.some((value, index) => {
      if (typeof value === 'string') return own.ports.has(value);
      if (value.first !== value.last) return false;
      return types[index] === 'ether_addr'
        ? own.macs.has(value.first)
        : types[index] === 'ipv4_addr' && own.ips.has(value.first);
    });
  }

  #moveRows(base: string, before: RuleFacts, after: RuleFacts, own: Own, moves: Moves): boolean {
    const isAlone = this.#partner(base) === base;
    const nobody = { before: noGuests, after: noGuests };
    const bound = isAlone ? nobody : own.bound;
    const was = rowStates(before, base, own.ips, bound.before);
    const now = rowStates(after, base, own.ips, bound.after);
    for (const key of new Set([...was.keys(), ...now.keys()])) {
      const [from, to] = [was.get(key), now.get(key)];
      if ((from?.others ?? '') !== (to?.others ?? '')) return false;
      const row = from?.row ?? to?.row;
      if (row !== undefined && !this.#moveRow(base, row, from, to, own, moves)) return false;
    }
    return true;
  }

  #moveRow(
    base: string,
    row: Row,
    from: RowStates | undefined,
    to: RowStates | undefined,
    own: Own,
    moves: Moves,
  ): boolean {
    const rows = this.#rows.get(base) ?? new Map<string, AddressRow>();
    const ranges = rows.get(row.key) ?? new AddressRow([]);
    rows.set(row.key, ranges);
    const keys = this.#sets.get(base)?.keys;
    for (const bits of own.ips) {
      const single = entryIn(row, { first: bits, last: bits });
      const [was, now] = [from?.own.get(bits), to?.own.get(bits)];
      const isOther = ranges.has(bits);
      const isGuest = !isOther && keys?.has(entryKey(single.element, single.verdict)) === true;
      if (isOther !== (was === 'other') || isGuest !== (was === 'guest')) return false;
      if (was === now) continue;
      if (was === 'guest') add(moves.lost, base, single);
      if (was === 'other') this.#moveRanges(base, row, ranges.remove(bits), moves);
      if (now === 'guest') add(moves.gained, base, single);
      if (now === 'other') this.#moveRanges(base, row, ranges.add(bits), moves);
    }
    return true;
  }

  #moveRanges(
    base: string,
    row: Row,
    { lost, gained }: { readonly lost: readonly NumberRange[]; readonly gained: readonly NumberRange[] },
    moves: Moves,
  ): void {
    const place = ({ first, last }: NumberRange): string => (first === last ? base : this.#partner(base));
    for (const range of lost) add(moves.lost, place(range), entryIn(row, range));
    for (const range of gained) add(moves.gained, place(range), entryIn(row, range));
  }

  #partner(base: string): string {
    return this.#sets.has(`${base}_net`) ? `${base}_net` : base;
  }

  /** Several moves may meet in one range. False when a set would appear or vanish: the rules that ask it would too. */
  #settle({ lost, gained }: Moves, after: RuleFacts): boolean {
    for (const key of new Set([...lost.keys(), ...gained.keys()])) {
      const set = this.#sets.get(key);
      const [out, into] = balanced(lost.get(key) ?? [], gained.get(key) ?? []);
      if (set === undefined || into.some((entry) => hasRange(entry) && !set.set.interval)) return false;
      for (const { element, verdict } of out) if (!set.keys.delete(entryKey(element, verdict))) return false;
      for (const { element, verdict } of into) set.keys.add(entryKey(element, verdict));
      if (set.keys.size === 0 && (set.set.interval || !after.sets.has(key))) return false;
      lost.set(key, out);
      gained.set(key, into);
    }
    return true;
  }

  #tableChanges(chains: readonly ChainChange[], { lost, gained }: Moves): readonly TableChanges[] {
    const families = new Set([...this.#sets.values()].map(({ family }) => family));
    return [...families].map((family) => {
      const here = chains.filter(({ key }) => key.startsWith(`${family} `));
      const sets = (moves: Map<string, Entry[]>): readonly NamedSet[] => this.#moved(family, moves, false, asSet);
      const maps = (moves: Map<string, Entry[]>): readonly VerdictMap[] => this.#moved(family, moves, true, asMap);
      return {
        family,
        name: 'bk',
        table: 'kept',
        flushedChains: here.flatMap(({ was }) => was?.chain.name ?? []),
        flushedBases: [],
        removedMapElements: maps(lost),
        removedSetElements: sets(lost),
        removedMaps: [],
        removedSets: [],
        removedChains: here.flatMap(({ was, now }) => (now === undefined ? (was?.chain.name ?? []) : [])),
        addedSets: [],
        addedMaps: [],
        filledChains: here.flatMap(({ now }): readonly Chain[] => (now === undefined ? [] : [now.chain])),
        addedSetElements: sets(gained),
        addedMapElements: maps(gained),
      };
    });
  }

  #moved<T>(
    family: TableFamily,
    moves: Map<string, Entry[]>,
    wantsMaps: boolean,
    made: (set: NamedSet | VerdictMap, entries: readonly Entry[]) => T,
  ): readonly T[] {
    return [...moves].flatMap(([key, entries]) => {
      const known = this.#sets.get(key);
      if (known?.family !== family || known.isMap !== wantsMaps || entries.length === 0) return [];
      return [made(known.set, entries)];
    });
  }
}

type ChainChange = {
  readonly key: string;
  readonly was?: ChainFacts | undefined;
  readonly now?: ChainFacts | undefined;
};

const noGuests: ReadonlySet<bigint> = new Set();

function add(moves: Map<string, Entry[]>, key: string, entry: Entry): void {
  const known = moves.get(key);
  if (known === undefined) moves.set(key, [entry]);
  else known.push(entry);
}

/** What is lost and gained again, or gained and lost again, in whatever order. */
function balanced(lost: readonly Entry[], gained: readonly Entry[]): readonly [out: Entry[], into: Entry[]] {
  const keyOf = ({ element, verdict }: Entry): string => entryKey(element, verdict);
  const out = new Map(lost.map((entry) => [keyOf(entry), entry]));
  const into = new Map(gained.map((entry) => [keyOf(entry), entry]));
  for (const key of [...out.keys()]) if (into.delete(key)) out.delete(key);
  return [[...out.values()], [...into.values()]];
}

function hasRange({ element }: Entry): boolean {
  return element.some((value) => typeof value !== 'string' && value.first !== value.last);
}

function asSet(set: NamedSet | VerdictMap, entries: readonly Entry[]): NamedSet {
  const { name, types, interval } = set;
  return { name, types, interval, elements: entries.map(({ element }) => element) };
}

function asMap(set: NamedSet | VerdictMap, entries: readonly Entry[]): VerdictMap {
  const { name, types, interval } = set;
  const elements = entries.flatMap(({ element, verdict }) =>
    verdict === undefined ? [] : [{ key: element, verdict }],
  );
  return { name, types, interval, elements };
}
