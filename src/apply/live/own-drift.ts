// What somebody else changed in our rules, read so that no change of our own is seen half done.
import type { Ruleset } from '../../model/ruleset.ts';
import { type Drift, rulesDrift } from '../drift.ts';
import { currentGeneration, currentId, rulesOfGeneration } from './facts.ts';
import { readLoaded } from './kernel.ts';
import { withLock } from './lock.ts';
import { readPending } from './pending.ts';
import { settle } from './settle.ts';
import { sinceNumbers } from './since.ts';
import type { Site } from './site.ts';
import { readGenerationFile } from './state.ts';

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

/**
 * The same beside whatever else goes on: the lock is not held while rules are listed and compiled.
 * @returns undefined when other rules were, or may have been, loaded meanwhile; @throws as `readOwnDrift`
 */
export async function readOwnDriftBeside(site: Site): Promise<OwnDrift | undefined> {
  const { state, access, command } = site;
  const before = await withLock(state, command, async () => {
    await settle(site);
    return markOf(state);
  });
  const isOutdated = async (): Promise<boolean> =>
    before !== (await withLock(state, command, async () => markOf(state)));
  try {
    const current = currentGeneration(state, readPending(state));
    const expected = current && rulesOfGeneration(current);
    const found = current === undefined ? [] : rulesDrift(await readLoaded(access), expected);
    if (await isOutdated()) return undefined;
    return { drift: found, ...(expected !== undefined && { expected }) };
  } catch (error) {
    // half of one generation and half of the next
    if (await isOutdated()) return undefined;
    throw error;
  }
}

/** Another one whenever rules are loaded: each way of loading writes first what it will load, or holds the lock until it has. */
function markOf(state: string): string {
  const pending = readPending(state);
  const id = currentId(state, pending);
  if (id === undefined) return 'none';
  const generation = readGenerationFile(state, id);
  return JSON.stringify([generation, sinceNumbers(state, generation).at(-1), pending?.stage]);
}
