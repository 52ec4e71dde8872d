// Whose guest agents a policy wants to be asked.
import type { Mac } from '../model/mac.ts';
import type { Policy } from '../model/policy.ts';

/** Domains by their names, or by what one of their cards has. */
export type AskedAgents = {
  readonly names: ReadonlySet<string>;
  readonly macs: ReadonlySet<Mac>;
  readonly ports: ReadonlySet<string>;
};

/** Those that the policy believes: nobody else's agent is asked anything. */
export function askedAgents(policy: Policy | undefined): AskedAgents {
  const guests = (policy?.guests ?? []).filter(({ addressesFrom }) => addressesFrom.includes('agent'));
  return {
    names: new Set(guests.map(({ name }) => name)),
    macs: new Set(guests.flatMap(({ mac }) => mac ?? [])),
    ports: new Set(guests.flatMap(({ port }) => port ?? [])),
  };
}
