// One generation of rules into the kernel, with everything that is needed to go back made ready before.
import { join } from 'node:path';
import { writeDurably } from '../../machine/write-durably.ts';
import { HostError } from '../../model/host-error.ts';
import type { Ruleset } from '../../model/ruleset.ts';
import { callSteps, type Loaded, loadedOf, type Step, stepsBetween, stepsFromAnywhere, stepsTo } from '../loaded.ts';
import { type PlanDigests, toShow } from '../plan.ts';
import { refusalOf } from '../refusal.ts';
import type { Target } from '../target.ts';
import { type Facts, rulesOfGeneration, targetOfGeneration } from './facts.ts';
import { loadFile, readLoaded } from './kernel.ts';
import { LoadRefused } from './load-refused.ts';
import {
  armTimer,
  markLoaded,
  moveStage,
  readPending,
  removePending,
  stopTimer,
  type WaysBack,
  writePending,
} from './pending.ts';
import type { Site } from './site.ts';
import { keepGeneration, nextGenerationId, removeGeneration, writing } from './state.ts';
import { makeToken, removeToken, withToken } from './token.ts';
import { finishGoingBack, goBack } from './way-back.ts';

export type Loading = {
  readonly target: Target;
  readonly steps: readonly Step[];
  readonly digests: PlanDigests;
  readonly facts: Facts;
  /** Until the previous rules come back. */
  readonly seconds: number;
};

/**
 * When this comes back, the rules are loaded and were read back, and the timer runs.
 * @throws LoadRefused, HostError 'no-timer', 'unwritable': nothing was changed; 'read-back': gone back again
 */
export async function loadGeneration(
  site: Site,
  { target, steps, digests, facts, seconds }: Loading,
): Promise<{ readonly generation: number; readonly deadline: number }> {
  const { state, access } = site;
  const generation = nextGenerationId(state, facts.pending?.journal.generation);
  const previous = facts.current?.id;
  const begun = Date.now();
  const deadline = begun + seconds * 1000;
  const journal = { generation, ...(previous === undefined ? {} : { previous }), begun, deadline, pid: process.pid };
  try {
    keepGeneration(state, target, { id: generation, digests });
    // where a change waits, there was a token: who finds none knows that the rules came in
    await makeToken(access);
    writePending(state, journal, waysBack(state, facts, target));
  } catch (cause) {
    await forget(site, generation);
    throw cause;
  }
  try {
    await armTimer(access, state, journal);
    await loadSteps(site, withToken(steps), target, foundRules(facts.loaded));
  } catch (cause) {
    if (await abandon(site, generation, facts.loaded)) throw cause;
    throw tooLate(cause);
  }
  await assertLoaded(site, target.ruleset);
  markLoaded(state);
  return { generation, deadline };
}

async function forget({ access, state }: Site, generation: number): Promise<void> {
  await removeToken(access);
  removePending(state);
  removeGeneration(state, generation);
}

/**
 * A load that failed: mostly nothing came in, but a tool that was killed may have been done already.
 * @returns false when the timer was quicker; @throws HostError 'rollback-failed'
 */
async function abandon(site: Site, generation: number, before: Loaded): Promise<boolean> {
  const { access, state } = site;
  if (!moveStage(state, 'armed', 'firing')) return false;
  stopTimer(state);
  if (!(await removeToken(access))) await takeBack(site, before);
  await forget(site, generation);
  return true;
}

async function takeBack({ access, state }: Site, before: Loaded): Promise<void> {
  for (const step of stepsTo(await readLoaded(access), before)) {
    const { loaded } = await loadFile(access, step, writtenStep(state, step));
    if (!loaded) return finishGoingBack(access, state);
  }
}

function tooLate(cause?: unknown): HostError {
  return new HostError('rolled-back', 'the time was over before the rules were loaded: nothing was changed', cause);
}

/** Back to the old policy for the guests that are here now; where no policy is known, to the rules that were found. */
function waysBack(state: string, { current, loaded, calls }: Facts, target: Target): WaysBack {
  const { host, ruleset } = target;
  const hidden = callSteps(toShow(target, calls.deaf), 'hidden');
  const kept = current === undefined ? undefined : targetOfGeneration(state, current, host)?.ruleset;
  const previous = current === undefined ? foundRules(loaded) : (kept ?? rulesOfGeneration(current));
  return {
    exact: [...stepsBetween(loadedOf(ruleset), previous), ...hidden],
    anywhere: [...stepsFromAnywhere(previous, ruleset), ...hidden],
  };
}

function foundRules({ nft, iptables }: Loaded): Ruleset | undefined {
  if (nft.tables.length > 0) return nft;
  return iptables.tables.length > 0 ? iptables : undefined;
}

/** A refusal after the first step takes the earlier ones back. @throws LoadRefused: nothing was changed */
export async function loadSteps(
  { access, state }: Site,
  steps: readonly Step[],
  target: Target,
  before: Ruleset | undefined,
): Promise<void> {
  for (const [index, step] of steps.entries()) {
    const result = await loadFile(access, step, writtenStep(state, step));
    if (result.loaded) continue;
    const back = index === 0 ? [] : stepsBetween(await readLoaded(access), before);
    for (const one of back) await loadFile(access, one, writtenStep(state, one));
    throw new LoadRefused(refusalOf(step, result.said, target.list, target.policy.file));
  }
}

function writtenStep(state: string, { tool, text }: Step): string {
  const file = join(state, `transaction.${tool}`);
  writing(file, () => writeDurably(file, text));
  return file;
}

/** What the kernel lists is what was given to it. @throws HostError 'read-back' after going back */
async function assertLoaded(site: Site, wanted: Ruleset): Promise<void> {
  // iptables-restore cannot ask for the token in its own transaction
  if (readPending(site.state)?.stage !== 'armed') {
    await finishGoingBack(site.access, site.state);
    throw tooLate();
  }
  const loaded = await readLoaded(site.access);
  const [left] = stepsBetween(loaded, wanted);
  if (left === undefined && loaded.foreign.length === 0) return;
  await goBack(site);
  const what = left === undefined ? `there are also ${loaded.foreign.join(', ')}` : left.text.split('\n')[0];
  throw new HostError(
    'read-back',
    `the kernel lists other rules than it was given (${what}); the previous ones are back`,
  );
}
