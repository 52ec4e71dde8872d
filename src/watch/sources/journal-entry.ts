// One journal entry -> a record, journald's own word about loss, or nothing.
import { plainBootId } from './boot-clock.ts';
import type { JournalEntry } from './export-format.ts';
import { type Gap, mayBeLogLine, type Point, type SourceItem } from './source.ts';

export const journalFields = [
  '__CURSOR',
  '__REALTIME_TIMESTAMP',
  '__MONOTONIC_TIMESTAMP',
  '_BOOT_ID',
  '_TRANSPORT',
  '_SOURCE_MONOTONIC_TIMESTAMP',
  'SYSLOG_FACILITY',
  'MESSAGE_ID',
  'MESSAGE',
] as const;

/** SD_MESSAGE_JOURNAL_MISSED (sd-messages.h). */
export const missedId = 'e9bf28e6e834481bb6f48f548ad13606';

/** `exactCount`: old versions of journald counted one too few. */
export function journalItem(entry: JournalEntry, exactCount: boolean): SourceItem | undefined {
  const transport = entry._TRANSPORT?.toString('latin1');
  // programs may write any MESSAGE_ID, but none of the fields that begin with an underscore
  if (transport === 'driver') return missed(entry, exactCount);
  const text = entry.MESSAGE;
  if (transport !== 'kernel' || text === undefined || !mayBeLogLine(text)) return undefined;
  const epoch = plainBootId(entry._BOOT_ID?.toString('latin1') ?? '');
  const us = numberOf(entry._SOURCE_MONOTONIC_TIMESTAMP);
  const wall = wallOf(entry, us);
  const facility = numberOf(entry.SYSLOG_FACILITY);
  return {
    kind: 'record',
    // what programs write into /dev/kmsg has _TRANSPORT=kernel too, and facility 1 or more
    trust: facility === 0 ? 3 : 1,
    ...(epoch !== undefined && { epoch }),
    ...(us !== undefined && { us }),
    ...(wall !== undefined && { wall }),
    ...(facility !== undefined && { facility }),
    text,
  };
}

/** When the kernel said this, by its own clock. */
export function kernelPoint(entry: JournalEntry): Point | undefined {
  const us = numberOf(entry._SOURCE_MONOTONIC_TIMESTAMP);
  const epoch = plainBootId(entry._BOOT_ID?.toString('latin1') ?? '');
  if (us === undefined || epoch === undefined) return undefined;
  const wall = wallOf(entry, us);
  return { epoch, us, ...(wall !== undefined && { wall }) };
}

/** When the kernel spoke, not when journald heard it: at its start it reads what is minutes old. */
function wallOf(entry: JournalEntry, us: number | undefined): number | undefined {
  const heard = numberOf(entry.__REALTIME_TIMESTAMP);
  const monotonic = numberOf(entry.__MONOTONIC_TIMESTAMP);
  if (heard === undefined) return undefined;
  const delay = us === undefined || monotonic === undefined ? 0 : Math.max(0, monotonic - us);
  return Math.round((heard - delay) / 1000);
}

function missed(entry: JournalEntry, exactCount: boolean): Gap | undefined {
  if (entry.MESSAGE_ID?.toString('latin1') !== missedId) return undefined;
  const said = entry.MESSAGE?.toString('latin1') ?? '';
  const count = Number(/^Missed (\d{1,15}) kernel messages/.exec(said)?.[1]);
  const us = numberOf(entry.__MONOTONIC_TIMESTAMP);
  const wall = wallOf(entry, undefined);
  const epoch = plainBootId(entry._BOOT_ID?.toString('latin1') ?? '');
  const before = {
    ...(epoch !== undefined && { epoch }),
    ...(us !== undefined && { us }),
    ...(wall !== undefined && { wall }),
  };
  const lost = Number.isNaN(count) ? 'unknown' : exactCount ? { exact: count } : { atLeast: count };
  return { kind: 'gap', lost, reason: 'missed', between: { before }, said };
}

function numberOf(value: Buffer | undefined): number | undefined {
  const text = value?.toString('latin1') ?? '';
  return /^\d{1,16}$/.test(text) ? Number(text) : undefined;
}
