// A change that waits has had all its time: for tests that need as long as they need before that.
import assert from 'node:assert/strict';
import { descendants, endAll, processes } from '../../scripts/processes.ts';
import { timerPid } from '../../src/apply/live/pending.ts';
import { until } from '../support/until.ts';

/** The timer goes on as when its `sleep` has ended. */
export async function timeIsOver(state: string): Promise<void> {
  const timer = timerPid(state);
  assert.ok(timer !== undefined, 'a timer runs');
  const sleeping = () => descendants(processes(), timer).filter(({ command }) => command.startsWith('sleep '));
  await until(() => endAll(sleeping()).length === 1, 'it sleeps');
}
