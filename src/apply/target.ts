// A policy and the facts of a host -> the rules that shall be loaded there.
import { compile } from '../compile/compile.ts';
import type { Numbering } from '../compile/numbers.ts';
import { lowerIptables } from '../iptables/lower.ts';
import type { Checked } from '../model/diagnostic.ts';
import type { Host } from '../model/host.ts';
import type { Policy } from '../model/policy.ts';
import type { RuleList } from '../model/rule-list.ts';
import type { Backend, Ruleset } from '../model/ruleset.ts';
import { lowerNft } from '../nft/lower.ts';

export type Manner = { readonly backend: Backend; readonly arp: 'bound' | 'unchecked' };

/** What somebody wants on a host. The texts are kept, so that the same can be wanted again later. */
export type Intent = Manner & {
  readonly policy: Policy;
  readonly policyText: string;
  readonly host: Host;
};

export type Target = Intent & {
  readonly list: RuleList;
  readonly numbering: Numbering;
  readonly ruleset: Ruleset;
};

/** A guest with faults has its port closed and is named; there is no value when the policy as a whole has faults. */
export function targetOf(intent: Intent, numbering: Numbering): Checked<Target> {
  const { value, diagnostics } = compile(intent.policy, intent.host, numbering);
  if (value === undefined) return { diagnostics };
  return { value: { ...intent, ...value, ruleset: lowered(value.list, intent) }, diagnostics };
}

function lowered(list: RuleList, { backend, arp }: Manner): Ruleset {
  return backend === 'nft' ? lowerNft(list, { arp }) : lowerIptables(list);
}
