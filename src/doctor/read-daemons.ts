// The shell's answers about journald, syslog daemons and ulogd -> facts.
import { type Answers, linesOf, ownNamespace } from './answers.ts';
import type { JournalFacts, LogFile, NflogFacts, SyslogFacts } from './facts.ts';
import type { ConfigFile } from './journald-settings.ts';
import { daemonAccounts } from './questions.ts';
import { ulogdConfig } from './ulogd-config.ts';

type Daemon = {
  readonly pid: number;
  readonly name: string;
  readonly command: string;
  /** Seconds since boot. */
  readonly began: number;
};

/** The kernel shows times of processes in this unit everywhere (USER_HZ). */
const ticksPerSecond = 100;

/**
 * Those of this pid namespace: a host also sees the daemons of its containers. Anybody may give a process any name and any
 * words; those count that root, or the account that is made for the daemon, has started.
 */
export function processesOf(all: Answers): readonly Daemon[] {
  const accounts = new Map(linesOf(all, 'accounts').map((line) => accountOf(line.split(':'))));
  const own = ownNamespace(all, 'pid');
  return linesOf(all, 'processes').flatMap((line) => {
    const [, pid, name = '', namespace, uid, ticks, command = ''] =
      /^(\d+) (\S+) (\S+) (\d+) (\d+) (.*)$/.exec(line) ?? [];
    const isHere = own === undefined || namespace === '-' || namespace === own;
    const isOfDaemon = uid === '0' || (daemonAccounts[name] ?? []).some((account) => accounts.get(account) === uid);
    if (pid === undefined || !isHere || !isOfDaemon) return [];
    return [{ pid: Number(pid), name, command: command.trim(), began: Number(ticks) / ticksPerSecond }];
  });
}

function accountOf([name = '', , uid]: readonly string[]): readonly [name: string, uid: string | undefined] {
  return [name, uid];
}

/** `now` in seconds since 1970, `uptime` in seconds; `boot` without dashes. */
type Clock = { readonly now: number; readonly uptime: number; readonly boot: string };

/** In the first seconds of its life journald counts as missed what the ring lost before there was a journald. */
const startSeconds = 3;

export function journalFacts(all: Answers, { now, uptime, boot }: Clock): Omit<JournalFacts, 'settings'> {
  const newest = exported(all, 'journal');
  const missed = exported(all, 'missed');
  const monotonic = newest.get('_SOURCE_MONOTONIC_TIMESTAMP');
  const isThisBoot = newest.get('_BOOT_ID') === boot;
  const when = Number(missed.get('__REALTIME_TIMESTAMP')) / 1e6;
  const text = missed.get('MESSAGE');
  // with a further word it is the daemon of another journal (systemd-journald@.service)
  const daemon = processesOf(all).find(
    ({ name, command }) => name.startsWith('systemd-journal') && !/ \S/.test(command),
  );
  const age = daemon === undefined ? 0 : uptime - daemon.began;
  const isLoss = text !== undefined && missed.get('_BOOT_ID') === boot && now - when < age - startSeconds;
  return {
    running: daemon !== undefined,
    outdated: daemon !== undefined && isOlder(daemon, changedIn(all, '/etc/systemd/'), { now, uptime }),
    expected: linesOf(all, 'marks').includes('/run/systemd/system'),
    newestUs: isThisBoot && monotonic !== undefined ? Number(monotonic) : undefined,
    missed: isLoss ? { text, secondsAgo: now - when } : undefined,
  };
}

/** One entry of the export format, as far as it is text. */
function exported(all: Answers, name: string): ReadonlyMap<string, string> {
  const pairs = linesOf(all, name).flatMap((line): readonly (readonly [string, string])[] => {
    const at = line.indexOf('=');
    return at > 0 ? [[line.slice(0, at), line.slice(at + 1)]] : [];
  });
  return new Map(pairs);
}

const syslogDaemons = ['rsyslogd', 'syslog-ng', 'syslogd', 'metalog'];

/** More than what whole seconds hide. */
const clockSeconds = 1.5;

function isOlder({ began }: Daemon, changed: number, { now, uptime }: Omit<Clock, 'boot'>): boolean {
  return changed > now - uptime + began + clockSeconds;
}

/** When configuration below a folder was last written, in seconds since 1970. */
function changedIn(all: Answers, folder: string): number {
  const times = linesOf(all, 'changed').flatMap((line) => {
    const [, time, path = ''] = /^(\d+) (.*)$/.exec(line) ?? [];
    return path.startsWith(folder) ? [Number(time)] : [];
  });
  return Math.max(0, ...times);
}

export function syslogFacts(all: Answers, { now, uptime }: Clock): Omit<SyslogFacts, 'rsyslog'> {
  const running = processesOf(all);
  const rsyslogd = running.find(({ name }) => name === 'rsyslogd');
  const programs = linesOf(all, 'installed').map((path) => path.slice(path.lastIndexOf('/') + 1));
  return {
    daemons: running.filter(({ name }) => syslogDaemons.includes(name)),
    outdated: rsyslogd !== undefined && isOlder(rsyslogd, changedIn(all, '/etc/rsyslog'), { now, uptime }),
    installed: programs.filter((name) => syslogDaemons.includes(name)),
    complaints: linesOf(all, 'complaints').filter((line) => /imklog|imkmsg|imjournal/.test(line)),
    files: linesOf(all, 'files').flatMap((line) => fileOf(line, now)),
    collector: running.some(({ name }) => name.startsWith('bridgekeeper-dm')),
  };
}

function fileOf(line: string, now: number): readonly LogFile[] {
  const [path = '', size, written, uid] = line.split(' ');
  if (uid === undefined) return [];
  return [{ path, size: Number(size), age: now - Number(written), uid: Number(uid) }];
}

export function nflogFacts(all: Answers, files: readonly ConfigFile[]): NflogFacts {
  return {
    heard: linesOf(all, 'groups-heard').flatMap((line) => {
      const [group] = line.trim().split(/\s+/);
      return group !== undefined && /^\d+$/.test(group) ? [Number(group)] : [];
    }),
    ulogd: processesOf(all).some(({ name }) => name === 'ulogd'),
    config: ulogdConfig(files.map(({ text }) => text).join('\n')),
  };
}
