// From /dev/kmsg into the journal: does journald run, does it read, and does it keep what it reads?
import type { Facts } from './facts.ts';
import { levelNames } from './journald-settings.ts';
import { usualLevel } from './log-rules.ts';
import { type Sightings, sightingsAt } from './sightings.ts';
import type { Cause, State, Verdict } from './verdict.ts';

/** Losses of the last day are worth a word; older ones are in the journal for who looks for them. */
const recentSeconds = 24 * 3600;
/** A record of this age has had its time to get there. */
const settledSeconds = 5;

export function decideJournal(facts: Facts, kmsg: Verdict, probe: Sightings | undefined): Verdict {
  const { running, expected, missed } = facts.journal;
  const seen = sightingsAt(probe, 'journal');
  if (!running && !expected) return verdict('absent', 'no-journald', 'no journald runs, and init is not systemd');
  if (!running) return verdict('broken', 'journald-down', 'systemd is here, and no systemd-journald runs');
  const fault = seen === undefined || seen === 0 ? (settingFault(facts) ?? kmsgFault(facts, kmsg)) : undefined;
  if (fault !== undefined) return fault;
  const lost = missed !== undefined && missed.secondsAgo < recentSeconds ? missed : undefined;
  if (lost !== undefined) return verdict('broken', 'journald-missed', `${ago(lost.secondsAgo)} it said: ${lost.text}`);
  if (seen === 0) return verdict('broken', 'not-arrived', 'journald runs and should read, and does not have the probe');
  const behind = seen === undefined ? lagging(facts) : undefined;
  if (behind !== undefined) return verdict('broken', 'not-arrived', behind);
  return verdict('works', undefined, seen === undefined ? 'journald runs and reads the ring' : 'it has the probe');
}

function verdict(state: State, cause: Cause | undefined, evidence: string): Verdict {
  return { path: 'journal', state, ...(cause !== undefined && { cause }), evidence };
}

function settingFault({ journal, rules }: Facts): Verdict | undefined {
  const { settings } = journal;
  const { from } = settings;
  if (!settings.readKmsg) return verdict('broken', 'journald-reads-no-kmsg', `ReadKMsg=no in ${from.ReadKMsg}`);
  if (settings.storage === 'none')
    return verdict('broken', 'journald-stores-nothing', `Storage=none in ${from.Storage}`);
  const levels = rules.log.filter(({ group }) => group === undefined).map(({ level }) => level);
  const needed = Math.max(...(levels.length === 0 ? [usualLevel] : levels));
  if (settings.maxLevelStore >= needed) return undefined;
  const [kept, logged] = [levelNames[settings.maxLevelStore], levelNames[needed]];
  return verdict(
    'broken',
    'journald-level',
    `MaxLevelStore=${kept} in ${from.MaxLevelStore}; the rules log as ${logged}`,
  );
}

/** journald reads by this door only, and gives it up without a word. */
function kmsgFault({ ring, syslog }: Facts, kmsg: Verdict): Verdict | undefined {
  const { cause } = kmsg;
  if (cause !== 'kmsg-absent' && cause !== 'kmsg-refused' && cause !== 'kmsg-unreadable') return undefined;
  // what is refused to us need not be refused to journald
  if (cause === 'kmsg-refused' && ring.kmsgReaders.some(({ name }) => name.startsWith('systemd-journal')))
    return undefined;
  if (kmsg.state === 'unknown') return verdict('unknown', cause, kmsg.evidence);
  const covered = ring.dmesg === 'readable' && syslog.collector;
  const text = `journald runs; ${kmsg.evidence}`;
  if (covered) return verdict('absent', cause, `${text}; our collector keeps the lines in kern.log instead`);
  return verdict('broken', cause, text);
}

/** Without a probe: the ring's own records, as far as they are worth keeping, must be in the journal by now. */
function lagging({ ring, journal }: Facts): string | undefined {
  const { maxLevelStore } = journal.settings;
  const settled = ring.records.filter(({ age, level }) => age > settledSeconds && level <= maxLevelStore).at(-1);
  if (settled === undefined) return undefined;
  if (journal.newestUs === undefined) return 'journald runs, and the journal has no kernel record of this boot';
  if (journal.newestUs >= settled.us) return undefined;
  const seconds = Math.round((settled.us - journal.newestUs) / 1e6);
  return `the newest kernel record in the journal is ${seconds} s older than the ring's`;
}

function ago(seconds: number): string {
  if (seconds < 120) return `${Math.max(0, Math.round(seconds))} s ago`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min ago` : `${Math.round(seconds / 3600)} h ago`;
}
