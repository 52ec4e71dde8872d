// What should be loaded and what is -> what somebody else changed, one line for each thing.

import { iptablesChanges } from '../iptables/changes.ts';
import type { Host } from '../model/host.ts';
import type { Ground } from '../model/rule-list.ts';
import type { Ruleset } from '../model/ruleset.ts';
import { rulesetChanges, type TableChanges } from '../nft/changes.ts';
import { type Loaded, loadedOf } from './loaded.ts';

export type Drift = {
  readonly kind: 'table' | 'chain' | 'set' | 'foreign' | 'sysctl' | 'port' | 'obstacle';
  readonly words: string;
  /** The bridge port that it is about. */
  readonly port?: string;
};

export function rulesDrift(loaded: Loaded, expected: Ruleset | undefined): readonly Drift[] {
  const target = loadedOf(expected);
  return [
    ...rulesetChanges(loaded.nft, target.nft).flatMap(tableDrift),
    ...iptablesDrift(loaded, target),
    ...loaded.foreign.map((what): Drift => ({ kind: 'foreign', words: `${what} was added by somebody else` })),
  ];
}

function tableDrift(changes: TableChanges): readonly Drift[] {
  const table = `table ${changes.family} ${changes.name}`;
  if (changes.table === 'added') return [{ kind: 'table', words: `${table} is gone` }];
  if (changes.table === 'removed') return [{ kind: 'table', words: `${table} should not be there` }];
  const foreign = new Set(changes.removedChains);
  const chains = changes.filledChains.map(({ name }) => name);
  const sets = [
    ...changes.addedSets,
    ...changes.addedMaps,
    ...changes.addedSetElements,
    ...changes.addedMapElements,
    ...changes.removedSetElements,
    ...changes.removedMapElements,
  ].map(({ name }) => name);
  return [
    ...chains.map((name): Drift => ({ kind: 'chain', words: `chain ${name} of ${table} is not as it was loaded` })),
    ...[...foreign].map(
      (name): Drift => ({ kind: 'chain', words: `chain ${name} of ${table} was added by somebody else` }),
    ),
    ...[...new Set(sets)].map((name): Drift => ({ kind: 'set', words: `${name} of ${table} has other elements` })),
    ...[...changes.removedSets, ...changes.removedMaps].map(
      (name): Drift => ({ kind: 'set', words: `${name} of ${table} is not as it was made` }),
    ),
  ];
}

function iptablesDrift(loaded: Loaded, target: Loaded): readonly Drift[] {
  const changes = iptablesChanges(loaded.iptables, target.iptables);
  if (changes === undefined) return [];
  const { declared, removed, newJumps, lostJumps } = changes;
  const own = declared.filter((name) => !removed.includes(name));
  return [
    ...own.map((name): Drift => ({ kind: 'chain', words: `iptables chain ${name} is not as it was loaded` })),
    ...removed.map((name): Drift => ({ kind: 'chain', words: `iptables chain ${name} should not be there` })),
    ...newJumps.map(
      ({ chain }): Drift => ({ kind: 'chain', words: `iptables chain ${chain} does not lead to our rules` }),
    ),
    ...lostJumps.map(
      ({ chain }): Drift => ({ kind: 'chain', words: `iptables chain ${chain} leads to our rules once too often` }),
    ),
  ];
}

/** @param calls bridges whose packets the ip tables do not see, and whether they could */
export function hostDrift(
  host: Pick<Host, 'bridges'>,
  ground: Ground,
  calls: { readonly module: boolean; readonly deaf: readonly string[] },
): readonly Drift[] {
  const known = new Set(ground.bridges.flatMap(({ ports }) => ports.map(({ name }) => name)));
  const managed = new Set(ground.bridges.map(({ name }) => name));
  const present = new Set(
    host.bridges.filter(({ name }) => managed.has(name)).flatMap(({ ports }) => ports.map(({ name }) => name)),
  );
  const why = calls.module ? 'bridge-nf-call-iptables is off' : 'the module br_netfilter is not loaded';
  return [
    ...calls.deaf
      .filter((name) => managed.has(name))
      .map((name): Drift => ({ kind: 'sysctl', words: `connections on bridge ${name} are not checked: ${why}` })),
    ...[...present]
      .filter((name) => !known.has(name))
      .map((name): Drift => ({ kind: 'port', port: name, words: cameLater(name) })),
    ...[...known]
      .filter((name) => !present.has(name))
      .map((name): Drift => ({ kind: 'port', port: name, words: `port ${name} is gone, and the rules still name it` })),
  ];
}

export function cameLater(port: string): string {
  return `port ${port} came after the rules were loaded: it is closed`;
}
