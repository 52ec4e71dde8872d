// All rules of ours out of the kernel, for good: when the program is taken away. It opens what was closed, and so cuts
// off nobody.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { HostError } from '../../model/host-error.ts';
import { callSteps, type Step, stepsBetween } from '../loaded.ts';
import { listOfGeneration, readFacts } from './facts.ts';
import { loadFile, readLoaded } from './kernel.ts';
import { writtenStep } from './load-generation.ts';
import { withLock } from './lock.ts';
import { readPending } from './pending.ts';
import { settle } from './settle.ts';
import type { Site } from './site.ts';

const presence: Step = { tool: 'nft', text: 'add table bridge bk_present\ndelete table bridge bk_present\n' };

/** The timer of a change that waits would load rules again. @throws HostError 'pending' */
export function assertNothingWaits(state: string): void {
  if (readPending(state)?.stage !== 'armed') return;
  throw new HostError('pending', 'a change waits for its confirmation: confirm it, or roll it back, before');
}

/**
 * Afterwards no rule is loaded, none is confirmed, and bridges are as if there had been none; generations stay on the disk.
 * @throws HostError 'pending', 'locked', 'needs-root', 'unload-refused'
 */
export function unloadRules(site: Site): Promise<void> {
  const { access, state } = site;
  return withLock(state, site.command, async () => {
    await settle(site);
    assertNothingWaits(state);
    const { loaded, current } = await readFacts(access, state);
    for (const step of stepsBetween(loaded, undefined)) await must(site, step);
    // of one that followed the guests and was killed: it would keep closed whoever comes
    await loadFile(access, presence, writtenStep(state, presence));
    const bridges = current === undefined ? [] : (listOfGeneration(state, current)?.ground.bridges ?? []);
    // one by one: some may be gone
    for (const { name } of bridges) {
      for (const step of callSteps([name], 'hidden')) await loadFile(access, step, writtenStep(state, step));
    }
    const [left] = stepsBetween(await readLoaded(access), undefined);
    if (left !== undefined) throw new HostError('unload-refused', `some rules are still loaded: ${left.text}`);
    rmSync(join(state, 'confirmed'), { force: true });
  });
}

async function must({ access, state }: Site, step: Step): Promise<void> {
  const result = await loadFile(access, step, writtenStep(state, step));
  if (!result.loaded) throw new HostError('unload-refused', `the rules cannot be taken away: ${result.said}`);
}
