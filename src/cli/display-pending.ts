// What a guest's settings still wait for: also what an earlier run left for the next start is said again.
import type { Entry } from '../display/live/journal.ts';
import { type DisplayFacts, isPending, type Step } from '../display/plan.ts';

export type Pending = 'nothing' | 'guest reboot' | 'cold restart';

/** @param entries of the journal; GRUB's settings of this start of the guest are read at the next one only */
export function pendingNeeds(facts: DisplayFacts, steps: readonly Step[], entries: readonly Entry[]): Pending {
  if (facts.running === undefined) return 'nothing';
  if (isPending(facts) || steps.some(({ needs }) => needs === 'cold restart')) return 'cold restart';
  const waits = steps.some(({ needs }) => needs === 'guest reboot') || entries.some((entry) => isUnread(entry, facts));
  return waits ? 'guest reboot' : 'nothing';
}

function isUnread(entry: Entry, { guest }: DisplayFacts): boolean {
  return entry.kind === 'guest-file' && entry.updatesGrub && entry.boot !== undefined && entry.boot === guest?.bootId;
}
