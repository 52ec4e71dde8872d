// What somebody else changed in our rules, read so that no change of our own is seen half done.
import type { Ruleset } from '../../model/ruleset.ts';
import { type Drift, rulesDrift } from '../drift.ts';
import { currentGeneration, rulesOfGeneration } from './facts.ts';
import { readLoaded } from './kernel.ts';
import { withLock } from './lock.ts';
import { readPending } from './pending.ts';
import { settle } from './settle.ts';
import type { Site } from './site.ts';

export type OwnDrift = {
  readonly drift: readonly Drift[];
  /** What should be loaded; without drift this is what is. */
  readonly expected?: Ruleset;
};

const attempts = 3;

/**
 * Which generation should be loaded is asked under the lock, too: it may be another one than a moment ago.
 * @throws HostError 'locked', 'unreadable' and what the tools refuse
 */
export function readOwnDrift(site: Site): Promise<OwnDrift> {
  return withLock(site.state, site.command, async () => {
    for (let attempt = 1; ; attempt++) {
      await settle(site);
      const stage = readPending(site.state)?.stage;
      const current = currentGeneration(site.state, readPending(site.state));
      if (current === undefined) return { drift: [] };
      const loaded = await readLoaded(site.access);
      // the timer that takes a change back asks for no lock
      if (readPending(site.state)?.stage === stage || attempt === attempts) {
        const expected = rulesOfGeneration(current);
        return { drift: rulesDrift(loaded, expected), expected };
      }
    }
  });
}
