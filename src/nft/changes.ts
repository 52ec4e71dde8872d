// What is loaded and what is wanted -> the least that makes the one into the other, in one transaction: single elements
// of sets and maps, and chains that are emptied and filled again. A base chain is never deleted while it is wanted.
import type {
  Chain,
  Expression,
  KernelRule,
  NamedSet,
  Ruleset,
  Table,
  TableFamily,
  VerdictMap,
} from '../model/ruleset.ts';
import { isSameTree } from '../model/stable-text.ts';
import { canonical } from './canonical.ts';
import { elementKey } from './values.ts';

export type TableChanges = {
  readonly family: TableFamily;
  readonly name: string;
  readonly table: 'added' | 'kept' | 'removed';
  /** Emptied before anything else; what is wanted of them stands in `filledChains` again. */
  readonly flushedChains: readonly string[];
  /** Those of them that a hook calls: every packet sees what is in them. */
  readonly flushedBases: readonly string[];
  readonly removedMapElements: readonly VerdictMap[];
  readonly removedSetElements: readonly NamedSet[];
  readonly removedMaps: readonly string[];
  readonly removedSets: readonly string[];
  readonly removedChains: readonly string[];
  readonly addedSets: readonly NamedSet[];
  readonly addedMaps: readonly VerdictMap[];
  /** With a `base` only if the chain is new: the hook of one that stays is not touched. */
  readonly filledChains: readonly Chain[];
  readonly addedSetElements: readonly NamedSet[];
  readonly addedMapElements: readonly VerdictMap[];
};

/** Both may hold tables that are not ours: `loaded` tables that are not wanted are removed, so leave others' out. */
export function rulesetChanges(loaded: Ruleset, wanted: Ruleset): readonly TableChanges[] {
  const keyed = (ruleset: Ruleset) => new Map(ruleset.tables.map((table) => [`${table.family} ${table.name}`, table]));
  const before = keyed(canonical(loaded));
  const after = keyed(canonical(wanted));
  const printable = keyed(wanted);
  const removed = [...before].filter(([key]) => !after.has(key)).map(([, table]) => removal(table));
  const others = [...after].map(([key, table]) =>
    tableChanges(before.get(key), table, printable.get(key)?.chains ?? table.chains),
  );
  return [...removed, ...others].filter(changesAnything);
}

/**
 * Whether only elements differ, and chains of single ports and rules behind them: what a guest's coming and going costs.
 * What every packet passes, and the sets that it asks, stay.
 */
export function isElementsOnly(changes: readonly TableChanges[]): boolean {
  return changes.every(
    ({ table, flushedBases, removedSets, removedMaps, addedSets, addedMaps, filledChains }) =>
      table === 'kept' &&
      [...flushedBases, ...removedSets, ...removedMaps, ...addedSets, ...addedMaps].length === 0 &&
      filledChains.every(({ base }) => base === undefined),
  );
}

/** Whether nothing is allowed any less: elements and chains are added, none of them puts more under our rules. */
export function isOnlyMore(changes: readonly TableChanges[]): boolean {
  return changes.every(
    ({ table, flushedChains, removedMapElements, removedSetElements, addedSets, addedMaps, addedSetElements }) =>
      table === 'kept' &&
      [...flushedChains, ...removedMapElements, ...removedSetElements, ...addedSets, ...addedMaps].length === 0 &&
      !addedSetElements.some(({ name }) => name.startsWith('managed')),
  );
}

function changesAnything({ family: _family, name: _name, table, ...lists }: TableChanges): boolean {
  return table !== 'kept' || Object.values(lists).some((list) => list.length > 0);
}

const nothing = {
  flushedChains: [],
  flushedBases: [],
  removedMapElements: [],
  removedSetElements: [],
  removedMaps: [],
  removedSets: [],
  removedChains: [],
  addedSets: [],
  addedMaps: [],
  filledChains: [],
  addedSetElements: [],
  addedMapElements: [],
} as const;

function removal({ family, name }: Table): TableChanges {
  return { ...nothing, family, name, table: 'removed' };
}

/** `chains` are those of `after` as they are to be printed: the canonical form leaves out what a printer needs. */
function tableChanges(before: Table | undefined, after: Table, chains: readonly Chain[]): TableChanges {
  const { family, name, sets, maps } = after;
  if (before === undefined) {
    return { ...nothing, family, name, table: 'added', addedSets: sets, addedMaps: maps, filledChains: chains };
  }
  const set = namedChanges(before.sets, sets, setElements);
  const map = namedChanges(before.maps, maps, mapElements);
  const remade = new Set([...set.removed, ...map.removed]);
  return {
    family,
    name,
    table: 'kept',
    ...chainChanges(before.chains, after.chains, chains, remade),
    removedMapElements: map.lost,
    removedSetElements: set.lost,
    removedMaps: map.removed,
    removedSets: set.removed,
    addedSets: set.added,
    addedMaps: map.added,
    addedSetElements: set.gained,
    addedMapElements: map.gained,
  };
}

type Named = NamedSet | VerdictMap;

type NamedChanges<T> = {
  /** Gone, or of another shape and made anew. */
  readonly removed: readonly string[];
  readonly added: readonly T[];
  /** Sets that stay, each with the elements that it loses, or gains. */
  readonly lost: readonly T[];
  readonly gained: readonly T[];
};

function namedChanges<T extends Named>(
  before: readonly T[],
  after: readonly T[],
  elements: (from: T, to: T | undefined) => T,
): NamedChanges<T> {
  const wanted = new Map(after.map((one) => [one.name, one]));
  const loaded = new Map(before.map((one) => [one.name, one]));
  const stays = (one: T): boolean => shape(wanted.get(one.name)) === shape(one);
  const kept = before.filter(stays).map((one) => [one, wanted.get(one.name) ?? one] as const);
  const filled = (ones: readonly T[]): readonly T[] => ones.filter((one) => one.elements.length > 0);
  return {
    removed: before.filter((one) => !stays(one)).map(({ name }) => name),
    added: after.filter((one) => shape(loaded.get(one.name)) !== shape(one)),
    lost: filled(kept.map(([from, to]) => elements(from, to))),
    gained: filled(kept.map(([from, to]) => elements(to, from))),
  };
}

function shape(one: Named | undefined): string {
  return one === undefined ? '' : `${one.types.join(' . ')}${one.interval ? ' interval' : ''}`;
}

/** The elements of one that are not in the other. */
function setElements(one: NamedSet, other: NamedSet | undefined): NamedSet {
  const known = new Set(other?.elements.map(elementKey));
  return { ...one, elements: one.elements.filter((element) => !known.has(elementKey(element))) };
}

function mapElements(one: VerdictMap, other: VerdictMap | undefined): VerdictMap {
  const key = ({ key: element, verdict }: VerdictMap['elements'][number]): string =>
    `${elementKey(element)} : ${verdict.kind} ${'chain' in verdict ? verdict.chain : ''}`;
  const known = new Set(other?.elements.map(key));
  return { ...one, elements: one.elements.filter((element) => !known.has(key(element))) };
}

/** @param remade sets and maps that vanish, with or without a new one in their place: who names them lets go first */
function chainChanges(
  before: readonly Chain[],
  after: readonly Chain[],
  printable: readonly Chain[],
  remade: ReadonlySet<string>,
): Pick<TableChanges, 'flushedChains' | 'flushedBases' | 'removedChains' | 'filledChains'> {
  const wanted = new Map(after.map((chain) => [chain.name, chain]));
  const printed = new Map(printable.map((chain) => [chain.name, chain]));
  const loaded = new Map(before.map((chain) => [chain.name, chain]));
  const isGone = (chain: Chain): boolean => {
    const kept = wanted.get(chain.name);
    return kept === undefined || !isSameTree(kept.base, chain.base);
  };
  const isSame = (chain: Chain): boolean => {
    const was = loaded.get(chain.name);
    if (was === undefined || isGone(was) || chain.rules.some((rule) => names(rule, remade))) return false;
    return isSameTree(was.rules, chain.rules);
  };
  const filled = after.filter((chain) => !isSame(chain));
  const refilled = new Set(filled.map(({ name }) => name));
  const flushed = before.filter((chain) => isGone(chain) || refilled.has(chain.name));
  return {
    flushedChains: flushed.map(({ name }) => name),
    flushedBases: flushed.filter(({ base }) => base !== undefined).map(({ name }) => name),
    removedChains: before.filter(isGone).map(({ name }) => name),
    filledChains: filled.map((chain) => {
      const { name, rules } = printed.get(chain.name) ?? chain;
      const was = loaded.get(name);
      const isNew = was === undefined || isGone(was);
      return isNew && chain.base !== undefined ? { name, base: chain.base, rules } : { name, rules };
    }),
  };
}

function names(rule: KernelRule, sets: ReadonlySet<string>): boolean {
  return sets.size > 0 && rule.body.some((expression) => sets.has(namedBy(expression) ?? ''));
}

function namedBy(expression: Expression): string | undefined {
  if (expression.kind === 'lookup') return expression.set;
  return expression.kind === 'vmap' ? expression.map : undefined;
}
