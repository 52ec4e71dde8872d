// A policy and the facts of a host -> the rules that shall be loaded there.
import { compile } from '../compile/compile.ts';
import type { Numbering } from '../compile/numbers.ts';
import { settlePolicy } from '../compile/settle.ts';
import { lowerIptables } from '../iptables/lower.ts';
import type { Checked } from '../model/diagnostic.ts';
import type { Host } from '../model/host.ts';
import type { Policy } from '../model/policy.ts';
import type { RuleList } from '../model/rule-list.ts';
import type { Backend, Ruleset } from '../model/ruleset.ts';
import { lowerNft } from '../nft/lower.ts';
import { parsePolicy } from '../policy/parse-policy.ts';

export type Manner = { readonly backend: Backend; readonly arp: 'bound' | 'unchecked' };

/** What somebody wants on a host. The texts are kept, so that the same can be wanted again later. */
export type Intent = Manner & {
  /** Settled for the host. */
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

/** A policy as it was kept, and what was wanted with it. */
export type WrittenPolicy = Manner & { readonly policyFile: string; readonly policyText: string };

/**
 * What a written policy wants of a host, as that of today.
 * @param completed what is known of the host besides, once the policy is
 */
export function targetOfText(
  written: WrittenPolicy,
  bare: Host,
  numbering: Numbering,
  completed = (_policy: Policy, host: Host): Host => host,
): Checked<Target> {
  const { backend, arp, policyFile, policyText } = written;
  const parsed = parsePolicy(policyText, policyFile);
  if (parsed.value === undefined) return { diagnostics: parsed.diagnostics };
  const host = completed(parsed.value, bare);
  const settled = settlePolicy(parsed.value, host);
  const intent = { backend, arp, policy: settled.value ?? parsed.value, policyText, host };
  const target = targetOf(intent, numbering);
  return { ...target, diagnostics: [...parsed.diagnostics, ...settled.diagnostics, ...target.diagnostics] };
}

function lowered(list: RuleList, { backend, arp }: Manner): Ruleset {
  return backend === 'nft' ? lowerNft(list, { arp }) : lowerIptables(list);
}
