// Changes of elements and of chains that only they lead to -> one transaction whose cost does not grow with what is loaded.
// nft asks the kernel for what a command could need: for `add element` and `table { ... }` for every chain of every table, for
// `add set` and `add chain` for the names of tables only. A set that is declared once more gets the elements that come with it.
import type { Chain, Expression, NamedSet, Ruleset, Table, VerdictMap } from '../model/ruleset.ts';
import type { TableChanges } from './changes.ts';
import { printName } from './names.ts';
import { printChain, printMap, printSet } from './print.ts';
import { printRemovals, printTableChanges } from './print-changes.ts';

/** @param wanted declares every set and map that the changes name */
export function printMoves(changes: readonly TableChanges[], wanted: Ruleset): string {
  return changes
    .map((one) => {
      const table = wanted.tables.find(({ family, name }) => family === one.family && name === one.name);
      // nft closes the gaps of an interval set that it thinks is new: there elements have to be added as such
      const isPlain = [...one.addedSetElements, ...one.addedMapElements].every(({ interval }) => !interval);
      return table !== undefined && isPlain ? printMove(one, table) : printTableChanges(one);
    })
    .join('');
}

function printMove(changes: TableChanges, table: Table): string {
  const { filledChains, addedSetElements, addedMapElements } = changes;
  const asked = new Set(filledChains.flatMap(({ rules }) => rules.flatMap(({ body }) => body.flatMap(namedBy))));
  const sets = table.sets.filter(({ name }) => asked.has(name)).map(withoutElements);
  const maps = table.maps.filter(({ name }) => asked.has(name)).map(withoutElements);
  const blocks = [
    ...sets.map(printSet),
    ...maps.map(printMap),
    ...filledChains.map((chain: Chain) => printChain(chain, table.family)),
    ...addedSetElements.map(printSet),
    ...addedMapElements.map(printMap),
  ];
  return `${printRemovals(changes)}${blocks.map((block) => inTable(block, table)).join('')}`;
}

/** `\tset NAME {` -> `add set FAMILY TABLE NAME {`. */
function inTable(block: string, { family, name }: Table): string {
  return block.replace(/^\t(set|map|chain) /, `add $1 ${family} ${printName(name)} `);
}

function withoutElements<T extends NamedSet | VerdictMap>(set: T): T {
  return { ...set, elements: [] };
}

function namedBy(expression: Expression): readonly string[] {
  if (expression.kind === 'lookup') return [expression.set];
  return expression.kind === 'vmap' ? [expression.map] : [];
}
