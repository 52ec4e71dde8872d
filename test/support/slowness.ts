// What is promised within a second or two is promised for an idle machine. How much longer it may take here and now is
// measured, when it took longer: by what the start of a program takes, and by how many programs wait for each processor.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { availableParallelism, loadavg } from 'node:os';

/** Milliseconds that Node takes to start and end on an idle machine. */
const usualStartMs = 50;

/** At least 1. */
function slowness(): number {
  const starts = [1, 2, 3].map(() => {
    const begin = performance.now();
    spawnSync(process.execPath, ['-e', '0']);
    return performance.now() - begin;
  });
  const [waiting = 0] = loadavg();
  return Math.max(1, Math.max(...starts) / usualStartMs, (2 * waiting) / availableParallelism());
}

/** @param limitMs for an idle machine */
export function assertPrompt(ms: number, limitMs: number, what = ''): void {
  if (ms <= limitMs) return;
  const most = limitMs * slowness();
  assert.ok(ms <= most, `${what} took ${Math.round(ms)} ms, and ${Math.round(most)} ms at most are right here`);
}
