// What of ours a kernel holds, and what it takes to make it another: one step for each tool, mostly one at all.
import { iptablesChanges, ownChains, printEmptying, printIptablesChanges } from '../iptables/changes.ts';
import type { Backend, Ruleset } from '../model/ruleset.ts';
import { rulesetChanges } from '../nft/changes.ts';
import { printNft } from '../nft/print.ts';
import { printChanges } from '../nft/print-changes.ts';

export type Loaded = {
  readonly nft: Ruleset;
  readonly iptables: Ruleset;
  /** Things in our tables that others put there and no rule of ours can be. */
  readonly foreign: readonly string[];
};

/** What can be put into the kernel; `ip` is for the switches of bridges. */
export const stepTools = ['nft', 'iptables', 'ip'] as const;

/** One transaction: all of it or nothing. */
export type Step = { readonly tool: (typeof stepTools)[number]; readonly text: string };

export const noRules = {
  nft: { backend: 'nft', tables: [] },
  iptables: { backend: 'iptables', tables: [] },
} as const satisfies Readonly<Record<Backend, Ruleset>>;

const nothingLoaded: Loaded = { ...noRules, foreign: [] };

/** The two tables that are ours; all others are never looked at. */
export function isOwnTable({ family, name }: { readonly family: string; readonly name: string }): boolean {
  return name === 'bk' && (family === 'bridge' || family === 'ip');
}

export function ownTables(listed: Ruleset): Ruleset {
  return { ...listed, tables: listed.tables.filter(isOwnTable) };
}

export function loadedOf(wanted: Ruleset | undefined): Loaded {
  if (wanted === undefined) return nothingLoaded;
  return wanted.backend === 'nft'
    ? { ...nothingLoaded, nft: wanted }
    : { ...nothingLoaded, iptables: ownChains(wanted) };
}

/**
 * The steps in their order; none when it is loaded already. What is wanted comes in before what the other back end holds
 * goes away: between the two steps both are in force. @param wanted undefined for no rules at all
 */
export function stepsBetween(loaded: Loaded, wanted: Ruleset | undefined): readonly Step[] {
  const steps = stepsTo(loaded, loadedOf(wanted));
  return wanted?.backend === 'iptables' ? steps.toReversed() : steps;
}

/** The same between two states of a kernel, where both back ends may have rules. */
export function stepsTo(loaded: Loaded, target: Pick<Loaded, 'nft' | 'iptables'>): readonly Step[] {
  const nft = printChanges(rulesetChanges(loaded.nft, target.nft));
  const changes = iptablesChanges(loaded.iptables, target.iptables);
  return [
    ...(nft === '' ? [] : [{ tool: 'nft', text: nft } as const]),
    ...(changes === undefined ? [] : [{ tool: 'iptables', text: printIptablesChanges(changes) } as const]),
  ];
}

/**
 * Steps to the same end from wherever the kernel is: for when the exact ones are refused, as after somebody else's
 * change. nft's tables are made anew, at the price of a moment without them. A jump of iptables can be taken away only
 * where it surely is: those of the rules that are left stay, and lead to chains that are empty.
 * @param left what may be loaded meanwhile
 */
export function stepsFromAnywhere(wanted: Ruleset | undefined, left: Ruleset | undefined): readonly Step[] {
  const target = loadedOf(wanted);
  const emptied = ['bridge', 'ip'].map((family) => `add table ${family} bk\ndelete table ${family} bk\n`).join('');
  const iptables = printEmptying(loadedOf(left).iptables, target.iptables);
  return [
    ...(iptables === undefined ? [] : [{ tool: 'iptables', text: iptables } as const]),
    { tool: 'nft', text: `${emptied}${printNft(target.nft)}` },
  ];
}

/** Shows what these bridges forward to the ip tables, or hides it; none when there are no bridges. */
export function callSteps(bridges: readonly string[], how: 'shown' | 'hidden'): readonly Step[] {
  if (bridges.length === 0) return [];
  const lines = bridges.map(
    (bridge) => `link set dev ${bridge} type bridge nf_call_iptables ${how === 'shown' ? 1 : 0}\n`,
  );
  return [{ tool: 'ip', text: lines.join('') }];
}

/** Loaded at boot into a kernel without rules of ours. */
export function bootStep(wanted: Ruleset): Step {
  if (wanted.backend === 'nft') return { tool: 'nft', text: printNft(wanted) };
  const changes = iptablesChanges(noRules.iptables, ownChains(wanted));
  return { tool: 'iptables', text: changes === undefined ? '' : printIptablesChanges(changes) };
}
