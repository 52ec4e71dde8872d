// Waits beside the timer, which does not need us: for people who look at a terminal.
import { setTimeout as sleep } from 'node:timers/promises';
import { readPending } from '../apply/live/pending.ts';
import { HostError } from '../model/host-error.ts';
import { tell } from './output.ts';

const pollMs = 100;

export type Decision = 'confirmed' | 'rolled-back' | 'undecided';

/** Until the change is confirmed, by whomever, or taken back, or the signal comes. @throws HostError 'rollback-failed' */
export async function untilDecided(state: string, deadline: number, signal: AbortSignal): Promise<Decision> {
  for (;;) {
    const stage = readPending(state)?.stage;
    clearLine();
    if (stage === undefined || stage === 'confirmed') {
      tell('confirmed: the new rules stay');
      return 'confirmed';
    }
    if (stage === 'rolled-back' || stage === 'cancelled') {
      tell('not confirmed: the previous rules are back');
      return 'rolled-back';
    }
    if (stage === 'failed') {
      throw new HostError('rollback-failed', `the previous rules could not be loaded: see ${state}/pending`);
    }
    if (signal.aborted) return 'undecided';
    showSeconds(deadline);
    await sleep(pollMs);
  }
}

function clearLine(): void {
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
}

function showSeconds(deadline: number): void {
  const left = Math.max(0, Math.ceil((deadline - Date.now()) / 1000));
  if (process.stderr.isTTY) process.stderr.write(`previous rules come back in ${left} s; Ctrl-C stops waiting only`);
}
