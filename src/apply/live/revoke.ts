// After a change: connections that the rules no longer allow are ended, exactly those. The rules alone would not do it:
// what is known to connection tracking passes.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Access } from '../../machine/access.ts';
import { writeDurably } from '../../machine/write-durably.ts';
import { FlowJudge } from '../flow-judge.ts';
import type { Loaded } from '../loaded.ts';
import { revokedFlows } from '../revocation.ts';
import type { Target } from '../target.ts';
import { flowKey, type TrackedFlow } from '../tracked-flow.ts';
import { deleteFlows, trackedFlows } from './connections.ts';
import { writing } from './state.ts';

export type Revocation = {
  /** Those that are not allowed; after a change they are ended. */
  readonly flows: readonly TrackedFlow[];
  /** Why it could not be done, or not all of it. */
  readonly trouble?: string;
};

type Where = { readonly access: Access; readonly state: string };

type Rules = Pick<Target, 'ruleset' | 'list' | 'host'>;

/**
 * Which connections may be older than our rules: all of them when those were not there yet, else those that were then.
 * Tracking may hold the answering end of such a one for the one that began it.
 */
export type Older = 'all' | 'remembered';

export function olderThan({ nft, iptables }: Loaded): Older {
  return nft.tables.length === 0 && iptables.tables.length === 0 ? 'all' : 'remembered';
}

/** Looks only. */
export async function connectionsToCut(where: Where, rules: Rules, older: Older): Promise<Revocation> {
  const { dying, trouble } = await judged(where, judgeLater(rules), older);
  return { flows: dying, ...(trouble === undefined ? {} : { trouble }) };
}

/** How often what goes on all the same is looked for: a packet on its way may keep an entry alive. */
const rounds = 3;

/** Under the lock, when the rules are loaded. That it cannot be done is no reason to take a change back. */
export async function cutConnections(where: Where, rules: Rules, older: Older): Promise<Revocation> {
  const judge = judgeLater(rules);
  const cut = new Map<string, TrackedFlow>();
  for (let round = 0; round < rounds; round++) {
    const { dying, others, trouble } = await judged(where, judge, older);
    if (trouble !== undefined) return { flows: [...cut.values()], trouble };
    if (round === 0 && older === 'all') rememberOlder(where.state, others);
    if (dying.length === 0) break;
    for (const flow of dying) cut.set(flow.entry, flow);
    const done = await deleteFlows(where.access, dying, others, join(where.state, 'transaction.conntrack'));
    if ('trouble' in done) return { flows: [...cut.values()], trouble: done.trouble };
  }
  return { flows: [...cut.values()] };
}

/** To make one costs as much as the rules are many: only if there is somebody to judge. */
function judgeLater(rules: Rules): () => FlowJudge {
  let made: FlowJudge | undefined;
  return () => {
    made ??= new FlowJudge(rules);
    return made;
  };
}

type Judged = {
  readonly dying: readonly TrackedFlow[];
  readonly others: readonly TrackedFlow[];
  readonly trouble?: string;
};

async function judged({ access, state }: Where, judge: () => FlowJudge, older: Older): Promise<Judged> {
  const listed = await trackedFlows(access);
  if ('trouble' in listed) return { dying: [], others: [], trouble: listed.trouble };
  const flows = listed.value;
  if (flows.length === 0) return { dying: [], others: [] };
  const keys = older === 'all' ? new Set(flows.map(flowKey)) : olderFlows(state);
  const helped = flows.some(({ helper }) => helper !== undefined);
  const expected = helped ? await trackedFlows(access, 'expected') : undefined;
  const entries = expected !== undefined && 'value' in expected ? expected.value.map(({ entry }) => entry) : [];
  const dying = new Set(revokedFlows(flows, judge(), keys, new Set(entries)));
  return { dying: [...dying], others: flows.filter((flow) => !dying.has(flow)) };
}

/** Lines of `flowKey`; only the last load into a kernel without rules of ours writes them. */
function olderFile(state: string): string {
  return join(state, 'older-connections');
}

function olderFlows(state: string): ReadonlySet<string> {
  const file = olderFile(state);
  return new Set(existsSync(file) ? readFileSync(file, 'utf8').split('\n') : []);
}

function rememberOlder(state: string, flows: readonly TrackedFlow[]): void {
  const file = olderFile(state);
  writing(file, () => writeDurably(file, flows.map((flow) => `${flowKey(flow)}\n`).join('')));
}
