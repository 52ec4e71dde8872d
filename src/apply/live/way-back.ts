// Going back now, instead of the timer: the files that it would load, by the same tools.

import { join } from 'node:path';
import type { Access } from '../../machine/access.ts';
import { HostError } from '../../model/host-error.ts';
import type { Step } from '../loaded.ts';
import { loadFile } from './kernel.ts';
import { moveStage, readWayBack, stopTimer, type WaysBack } from './pending.ts';
import type { Site } from './site.ts';
import { pendingDirectory } from './state.ts';
import { removeToken } from './token.ts';

/**
 * Undoes the change that waits, or that could not be undone before. The journal stays, for whoever waits for its end.
 * @returns false when there is none any more: it was confirmed, or the timer was quicker
 * @throws HostError 'rollback-failed' with the kernel's words
 */
export async function goBack({ access, state }: Site): Promise<boolean> {
  if (!moveStage(state, 'armed', 'firing') && !moveStage(state, 'failed', 'firing')) return false;
  stopTimer(state);
  await finishGoingBack(access, state);
  return true;
}

/** Of a rollback that has begun: also one that was broken off. @throws HostError 'rollback-failed' */
export async function finishGoingBack(access: Access, state: string): Promise<void> {
  if (await removeToken(access)) {
    moveStage(state, 'firing', 'rolled-back');
    return;
  }
  const refused = (await loadWay(access, state, 'exact')) && (await loadWay(access, state, 'anywhere'));
  moveStage(state, 'firing', refused === undefined ? 'rolled-back' : 'failed');
  if (refused !== undefined) throw new HostError('rollback-failed', `the previous rules are refused: ${refused}`);
}

/** What the tool said when it refused; undefined when all is loaded. */
async function loadWay(access: Access, state: string, way: keyof WaysBack): Promise<string | undefined> {
  const steps: readonly Step[] = readWayBack(state, way);
  for (const [index, step] of steps.entries()) {
    const result = await loadFile(access, step, join(pendingDirectory(state), `${way}.${index}.${step.tool}`));
    // as in the timer: a bridge that is gone meanwhile is no reason to keep the rules
    if (!result.loaded && step.tool !== 'ip') return result.said;
  }
  return undefined;
}
