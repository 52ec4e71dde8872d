// `confirm`: the change that waits stays. `rollback`: it goes; or, when none waits, the generation before comes back.
import { applyTarget } from '../apply/live/apply.ts';
import { policyOfGeneration, targetOfGeneration } from '../apply/live/facts.ts';
import { withLock } from '../apply/live/lock.ts';
import { confirmPending, settle } from '../apply/live/settle.ts';
import { confirmedId, generationIds, makeStateDirectory, readGeneration } from '../apply/live/state.ts';
import { goBack } from '../apply/live/way-back.ts';
import { HostError } from '../model/host-error.ts';
import { cutData } from './cut-text.ts';
import { exitCodes } from './exit-codes.ts';
import { readHostFacts, tellFaults } from './input.ts';
import { siteOf } from './live-target.ts';
import { type Format, printJson, tell } from './output.ts';
import type { StateOptions } from './state-directory.ts';

export async function confirm(options: StateOptions & { readonly output: Format }): Promise<number> {
  const site = siteOf(options, 'confirm');
  makeStateDirectory(site.state);
  const generation = await withLock(site.state, site.command, () => confirmPending(site));
  if (options.output === 'json') printJson('confirm', { generation });
  else tell('confirmed: the rules stay');
  return exitCodes.fine;
}

export type RollbackOptions = StateOptions & { readonly host?: string; readonly output: Format };

export async function rollback(options: RollbackOptions): Promise<number> {
  const site = siteOf(options, 'rollback');
  makeStateDirectory(site.state);
  const undone = await withLock(site.state, site.command, async () => {
    const gone = await goBack(site);
    if (!gone) await settle(site);
    return gone;
  });
  if (!undone) return toGenerationBefore(options);
  if (options.output === 'json') printJson('rollback', { outcome: 'rolled-back' });
  else tell('the previous rules are back');
  return exitCodes.fine;
}

/** Its policy, for the guests that are here now. */
async function toGenerationBefore(options: RollbackOptions): Promise<number> {
  const site = siteOf(options, 'rollback');
  const now = confirmedId(site.state);
  const before = generationIds(site.state).findLast((id) => now !== undefined && id < now);
  if (before === undefined) throw new HostError('no-generation', 'there are no earlier rules to go back to');
  const kept = readGeneration(site.state, before);
  const host = await readHostFacts(options.host, policyOfGeneration(kept));
  const failed = tellFaults(host.diagnostics);
  const target = host.value && targetOfGeneration(site.state, kept, host.value);
  if (target === undefined)
    throw new HostError('no-generation', `the policy of generation ${before} does not fit this host`);
  const applied = await applyTarget(site, target, {});
  if (options.output === 'json') printJson('rollback', { ...applied, cut: cutData(applied.cut, target), from: before });
  else tell(`the policy of generation ${before} is back, as generation ${applied.generation}`);
  return failed ? exitCodes.faults : exitCodes.fine;
}
