// Waits beside the timer, which does not need us: for people who look at a terminal.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Stage } from '../apply/journal.ts';
import { readPending } from '../apply/live/pending.ts';
import { generationIds } from '../apply/live/state.ts';
import { HostError } from '../model/host-error.ts';
import { tell } from './output.ts';

const pollMs = 100;

export type Decision = 'confirmed' | 'rolled-back' | 'undecided';

export type Waiting = { readonly generation: number; readonly deadline: number };

/** Until the change is confirmed, by whomever, or taken back, or the signal comes. @throws HostError 'rollback-failed' */
export async function untilDecided(state: string, change: Waiting, signal: AbortSignal): Promise<Decision> {
  for (;;) {
    const stage = stageOf(state, change);
    clearLine();
    if (stage === 'confirmed') {
      tell('confirmed: the new rules stay');
      return 'confirmed';
    }
    if (stage === 'rolled-back') {
      tell('not confirmed: the previous rules are back');
      return 'rolled-back';
    }
    if (stage === 'failed') {
      throw new HostError('rollback-failed', `the previous rules could not be loaded: see ${state}/pending`);
    }
    if (signal.aborted) return 'undecided';
    showSeconds(change.deadline);
    await sleep(pollMs);
  }
}

/** Its journal goes with the confirmation, and with the next change after it was taken back. */
function stageOf(state: string, { generation, deadline }: Waiting): Stage {
  const pending = readPending(state);
  if (pending?.journal.deadline === deadline) return pending.stage;
  return generationIds(state).includes(generation) ? 'confirmed' : 'rolled-back';
}

function clearLine(): void {
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
}

function showSeconds(deadline: number): void {
  const left = Math.max(0, Math.ceil((deadline - Date.now()) / 1000));
  if (process.stderr.isTTY) process.stderr.write(`previous rules come back in ${left} s; Ctrl-C stops waiting only`);
}
