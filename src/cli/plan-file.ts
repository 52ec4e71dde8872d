// A saved plan: the policy that it was made of, and what the host looked like. `apply` takes it as long as that holds.
import { z } from 'zod';
import type { PlanDigests } from '../apply/plan.ts';
import type { Manner, Target } from '../apply/target.ts';
import { HostError } from '../model/host-error.ts';

export type PlanFile = Manner & {
  readonly policyFile: string;
  readonly policyText: string;
  readonly digests: PlanDigests;
};

const digestText = z.string().regex(/^[0-9a-f]{64}$/);

const planFile = z.object({
  version: z.literal(1),
  kind: z.literal('saved-plan'),
  backend: z.enum(['nft', 'iptables']),
  arp: z.enum(['bound', 'unchecked']),
  policyFile: z.string(),
  policyText: z.string(),
  digests: z.object({ policy: digestText, host: digestText, loaded: digestText, wanted: digestText }),
});

export function planFileOf({ backend, arp, policy, policyText }: Target, digests: PlanDigests): string {
  const plan = { version: 1, kind: 'saved-plan', backend, arp, policyFile: policy.file, policyText, digests };
  return `${JSON.stringify(plan, undefined, 2)}\n`;
}

/** @throws HostError 'unreadable' */
export function parsePlanFile(text: string, file: string): PlanFile {
  try {
    const { version: _version, kind: _kind, ...plan } = planFile.parse(JSON.parse(text));
    return plan;
  } catch (cause) {
    throw new HostError('unreadable', `${file} is no plan that 'plan --out' wrote`, cause);
  }
}
