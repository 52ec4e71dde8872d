// `display rollback`: everything that was set on a guest, put back byte for byte.
import { displayOf, readDisplay } from '../display/live/display-facts.ts';
import type { Entry } from '../display/live/journal.ts';
import { rollBack } from '../display/live/undo.ts';
import { definition } from '../display/live/virsh.ts';
import { type DisplayFacts, isPending } from '../display/plan.ts';
import { aloneWith } from './display-alone.ts';
import type { GuestOptions } from './display-inspect.ts';
import type { Pending } from './display-pending.ts';
import { exitCodes } from './exit-codes.ts';
import { print, printJson } from './output.ts';
import { type StateOptions, stateDirectory } from './state-directory.ts';

export type RollbackOptions = GuestOptions & StateOptions;

export function displayRollback(name: string, options: RollbackOptions): Promise<number> {
  return aloneWith(name, 'display rollback', options, (uuid) => rolledBack(uuid, options));
}

async function rolledBack(uuid: string, options: RollbackOptions): Promise<number> {
  const live = await readDisplay(uuid, options.access);
  const undone = await rollBack(stateDirectory(options), live);
  const after = { ...live.facts, domain: displayOf(await definition(uuid, 'inactive')) };
  const needs = needsOf(after, undone);
  if (options.output === 'json') printJson('display-rollback', { undone: undone.length, needs });
  else if (undone.length === 0) print('nothing was set on this guest');
  else print(`${undone.length} undone${needs === 'nothing' ? '' : `; takes effect with: ${needs}`}`);
  return exitCodes.fine;
}

/** What GRUB was told in this start of the guest, it never read. */
function needsOf(facts: DisplayFacts, undone: readonly Entry[]): Pending {
  if (facts.running === undefined || facts.transient) return 'nothing';
  if (isPending(facts)) return 'cold restart';
  const boot = facts.guest?.bootId;
  const wasRead = (entry: Entry) => entry.kind === 'guest-file' && entry.updatesGrub && entry.boot !== boot;
  return undone.some(wasRead) ? 'guest reboot' : 'nothing';
}
