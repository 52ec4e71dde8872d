// The slow obvious version of what a transaction does to a ruleset.
import assert from 'node:assert/strict';
import type { NamedSet, Ruleset, Table, VerdictMap } from '../../src/model/ruleset.ts';
import { canonical } from '../../src/nft/canonical.ts';
import type { TableChanges } from '../../src/nft/changes.ts';
import { elementKey } from '../../src/nft/values.ts';

/** @throws AssertionError where the kernel would refuse it */
export function appliedChanges(loaded: Ruleset, changes: readonly TableChanges[]): Ruleset {
  const tables = canonical(loaded).tables.map((table) => {
    const here = changes.filter(({ family, name }) => family === table.family && name === table.name);
    return here.reduce(changedTable, table);
  });
  return canonical({ ...loaded, tables });
}

function changedTable(table: Table, changes: TableChanges): Table {
  assert.deepEqual([...changes.addedSets, ...changes.addedMaps, ...changes.removedSets, ...changes.removedMaps], []);
  const flushed = new Set(changes.flushedChains);
  for (const name of [...flushed, ...changes.removedChains]) {
    assert.ok(
      table.chains.some((chain) => chain.name === name),
      `no chain ${name}`,
    );
  }
  const filled = new Map(changes.filledChains.map((chain) => [chain.name, chain]));
  const kept = table.chains
    .filter(({ name }) => !changes.removedChains.includes(name))
    .map((chain) => {
      const rules = filled.get(chain.name)?.rules ?? [];
      return flushed.has(chain.name) || rules.length > 0
        ? { ...chain, rules: [...(flushed.has(chain.name) ? [] : chain.rules), ...rules] }
        : chain;
    });
  const names = new Set(kept.map(({ name }) => name));
  return {
    ...table,
    chains: [...kept, ...changes.filledChains.filter(({ name }) => !names.has(name))],
    sets: table.sets.map((set) =>
      changedSet(
        set,
        changes.removedSetElements.find(({ name }) => name === set.name),
        changes.addedSetElements.find(({ name }) => name === set.name),
      ),
    ),
    maps: table.maps.map((map) =>
      changedMap(
        map,
        changes.removedMapElements.find(({ name }) => name === map.name),
        changes.addedMapElements.find(({ name }) => name === map.name),
      ),
    ),
  };
}

function changedSet(set: NamedSet, lost: NamedSet | undefined, gained: NamedSet | undefined): NamedSet {
  const elements = new Map(set.elements.map((element) => [elementKey(element), element]));
  for (const element of lost?.elements ?? []) assert.ok(elements.delete(elementKey(element)), `${set.name} lacks it`);
  for (const element of gained?.elements ?? []) {
    assert.ok(!elements.has(elementKey(element)), `${set.name} has it already`);
    elements.set(elementKey(element), element);
  }
  return { ...set, elements: [...elements.values()] };
}

function changedMap(map: VerdictMap, lost: VerdictMap | undefined, gained: VerdictMap | undefined): VerdictMap {
  const elements = new Map(map.elements.map((element) => [elementKey(element.key), element]));
  for (const { key } of lost?.elements ?? []) assert.ok(elements.delete(elementKey(key)), `${map.name} lacks it`);
  for (const element of gained?.elements ?? []) {
    assert.ok(!elements.has(elementKey(element.key)), `${map.name} has it already`);
    elements.set(elementKey(element.key), element);
  }
  return { ...map, elements: [...elements.values()] };
}
