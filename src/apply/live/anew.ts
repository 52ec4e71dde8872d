// Everything made anew for a host, and what a follower goes on from then. It is plain data: to compile a large host takes memory
// that whoever runs for ever does not want to have, so that another process may do it.
import type { Diagnostic } from '../../model/diagnostic.ts';
import type { Host } from '../../model/host.ts';
import type { Ground } from '../../model/rule-list.ts';
import { parsePolicy } from '../../policy/parse-policy.ts';
import type { Drift } from '../drift.ts';
import { type FollowerSeed, followerSeed } from '../follow/follower-seed.ts';
import { managedByName } from '../kept-bridges.ts';
import type { Target } from '../target.ts';
import { type Wanted, wantedConnections } from '../wanted.ts';
import { withLock } from './lock.ts';
import { readPending } from './pending.ts';
import { refreshLocked } from './refresh.ts';
import { sinceNumbers } from './since.ts';
import type { Site } from './site.ts';
import { confirmedId, type Generation, readGenerationFile } from './state.ts';

/** The generation that a follower goes on from, and the last change of it. */
export type Basis = { readonly generation: Generation; readonly last: number };

export type Begun = {
  readonly seed: FollowerSeed;
  readonly basis: Basis;
  /** Bridges that stay managed without a guest. */
  readonly managed: readonly string[];
};

export type Anew = {
  readonly changed: boolean;
  /** Whether elements and chains of single ports were all that changed. */
  readonly elementsOnly: boolean;
  readonly diagnostics: readonly Diagnostic[];
  /** What somebody else had changed in our rules, and was put right. */
  readonly drift: readonly Drift[];
  readonly ground: Ground;
  /** Connections that the rules allow, as examples. */
  readonly wanted: readonly Wanted[];
  /** Undefined where nothing can be followed step by step. */
  readonly begun?: Begun;
};

/** @returns undefined when nothing was ever applied; @throws as refreshRules */
export function refreshAnew(site: Site, host: Host): Promise<Anew | undefined> {
  return withLock(site.state, site.command, async () => {
    const refreshed = await refreshLocked(site, host);
    if (refreshed === undefined) return undefined;
    const { target, changed, elementsOnly, diagnostics, drift } = refreshed;
    const begun = begunWith(site.state, target, diagnostics);
    return {
      changed,
      elementsOnly,
      diagnostics,
      drift,
      ground: target.list.ground,
      wanted: wantedConnections(target.list),
      ...(begun === undefined ? {} : { begun }),
    };
  });
}

/** Only what is confirmed, and only by nft, is followed step by step. */
function begunWith(state: string, target: Target, diagnostics: readonly Diagnostic[]): Begun | undefined {
  const id = confirmedId(state);
  const policy = parsePolicy(target.policyText, target.policy.file).value;
  if (target.backend !== 'nft' || id === undefined || policy === undefined || readPending(state) !== undefined) {
    return undefined;
  }
  const generation = readGenerationFile(state, id);
  const basis = { generation, last: sinceNumbers(state, generation).at(-1) ?? 0 };
  return { seed: followerSeed(target, policy, diagnostics), basis, managed: [...managedByName(target.host)] };
}
