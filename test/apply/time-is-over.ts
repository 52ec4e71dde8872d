// A change that waits has had all its time: for tests that need as long as they need before that.
import assert from 'node:assert/strict';
import { descendants, endAll, processes } from '../../scripts/processes.ts';
import { timerPid } from '../../src/apply/live/pending.ts';

/** The timer goes on as when its `sleep` has ended. */
export function timeIsOver(state: string): void {
  const timer = timerPid(state);
  assert.ok(timer !== undefined, 'a timer runs');
  const sleeping = descendants(processes(), timer).filter(({ command }) => command.startsWith('sleep '));
  assert.equal(endAll(sleeping).length, 1, 'it sleeps');
}
