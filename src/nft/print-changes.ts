// Changes of tables -> one transaction for `nft -f FILE`. What goes away goes first, so that what comes finds room; until
// the end of the transaction the kernel runs the old rules, and then the new ones.
import type { NamedSet, Ruleset, VerdictMap } from '../model/ruleset.ts';
import { isElementsOnly, rulesetChanges, type TableChanges } from './changes.ts';
import { printName } from './names.ts';
import { elementLines, printChain, printElement, printMap, printSet } from './print.ts';
import { printVerdict } from './print-expression.ts';

/** An empty text when nothing changes. @throws AssertionError as printNft does */
export function printChanges(changes: readonly TableChanges[]): string {
  return changes.map(printTableChanges).join('');
}

/**
 * The transaction for what a guest's coming, going or new address changes; undefined when it takes more than elements
 * and chains behind them, as after a change of the policy.
 */
export function elementChanges(loaded: Ruleset, wanted: Ruleset): string | undefined {
  const changes = rulesetChanges(loaded, wanted);
  return isElementsOnly(changes) ? printChanges(changes) : undefined;
}

export function printTableChanges(changes: TableChanges): string {
  const { family, name } = changes;
  const table = `${family} ${printName(name)}`;
  if (changes.table === 'removed') return `delete table ${table}\n`;
  const lines = [
    ...printBlock(table, changes),
    ...changes.addedSetElements.map((set) => `add ${elementsOf(table, set, setElements(set))}`),
    ...changes.addedMapElements.map((map) => `add ${elementsOf(table, map, mapElements(map, true))}`),
  ];
  return `${printRemovals(changes)}${lines.map((line) => `${line}\n`).join('')}`;
}

/** What of a table that stays goes away, or is filled anew. */
export function printRemovals(changes: TableChanges): string {
  const table = `${changes.family} ${printName(changes.name)}`;
  const lines = [
    ...changes.flushedChains.map((chain) => `flush chain ${table} ${printName(chain)}`),
    ...changes.removedMapElements.map((map) => `delete ${elementsOf(table, map, mapElements(map, false))}`),
    ...changes.removedSetElements.map((set) => `delete ${elementsOf(table, set, setElements(set))}`),
    ...changes.removedMaps.map((map) => `delete map ${table} ${printName(map)}`),
    ...changes.removedSets.map((set) => `delete set ${table} ${printName(set)}`),
    ...changes.removedChains.map((chain) => `delete chain ${table} ${printName(chain)}`),
  ];
  return lines.map((line) => `${line}\n`).join('');
}

/** Chains are made before the elements that lead to them, and filled after the sets that they ask. */
function printBlock(table: string, { family, addedSets, addedMaps, filledChains, ...changes }: TableChanges) {
  const blocks = [
    ...addedSets.map(printSet),
    ...addedMaps.map(printMap),
    ...filledChains.map((chain) => printChain(chain, family)),
  ];
  if (blocks.length === 0 && changes.table === 'kept') return [];
  return [`table ${table} {\n${blocks.join('\n')}}`];
}

function elementsOf(table: string, { name }: NamedSet | VerdictMap, elements: readonly string[]): string {
  return `element ${table} ${printName(name)} { ${elements.join(',\n\t')} }`;
}

function setElements({ types, interval, elements }: NamedSet): readonly string[] {
  return elementLines(elements.map((element) => printElement(element, types, interval)));
}

/** nft wants the verdict of an element that is added; with one that is deleted older versions are confused by it. */
function mapElements({ types, interval, elements }: VerdictMap, withVerdict: boolean): readonly string[] {
  return elementLines(
    elements.map(({ key, verdict }) => {
      const printed = printElement(key, types, interval);
      return withVerdict ? `${printed} : ${printVerdict(verdict)}` : printed;
    }),
  );
}
