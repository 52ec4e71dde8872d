// Waiting for what comes true by itself.
import { setTimeout as sleep } from 'node:timers/promises';

/** @throws Error with `what` after a minute, which no machine needs for what tests wait for */
export async function until(holds: () => boolean | Promise<boolean>, what: string, everyMs = 20): Promise<void> {
  for (const end = Date.now() + 60_000; !(await holds()); await sleep(everyMs)) {
    if (Date.now() > end) throw new Error(`it did not come true within a minute: ${what}`);
  }
}
