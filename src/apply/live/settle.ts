// What is to be finished of a change that waited: a confirmation that was broken off, a timer that died.
import { setTimeout as sleep } from 'node:timers/promises';
import { HostError } from '../../model/host-error.ts';
import type { Journal } from '../journal.ts';
import { isLoaded, moveStage, readPending, removePending, stopTimer, timerPid } from './pending.ts';
import type { Site } from './site.ts';
import { confirmedId, generationIds, removeGeneration, setConfirmed } from './state.ts';
import { removeToken } from './token.ts';
import { finishGoingBack, goBack } from './way-back.ts';

/** Under the lock, before anything else is done. @throws HostError 'rollback-failed' */
export async function settle(site: Site): Promise<void> {
  const { state, access } = site;
  const pending = readPending(state);
  switch (pending?.stage) {
    case 'armed':
      if (isLoaded(state) && !isOverdue(state, pending.journal)) return;
      await goBack(site);
      break;
    case 'confirmed':
      return finishConfirmation(state, pending.journal.generation);
    case 'firing':
      await untilTimerEnds(state);
      if (readPending(state)?.stage === 'firing') await finishGoingBack(access, state);
      break;
    case 'rolled-back':
    case 'failed':
      break;
    case undefined:
      return removeOrphans(site);
  }
  // nobody can want it back: it was never confirmed
  removeGeneration(state, pending.journal.generation);
}

/** Of a command that was killed after it had written its generation, and before its journal. */
async function removeOrphans({ state, access }: Site): Promise<void> {
  const confirmed = confirmedId(state) ?? 0;
  const orphans = generationIds(state).filter((id) => id > confirmed);
  if (orphans.length > 0) await removeToken(access);
  for (const id of orphans) removeGeneration(state, id);
}

/** The timer alone says when the time is over, as long as it lives: clocks are set. */
function isOverdue(state: string, { deadline }: Journal): boolean {
  return Date.now() > deadline && timerPid(state) === undefined;
}

async function untilTimerEnds(state: string): Promise<void> {
  for (let left = 500; left > 0 && timerPid(state) !== undefined; left--) await sleep(20);
}

/**
 * The change that waits stays.
 * @returns its generation; @throws HostError 'nothing-pending', 'rolled-back', 'rollback-failed'
 */
export async function confirmPending(site: Site): Promise<number> {
  const { state } = site;
  const found = readPending(state);
  // a deadline that is over is over, also if the timer did not live to see it
  await settle(site);
  const pending = readPending(state);
  if (pending?.stage === 'armed' && moveStage(state, 'armed', 'confirmed')) {
    stopTimer(state);
    finishConfirmation(state, pending.journal.generation);
    return pending.journal.generation;
  }
  if (pending === undefined) {
    if (found !== undefined) return found.journal.generation;
    throw new HostError('nothing-pending', 'no change waits for its confirmation');
  }
  await settle(site);
  if (readPending(state)?.stage === 'failed') {
    throw new HostError('rollback-failed', `${notBack}: run \`bridgekeeper rollback\` once more`);
  }
  throw new HostError('rolled-back', 'too late: the change was taken back');
}

const notBack = 'too late to confirm, and the previous rules could not be put back';

function finishConfirmation(state: string, generation: number): void {
  setConfirmed(state, generation);
  removePending(state);
}
