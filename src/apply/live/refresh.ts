// The policy that is in force, for the host as it is now: what is called whenever a guest came, went or changed, and when
// somebody else changed our rules. One transaction, mostly of single elements, and nobody has to confirm it.
import type { Diagnostic } from '../../model/diagnostic.ts';
import type { Host } from '../../model/host.ts';
import { HostError } from '../../model/host-error.ts';
import type { Policy } from '../../model/policy.ts';
import { isElementsOnly, isOnlyMore, rulesetChanges } from '../../nft/changes.ts';
import { printHost } from '../../topology/print-host.ts';
import { type Drift, rulesDrift } from '../drift.ts';
import { callSteps, type Loaded, loadedOf, stepsBetween, stepsFromAnywhere } from '../loaded.ts';
import { toShow } from '../plan.ts';
import { type Target, targetOfText } from '../target.ts';
import { withdrawnTable } from '../withdrawn.ts';
import { readBridgeCalls } from './bridge-calls.ts';
import { digest } from './digest.ts';
import { currentId, type Kept, keptGeneration, rulesOfGeneration, targetOfGeneration } from './facts.ts';
import { withKeptBridges } from './kept-bridges.ts';
import { readLoaded } from './kernel.ts';
import { loadSteps } from './load-generation.ts';
import { withLock } from './lock.ts';
import { readPending, replaceWayBack } from './pending.ts';
import { cutConnections, type Revocation } from './revoke.ts';
import { settle } from './settle.ts';
import { sinceNumbers } from './since.ts';
import type { Site } from './site.ts';
import { keepGeneration, readGeneration, readNumbering } from './state.ts';

export type Refreshed = {
  /** What is loaded now. */
  readonly target: Target;
  readonly changed: boolean;
  /** Whether elements and chains of single ports were all that changed. */
  readonly elementsOnly: boolean;
  readonly diagnostics: readonly Diagnostic[];
  /** What somebody else had changed, and was put right. */
  readonly drift: readonly Drift[];
  /** Connections that were ended; undefined when nothing was forbidden that was not before. */
  readonly cut?: Revocation;
};

/** What is loaded: as the kernel says, or as it was kept, and then a refusal shows that it is not so any more. */
export type Reckoning = 'as listed' | 'as kept';

/**
 * @param from 'as listed': whatever somebody changed in our rules is put right. 'as kept': only what is different now is
 * changed, and the kernel is not asked.
 * @returns undefined when nothing was ever applied
 * @throws LoadRefused, and nothing was changed; HostError 'policy' when the policy does not fit the host at all
 */
export async function refreshRules(
  site: Site,
  host: Host,
  from: Reckoning = 'as listed',
): Promise<Refreshed | undefined> {
  return withLock(site.state, site.command, () => refreshLocked(site, host, from));
}

/** For who has the lock. */
export async function refreshLocked(
  site: Site,
  host: Host,
  from: Reckoning = 'as listed',
): Promise<Refreshed | undefined> {
  await settle(site);
  const id = currentId(site.state, readPending(site.state));
  if (id === undefined) return undefined;
  const current = readGeneration(site.state, id);
  const { target, diagnostics } = wantedOf(site.state, current, host);
  const isListed = from === 'as listed';
  const loaded = isListed ? await readLoaded(site.access) : loadedOf(rulesOfGeneration(keptGeneration(site.state, id)));
  const changes = rulesetChanges(loaded.nft, loadedOf(target.ruleset).nft);
  const { changed, drift } = await load(site, loaded, target, current, isListed);
  // a guest that comes takes nothing from anybody, mostly
  const cut =
    changed && !(target.backend === 'nft' && isOnlyMore(changes))
      ? await cutConnections(site, target, 'remembered')
      : undefined;
  const elementsOnly = target.backend === 'nft' && isElementsOnly(changes);
  return { target, changed, elementsOnly, diagnostics, drift, ...(cut === undefined ? {} : { cut }) };
}

function wantedOf(
  state: string,
  { backend, arp, policyFile, texts }: Kept,
  host: Host,
): { readonly target: Target; readonly diagnostics: readonly Diagnostic[] } {
  const written = { backend, arp, policyFile, policyText: texts.policy };
  const completed = (policy: Policy, bare: Host): Host => withKeptBridges(state, policy, bare);
  const { value, diagnostics } = targetOfText(written, host, readNumbering(state), completed);
  if (value !== undefined) return { target: value, diagnostics };
  throw new HostError('policy', `the policy that is in force (${policyFile}) does not fit this host any more`);
}

type Change = Pick<Refreshed, 'changed' | 'drift'>;

/** While a change waits the way back is renewed first: it must lead back from what will be loaded then. */
async function load(site: Site, loaded: Loaded, target: Target, current: Kept, isListed: boolean): Promise<Change> {
  const { state } = site;
  const deaf = isListed ? (await readBridgeCalls(site.access)).deaf : [];
  const steps = [...stepsBetween(loaded, target.ruleset), ...callSteps(toShow(target, deaf), 'shown')];
  const hostText = printHost(target.host);
  const isWhole = sinceNumbers(state, current).length === 0;
  if (steps.length === 0 && isWhole && current.texts.host === hostText) return { changed: false, drift: [] };
  const drift = isListed && steps.length > 0 ? driftOf(state, current.id, loaded) : [];
  const pending = readPending(state);
  if (pending?.stage === 'armed') {
    const previous =
      pending.journal.previous === undefined ? undefined : keptGeneration(state, pending.journal.previous);
    const again = previous && targetOfGeneration(state, previous, target.host);
    const before = previous && (again?.ruleset ?? rulesOfGeneration(previous));
    replaceWayBack(state, {
      exact: stepsBetween(loadedOf(target.ruleset), before),
      anywhere: stepsFromAnywhere(before, target.ruleset),
      withdrawn: again === undefined ? '' : withdrawnTable(target, again.list),
    });
  }
  await loadSteps(site, steps, target, loaded.nft.tables.length > 0 ? loaded.nft : undefined);
  const digests = { policy: current.policyDigest, host: digest(hostText) };
  keepGeneration(state, target, { id: current.id, digests, loadedAt: current.loadedAt });
  return { changed: steps.length > 0, drift };
}

/** Against what was loaded last: the rest of what is different is the host's own change. */
function driftOf(state: string, id: number, loaded: Loaded): readonly Drift[] {
  try {
    return rulesDrift(loaded, rulesOfGeneration(keptGeneration(state, id)));
  } catch (error) {
    // a damaged disk is written anew now
    if (error instanceof HostError) return [];
    throw error;
  }
}
