// What is loaded and what is wanted -> the least that makes the one into the other, for `iptables-restore --noflush`: one
// table, so one commit. Only chains of our own are written, and the jumps to them; other rules and policies stay.
import type { Chain, KernelRule, Ruleset } from '../model/ruleset.ts';
import { isSameTree } from '../model/stable-text.ts';
import { canonical } from './canonical.ts';
import { chainValue, ruleWords } from './print-rule.ts';
import { printSaved, value } from './words.ts';

export type IptablesChanges = {
  /** Emptied, or made. */
  readonly declared: readonly string[];
  readonly filled: readonly Chain[];
  readonly removed: readonly string[];
  readonly lostJumps: readonly Jump[];
  readonly newJumps: readonly Jump[];
};

export type Jump = { readonly chain: string; readonly rule: KernelRule };

const ownPrefix = 'bk-';

/** Of a whole listing what is ours: chains of our own, and the base chains' rules that lead to them. Policies are others'. */
export function ownChains(listed: Ruleset): Ruleset {
  const tables = listed.tables
    .filter(({ name }) => name === 'filter')
    .map((table) => ({
      ...table,
      chains: table.chains.flatMap((chain) => {
        if (chain.name.startsWith(ownPrefix)) return [chain];
        const rules = chain.rules.filter(leadsToUs);
        if (rules.length === 0 || chain.base === undefined) return [];
        return [{ ...chain, base: { ...chain.base, policy: 'accept' as const }, rules }];
      }),
    }));
  return { backend: 'iptables', tables: tables.filter(({ chains }) => chains.length > 0) };
}

function leadsToUs({ body }: KernelRule): boolean {
  return body.some(
    (one) =>
      one.kind === 'verdict' &&
      (one.verdict.kind === 'jump' || one.verdict.kind === 'goto') &&
      one.verdict.chain.startsWith(ownPrefix),
  );
}

/** Both as `ownChains` gives them. Undefined when nothing changes. */
export function iptablesChanges(loaded: Ruleset, wanted: Ruleset): IptablesChanges | undefined {
  const before = chainsOf(canonical(loaded));
  const after = chainsOf(canonical(wanted));
  const printable = chainsOf(wanted);
  // a chain without rules is none in the canonical form, but it is there
  const names = (chains: ReadonlyMap<string, Chain>) => [...chains.keys()].filter(isOwn);
  const filled = names(printable).filter(
    (name) => !isSameTree(before.get(name)?.rules ?? [], after.get(name)?.rules ?? []),
  );
  const known = new Set(names(chainsOf(loaded)));
  const missing = names(printable).filter((name) => !known.has(name));
  const removed = [...known].filter((name) => !printable.has(name));
  const changes = {
    declared: [...new Set([...filled, ...missing, ...removed])],
    filled: filled.flatMap((name) => printable.get(name) ?? []),
    removed,
    ...jumpChanges(chainsOf(loaded), printable),
  };
  return Object.values(changes).some((list) => list.length > 0) ? changes : undefined;
}

function isOwn(name: string): boolean {
  return name.startsWith(ownPrefix);
}

function chainsOf({ tables }: Ruleset): ReadonlyMap<string, Chain> {
  return new Map(tables.flatMap(({ chains }) => chains.map((chain) => [chain.name, chain])));
}

function jumpChanges(
  loaded: ReadonlyMap<string, Chain>,
  wanted: ReadonlyMap<string, Chain>,
): Pick<IptablesChanges, 'lostJumps' | 'newJumps'> {
  const jumps = (chains: ReadonlyMap<string, Chain>) =>
    [...chains.values()]
      .filter(({ name }) => !isOwn(name))
      .flatMap(({ name: chain, rules }) => rules.map((rule) => ({ chain, rule, words: printSaved(ruleWords(rule)) })));
  const before = jumps(loaded);
  const after = jumps(wanted);
  const has = (some: typeof before, one: (typeof before)[number]): boolean =>
    some.some(({ chain, words }) => chain === one.chain && words === one.words);
  // one that stands there twice is taken away once for each
  const twice = before.filter((one, index) => has(before.slice(0, index), one));
  return {
    lostJumps: [...before.filter((one) => !has(after, one)), ...twice.filter((one) => has(after, one))],
    newJumps: after.filter((one) => !has(before, one)),
  };
}

/**
 * For a kernel that may hold either of the two, or what somebody made of them: every chain of both is emptied, and those
 * of `wanted` are filled. Undefined when neither has any.
 */
export function printEmptying(left: Ruleset, wanted: Ruleset): string | undefined {
  const none = iptablesChanges({ backend: 'iptables', tables: [] }, wanted);
  const own = [...chainsOf(left).keys()].filter(isOwn);
  if (none === undefined && own.length === 0) return undefined;
  const { declared = [], filled = [], newJumps = [] } = none ?? {};
  const all = [...new Set([...declared, ...own])];
  return printIptablesChanges({ declared: all, filled, removed: [], lostJumps: [], newJumps });
}

/** Jumps come first in their chains: what others accept there must not pass by us. */
export function printIptablesChanges({ declared, filled, removed, lostJumps, newJumps }: IptablesChanges): string {
  const jump = (verb: '-D' | '-I', { chain, rule }: Jump): string =>
    printSaved([verb, value(chain), ...ruleWords(rule)]);
  return [
    '*filter',
    ...declared.map((name) => `:${printSaved([chainValue(name)])} - [0:0]`),
    ...lostJumps.map((one) => jump('-D', one)),
    ...filled.flatMap((chain) =>
      chain.rules.map((rule) => printSaved(['-A', chainValue(chain.name), ...ruleWords(rule)])),
    ),
    ...removed.map((name) => printSaved(['-X', chainValue(name)])),
    ...newJumps.toReversed().map((one) => jump('-I', one)),
    'COMMIT',
    '',
  ].join('\n');
}
