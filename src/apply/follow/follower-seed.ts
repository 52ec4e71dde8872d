// What a follower goes on from: rules that are loaded, and the policy that they were made of. Plain data, as it comes from
// another process.
import type { Diagnostic } from '../../model/diagnostic.ts';
import { listIps, ofFamily } from '../../model/ip-set.ts';
import type { Policy } from '../../model/policy.ts';
import type { Ground, RuleList } from '../../model/rule-list.ts';
import type { Manner, Target } from '../target.ts';
import { type RulesSeed, rulesSeed } from './rules-seed.ts';

export type FollowerSeed = {
  readonly arp: Manner['arp'];
  /** As it is written, not settled. */
  readonly policy: Policy;
  readonly rules: RulesSeed;
  readonly numbers: ReadonlyMap<string, number>;
  /** Those that are managed. */
  readonly bridges: string;
  readonly diagnostics: readonly Diagnostic[];
};

/**
 * @param target what is loaded; with the back end nft
 * @param policy as it is written, not settled
 */
export function followerSeed(
  { arp, list, ruleset, numbering }: Target,
  policy: Policy,
  diagnostics: readonly Diagnostic[],
): FollowerSeed {
  return {
    arp,
    policy,
    rules: rulesSeed(ruleset, addressesOf(list.ground)),
    numbers: new Map(Object.entries(numbering)),
    bridges: bridgesOf(list),
    diagnostics,
  };
}

export function bridgesOf({ ground }: RuleList): string {
  return ground.bridges.map(({ name }) => name).join(' ');
}

function addressesOf({ bridges }: Ground): ReadonlySet<bigint> {
  const sets = bridges.flatMap(({ ports }) => ports.map(({ own }) => own?.ips ?? []));
  return new Set(sets.flatMap((ips) => listIps(ofFamily(ips, 4)).map(({ bits }) => bits)));
}
