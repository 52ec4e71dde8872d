// What changes of our tables -> the changes of one transaction, in nft's order: what goes away first. Only what a guest that comes or goes
// takes; sets and hooks are made by nft.
import type { NamedSet, VerdictMap } from '../model/ruleset.ts';
import { isElementsOnly, type TableChanges } from '../nft/changes.ts';
import type { Place, SetElements, TableChange } from './transaction.ts';
import { encodeElement } from './values.ts';

/** Undefined when that takes nft. */
export function directChanges(changes: readonly TableChanges[]): readonly TableChange[] | undefined {
  if (!isElementsOnly(changes)) return undefined;
  const direct = changes.map(ofTable);
  return direct.every((one) => one !== undefined) ? direct.flat() : undefined;
}

function ofTable(changes: TableChanges): readonly TableChange[] | undefined {
  const place = { family: changes.family, table: changes.name };
  const { flushedChains, removedChains, filledChains } = changes;
  const elements = [
    ...changes.removedMapElements.map((map) => elementsOf('delete', place, map)),
    ...changes.removedSetElements.map((set) => elementsOf('delete', place, set)),
    ...changes.addedSetElements.map((set) => elementsOf('add', place, set)),
    ...changes.addedMapElements.map((map) => elementsOf('add', place, map)),
  ];
  if (!elements.every((one) => one !== undefined)) return undefined;
  return [
    ...flushedChains.map((chain): TableChange => ({ ...place, what: 'flush chain', chain })),
    ...elements.filter(({ what }) => what === 'delete'),
    ...removedChains.map((chain): TableChange => ({ ...place, what: 'delete chain', chain })),
    ...filledChains.map(({ name: chain }): TableChange => ({ ...place, what: 'add chain', chain })),
    ...filledChains.flatMap(({ name: chain, rules }) =>
      rules.map((rule): TableChange => ({ ...place, what: 'add rule', chain, rule })),
    ),
    ...elements.filter(({ what }) => what === 'add'),
  ];
}

/** An interval has two ends in the kernel, and gaps between intervals are made by nft. */
function elementsOf(what: 'add' | 'delete', place: Place, set: NamedSet | VerdictMap): SetElements | undefined {
  if (set.interval) return undefined;
  const pairs = set.elements.map((element) => ('verdict' in element ? element : { key: element, verdict: undefined }));
  const keys = pairs.map(({ key }) => encodeElement(set.types, key));
  if (!keys.every((key) => key !== undefined)) return undefined;
  const verdicts = pairs.flatMap(({ verdict }) => verdict ?? []);
  const own = { ...place, what, set: set.name, keys };
  return what === 'add' && verdicts.length > 0 ? { ...own, verdicts } : own;
}
