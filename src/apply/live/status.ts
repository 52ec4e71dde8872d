// What is loaded, since when and from which policy, what waits, what was counted, and what somebody else changed. Reads
// only, and takes no lock: it must answer while a change is being made.
import type { Host } from '../../model/host.ts';
import { iptablesCounts, nftCounts, type RuleCount, ruleCounts } from '../counters.ts';
import { type Drift, hostDrift, rulesDrift } from '../drift.ts';
import type { Journal, Stage } from '../journal.ts';
import { obstacles } from '../obstacles.ts';
import { wantedConnections } from '../wanted.ts';
import { readBridgeCalls } from './bridge-calls.ts';
import { currentGeneration, type Kept, listOfGeneration, rulesOfGeneration } from './facts.ts';
import { listOwn, loadedFrom } from './kernel.ts';
import { readOthers } from './others.ts';
import { readPending, timerPid } from './pending.ts';
import { presenceLeftBehind } from './presence.ts';
import { connectionsToCut, olderThan, type Revocation } from './revoke.ts';
import { savedCopies } from './saved-copies.ts';
import type { Site } from './site.ts';

export type Status = {
  /** What should be loaded; undefined when nothing was applied yet. */
  readonly current?: Kept;
  readonly pending?: Journal & { readonly stage: Stage; readonly timer: boolean };
  readonly counts: readonly RuleCount[];
  readonly drift: readonly Drift[];
  /** Connections that go on although the rules do not allow them. */
  readonly cut: Revocation;
};

/** @throws HostError 'needs-root', 'unreadable' and what the tools refuse */
export async function readStatus({ access, state }: Pick<Site, 'access' | 'state'>, host: Host): Promise<Status> {
  const pending = readPending(state);
  const current = currentGeneration(state, pending);
  const listing = await listOwn(access, 'with counters');
  const loaded = loadedFrom(listing);
  const list = current === undefined ? undefined : listOfGeneration(state, current);
  const ruleset = current === undefined ? undefined : rulesOfGeneration(current);
  const calls = await readBridgeCalls(access);
  const counts = current?.backend === 'iptables' ? iptablesCounts(listing.iptables) : nftCounts(listing.nft);
  return {
    ...(current === undefined ? {} : { current }),
    ...(pending === undefined
      ? {}
      : { pending: { ...pending.journal, stage: pending.stage, timer: timerPid(state) !== undefined } }),
    counts: list === undefined ? [] : ruleCounts(list, counts),
    cut:
      list === undefined || ruleset === undefined
        ? { flows: [] }
        : await connectionsToCut({ access, state }, { ruleset, list, host }, olderThan(loaded)),
    drift: [
      ...rulesDrift(loaded, ruleset),
      ...(list === undefined ? [] : hostDrift(host, list.ground, calls)),
      ...(list === undefined ? [] : obstacles(await readOthers(access), wantedConnections(list), calls.deaf)),
      ...(await presenceLeftBehind(access, state)),
      ...(await savedCopies(access)),
    ],
  };
}
