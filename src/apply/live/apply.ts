// A plan becomes what the kernel does: journal, timer, one transaction, read back. Whatever goes wrong on the way, the old
// rules are there afterwards.
import { loadBridgeFilter } from '../../machine/bridge-filter.ts';
import { allPorts } from '../../model/host.ts';
import { HostError } from '../../model/host-error.ts';
import { printHost } from '../../topology/print-host.ts';
import { loadedOf } from '../loaded.ts';
import { type Plan, type PlanDigests, planOf } from '../plan.ts';
import type { Target } from '../target.ts';
import { digest, loadedDigest } from './digest.ts';
import { type Facts, listOfGeneration, readFacts } from './facts.ts';
import { type Loading, loadGeneration } from './load-generation.ts';
import { withLock } from './lock.ts';
import { connectionsToCut, cutConnections, olderThan, type Revocation } from './revoke.ts';
import { confirmPending, settle } from './settle.ts';
import type { Site } from './site.ts';
import { keepGeneration, makeStateDirectory, nextGenerationId, setConfirmed } from './state.ts';

export type LivePlan = {
  readonly plan: Plan;
  readonly digests: PlanDigests;
  readonly facts: Facts;
  /** What the rules that are wanted do not allow. */
  readonly cut: Revocation;
};

/** Reads only. @throws HostError 'needs-root' and what reading refuses */
export async function livePlan({ access, state }: Pick<Site, 'access' | 'state'>, target: Target): Promise<LivePlan> {
  const facts = await readFacts(access, state);
  const before = facts.current === undefined ? undefined : listOfGeneration(state, facts.current);
  return {
    facts,
    cut: await connectionsToCut({ access, state }, target, olderThan(facts.loaded)),
    plan: planOf(facts.loaded, before, target, facts.calls.module ? facts.calls.deaf : []),
    digests: {
      policy: digest(target.policyText),
      host: digest(printHost(target.host)),
      loaded: loadedDigest(facts.loaded),
      wanted: loadedDigest(loadedOf(target.ruleset)),
    },
  };
}

export type ApplyOptions = {
  /** Without it the change is confirmed at once. */
  readonly confirmSeconds?: number;
  /** From a saved plan: refused unless all is as it was then. */
  readonly expected?: PlanDigests;
  /** Told before anything is loaded; may throw to stop it. */
  readonly approve?: (plan: LivePlan) => Promise<void>;
};

export type Applied = {
  readonly outcome: 'unchanged' | 'confirmed' | 'pending';
  readonly generation: number;
  /** Milliseconds since 1970, of a change that waits. */
  readonly deadline?: number;
  /** Connections that were ended, as the rules do not allow them. */
  readonly cut: Revocation;
};

/**
 * Loads the target. When this comes back with 'pending', the previous rules return at the deadline unless `confirm` was
 * called, whatever becomes of this process.
 * @throws LoadRefused when nothing was changed; HostError 'pending', 'locked', 'stale-plan', 'no-br-netfilter',
 * 'read-back' after going back
 */
export function applyTarget(site: Site, target: Target, options: ApplyOptions): Promise<Applied> {
  makeStateDirectory(site.state);
  return withLock(site.state, site.command, async () => {
    await settle(site);
    const live = await checkedPlan(site, target);
    if (live.facts.pending?.stage === 'armed') throw waits(live.facts.pending.journal.deadline);
    if (options.expected !== undefined) assertSame(options.expected, live.digests);
    await options.approve?.(live);
    return live.plan.steps.length === 0
      ? recordUnchanged(site, target, live)
      : load(site, target, live, options.confirmSeconds);
  });
}

/** @throws HostError 'no-br-netfilter': what only br_netfilter shows would pass unchecked, and 'loaded' be a lie */
async function checkedPlan(site: Site, target: Target): Promise<LivePlan> {
  const live = await livePlan(site, target);
  if (live.facts.calls.module || target.list.ground.bridges.length === 0) return live;
  if (await loadBridgeFilter(site.access)) return livePlan(site, target);
  const why = 'connections between guests would not be checked; nothing was changed';
  throw new HostError('no-br-netfilter', `the module br_netfilter is not loaded, and cannot be: ${why}`);
}

function waits(deadline: number): HostError {
  const left = Math.max(0, Math.ceil((deadline - Date.now()) / 1000));
  const what = 'a change waits for its confirmation';
  return new HostError('pending', `${what}, ${left} s are left: confirm it, or roll it back, before the next one`);
}

function assertSame(expected: PlanDigests, now: PlanDigests): void {
  const names = {
    policy: 'the policy',
    host: 'the host',
    loaded: 'the loaded rules',
    wanted: 'what the program makes',
  };
  const different = Object.entries(names).flatMap(([key, name]) =>
    expected[key as keyof PlanDigests] === now[key as keyof PlanDigests] ? [] : [name],
  );
  if (different.length === 0) return;
  throw new HostError('stale-plan', `${different.join(' and ')} changed since the plan was made: make a new one`);
}

/** The kernel has it already; the policy's text may be another one all the same. */
async function recordUnchanged(site: Site, target: Target, { facts, digests }: LivePlan): Promise<Applied> {
  const { state } = site;
  const { current, pending } = facts;
  const cut = await cutConnections(site, target, olderThan(facts.loaded));
  const isSame =
    current !== undefined &&
    current.policyDigest === digests.policy &&
    current.hostDigest === digests.host &&
    current.backend === target.backend &&
    current.arp === target.arp;
  if (isSame) return { outcome: 'unchanged', generation: current.id, cut };
  const id = nextGenerationId(state, pending?.journal.generation);
  keepGeneration(state, target, { id, digests });
  setConfirmed(state, id);
  return { outcome: 'unchanged', generation: id, cut };
}

/**
 * Without a confirmation to wait for the timer guards the loading itself: it must not take back what is being loaded, and read
 * back, on a large host with a busy processor.
 */
function guardSeconds({ host }: Target): number {
  return 60 + Math.ceil(allPorts(host).length / 20);
}

async function load(site: Site, target: Target, live: LivePlan, confirmSeconds: number | undefined): Promise<Applied> {
  const { generation, deadline, cut } = await loadGeneration(
    site,
    loadingOf(target, live, confirmSeconds ?? guardSeconds(target)),
  );
  if (confirmSeconds !== undefined) return { outcome: 'pending', generation, deadline, cut };
  await confirmPending(site);
  return { outcome: 'confirmed', generation, cut };
}

function loadingOf(target: Target, { plan: { steps }, digests, facts }: LivePlan, seconds: number): Loading {
  return { target, steps, digests, facts, seconds };
}
