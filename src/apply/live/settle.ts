// What is to be finished of a change that waited: a confirmation that was broken off, a timer that died.
import { setTimeout as sleep } from 'node:timers/promises';
import { HostError } from '../../model/host-error.ts';
import { moveStage, readPending, removePending, stopTimer, timerPid } from './pending.ts';
import type { Site } from './site.ts';
import { removeGeneration, setConfirmed } from './state.ts';
import { finishGoingBack, goBack } from './way-back.ts';

/** Under the lock, before anything else is done. @throws HostError 'rollback-failed' */
export async function settle(site: Site): Promise<void> {
  const { state, access } = site;
  const pending = readPending(state);
  switch (pending?.stage) {
    case 'armed':
      if (Date.now() > pending.journal.deadline && timerPid(state) === undefined) await goBack(site);
      return;
    case 'confirmed':
      finishConfirmation(state, pending.journal.generation);
      return;
    case 'firing':
      await untilTimerEnds(state);
      if (readPending(state)?.stage === 'firing') await finishGoingBack(access, state);
      return;
    case 'rolled-back':
    case 'failed':
    case 'cancelled':
      // nobody can want it back: it was never confirmed
      removeGeneration(state, pending.journal.generation);
      return;
    case undefined:
  }
}

async function untilTimerEnds(state: string): Promise<void> {
  for (let left = 500; left > 0 && timerPid(state) !== undefined; left--) await sleep(20);
}

/**
 * The change that waits stays.
 * @returns its generation; @throws HostError 'nothing-pending', 'rolled-back'
 */
export async function confirmPending(site: Site): Promise<number> {
  const { state } = site;
  // a deadline that is over is over, also if the timer did not live to see it
  if (readPending(state)?.stage === 'armed') await settle(site);
  const pending = readPending(state);
  if (pending === undefined) throw new HostError('nothing-pending', 'no change waits for its confirmation');
  const { generation } = pending.journal;
  if (pending.stage === 'armed' && moveStage(state, 'armed', 'confirmed')) {
    stopTimer(state);
    finishConfirmation(state, generation);
    return generation;
  }
  await settle(site);
  const stage = readPending(state)?.stage;
  if (stage === undefined) return generation;
  throw new HostError('rolled-back', 'too late: the change was taken back');
}

function finishConfirmation(state: string, generation: number): void {
  setConfirmed(state, generation);
  removePending(state);
}
