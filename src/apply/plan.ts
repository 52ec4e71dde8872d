// What would be changed, before anything is: in the policy's words, in the kernel's, and as the text for the tool.
import type { IptablesChanges } from '../iptables/changes.ts';
import { iptablesChanges } from '../iptables/changes.ts';
import type { RuleList } from '../model/rule-list.ts';
import { rulesetChanges, type TableChanges } from '../nft/changes.ts';
import { callSteps, type Loaded, loadedOf, type Step, stepsBetween } from './loaded.ts';
import { type ListChanges, listChanges } from './rule-changes.ts';
import type { Target } from './target.ts';

/** What the plan was made for: it holds as long as all of them are the same. */
export type PlanDigests = {
  readonly policy: string;
  readonly host: string;
  /** Of the rules that were loaded then, and of those that shall be. */
  readonly loaded: string;
  readonly wanted: string;
};

export type Plan = {
  readonly changes: ListChanges;
  /** One line for each thing in the kernel that is made, changed or removed. */
  readonly kernel: readonly string[];
  readonly steps: readonly Step[];
};

/**
 * @param before the list that the loaded rules were made from, if it is known
 * @param deaf bridges whose packets the ip tables do not see
 */
export function planOf(
  loaded: Loaded,
  before: RuleList | undefined,
  target: Target,
  deaf: readonly string[] = [],
): Plan {
  const wanted = loadedOf(target.ruleset);
  const iptables = iptablesChanges(loaded.iptables, wanted.iptables);
  return {
    changes: listChanges(before, target.list),
    kernel: [
      ...rulesetChanges(loaded.nft, wanted.nft).flatMap(tableWords),
      ...(iptables === undefined ? [] : iptablesWords(iptables)),
      ...toShow(target, deaf).map((bridge) => `bridge ${bridge}: the ip tables get to see its packets`),
    ],
    steps: [...stepsBetween(loaded, target.ruleset), ...callSteps(toShow(target, deaf), 'shown')],
  };
}

/** Managed bridges whose connections nobody would check. */
export function toShow({ list }: Target, deaf: readonly string[]): readonly string[] {
  return list.ground.bridges.map(({ name }) => name).filter((name) => deaf.includes(name));
}

function tableWords(changes: TableChanges): readonly string[] {
  const table = `table ${changes.family} ${changes.name}`;
  const { addedSets, addedMaps, filledChains, flushedChains, removedChains, removedSets, removedMaps } = changes;
  const rules = filledChains.reduce((sum, chain) => sum + chain.rules.length, 0);
  if (changes.table === 'removed') return [`${table}: removed`];
  if (changes.table === 'added') {
    const sets = addedSets.length + addedMaps.length;
    return [
      `${table}: new, with ${counted(filledChains.length, 'chain')}, ${counted(rules, 'rule')}, ${counted(sets, 'set')}`,
    ];
  }
  const gone = new Set(removedChains);
  const again = flushedChains.filter((name) => !gone.has(name));
  const made = filledChains.map(({ name }) => name).filter((name) => !again.includes(name));
  return [
    ...named('new chains', made),
    ...named('chains filled anew', again),
    ...named('chains removed', removedChains),
    ...named(
      'new sets',
      [...addedSets, ...addedMaps].map(({ name }) => name),
    ),
    ...named('sets removed', [...removedSets, ...removedMaps]),
    ...elementWords(changes),
  ].map((words) => `${table}: ${words}`);
}

function elementWords(changes: TableChanges): readonly string[] {
  const count = (ones: readonly { readonly name: string; readonly elements: readonly unknown[] }[]) =>
    new Map(ones.map(({ name, elements }) => [name, elements.length]));
  const gained = count([...changes.addedSetElements, ...changes.addedMapElements]);
  const lost = count([...changes.removedSetElements, ...changes.removedMapElements]);
  return [...new Set([...gained.keys(), ...lost.keys()])].map(
    (name) => `elements of ${name}: ${gained.get(name) ?? 0} added, ${lost.get(name) ?? 0} removed`,
  );
}

function iptablesWords({ declared, filled, removed, lostJumps, newJumps }: IptablesChanges): readonly string[] {
  const jumps = (ones: IptablesChanges['newJumps']) => ones.map(({ chain }) => chain);
  const empty = declared.filter((name) => !removed.includes(name) && !filled.some((chain) => chain.name === name));
  return [
    ...named(
      'chains filled',
      filled.map(({ name }) => name),
    ),
    ...named('chains without rules', empty),
    ...named('chains removed', removed),
    ...named('jumps added to', jumps(newJumps)),
    ...named('jumps removed from', jumps(lostJumps)),
  ].map((words) => `iptables table filter: ${words}`);
}

const mostNames = 8;

function named(what: string, names: readonly string[]): readonly string[] {
  if (names.length === 0) return [];
  const shown = names.slice(0, mostNames).join(', ');
  return [`${what}: ${shown}${names.length > mostNames ? ` and ${names.length - mostNames} more` : ''}`];
}

function counted(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? '' : 's'}`;
}
