// `confirm`: the change that waits stays. `rollback`: it goes; or, when none waits, the generation before comes back.
import type { Applied } from '../apply/live/apply.ts';
import { policyOfGeneration, targetOfGeneration } from '../apply/live/facts.ts';
import { withKeptBridges } from '../apply/live/kept-bridges.ts';
import { withLock } from '../apply/live/lock.ts';
import { isTold, markTold, readPending } from '../apply/live/pending.ts';
import { confirmPending, settle } from '../apply/live/settle.ts';
import type { Site } from '../apply/live/site.ts';
import { confirmedId, generationIds, makeStateDirectory, readGeneration } from '../apply/live/state.ts';
import { goBack } from '../apply/live/way-back.ts';
import { HostError } from '../model/host-error.ts';
import { type ApplyCommandOptions, change } from './apply.ts';
import { cutData } from './cut-text.ts';
import { exitCodes } from './exit-codes.ts';
import { faultData } from './fault-data.ts';
import { assertGuestsKnown, readHostFacts, tellFaults } from './input.ts';
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

export type RollbackOptions = StateOptions &
  Pick<ApplyCommandOptions, 'confirm' | 'wait' | 'allowLockout' | 'output'> & { readonly host?: string };

export async function rollback(options: RollbackOptions): Promise<number> {
  const site = siteOf(options, 'rollback');
  makeStateDirectory(site.state);
  const undone = await withLock(site.state, site.command, () => undoPending(site));
  if (undone === 'nothing') return toGenerationBefore(site, options);
  if (options.output === 'json') printJson('rollback', { outcome: 'rolled-back' });
  else tell(undone === 'now' ? 'the previous rules are back' : wasUndone);
  return exitCodes.fine;
}

const wasUndone =
  'the change was taken back already, and the rules before it are in force; once more goes to the generation before';

/** Who comes just after the timer means the same change, and not the one before it. */
async function undoPending(site: Site): Promise<'now' | 'before' | 'nothing'> {
  const isUndone = await goBack(site);
  await settle(site);
  if (readPending(site.state) === undefined || isTold(site.state)) return 'nothing';
  markTold(site.state);
  return isUndone ? 'now' : 'before';
}

/** Its policy, for the guests that are here now; as any change it comes back unless it is confirmed. */
async function toGenerationBefore(site: Site, options: RollbackOptions): Promise<number> {
  const now = confirmedId(site.state);
  const before = generationIds(site.state).findLast((id) => now !== undefined && id < now);
  if (before === undefined) throw new HostError('no-generation', 'there are no earlier rules to go back to');
  const kept = readGeneration(site.state, before);
  const policy = policyOfGeneration(kept);
  const host = await readHostFacts(options.host, policy);
  if (policy !== undefined && host.value !== undefined) assertGuestsKnown(host.diagnostics, policy, host.value);
  const failed = tellFaults(host.diagnostics);
  const known = policy && host.value && withKeptBridges(site.state, policy, host.value);
  const target = known && targetOfGeneration(site.state, kept, known);
  if (target === undefined)
    throw new HostError('no-generation', `the policy of generation ${before} does not fit this host`);
  const faults = faultData({ value: target, diagnostics: host.diagnostics });
  tell(`back to the policy of generation ${before}`);
  const report = (applied: Applied): void =>
    printJson('rollback', { ...faults, ...applied, cut: cutData(applied.cut, target), from: before });
  return change(site, target, { ...options, report }, failed ? exitCodes.faults : exitCodes.fine);
}
