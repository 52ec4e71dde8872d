// ufw's state, its start-up errors, its log and the ways of SSH through it, as lines for people.
import { type Family, printIp } from '../model/ip.ts';
import { unreachable } from '../model/unreachable.ts';
import type { EnablePlan } from '../ufw/enable.ts';
import { meaningOf } from '../ufw/error-meaning.ts';
import type { Finding, Judged, UfwCommand, WayIn } from '../ufw/lockout.ts';
import type { LoadState } from '../ufw/read-machine.ts';
import { type LogRule, linesLeft } from '../ufw/sampling.ts';
import type { Settings } from '../ufw/settings.ts';
import type { FoundError } from '../ufw/startup-errors.ts';
import { escaped } from './escaped.ts';

/** Errors that mean the same are named once, with the lines where they stand. */
export function kindsOf(found: readonly FoundError[]): readonly string[] {
  if (found.length === 0) return ['start       no errors'];
  const groups = Map.groupBy(found, ({ error }) => meaningOf(error).what);
  return [...groups].map(([what, errors]) => {
    const [first] = errors;
    if (first === undefined) return what;
    const { harmless, why } = meaningOf(first.error);
    const lines = errors.map(({ line }) => line);
    const place = `line${lines.length === 1 ? '' : 's'} ${lines.slice(0, 8).join(', ')}${lines.length > 8 ? ', …' : ''}`;
    return `${(harmless ? 'harmless' : 'HARMFUL').padEnd(10)}  ${escaped(what)} (${place}): ${why}`;
  });
}

export function stateLine(family: Family, state: LoadState, { enabled, ipv6 }: Settings): string {
  const head = `filter      IPv${family}: `;
  if (family === 6 && !ipv6) {
    const closed = 'IPV6=no in /etc/default/ufw: ufw then closes IPv6 for everything but the loopback';
    return `${head}${enabled ? closed : `${closed}, once it is on`}`;
  }
  switch (state.kind) {
    case 'loaded':
      return `${head}loaded`;
    case 'parts':
      return `${head}only parts are loaded: ${state.why}`;
    case 'absent':
      return `${head}${enabled ? 'NOT loaded, though ufw is to be on' : 'not loaded: ufw is off'}`;
    case 'unknown':
      return `${head}cannot be read: ${escaped(state.why)}`;
    default:
      return unreachable(state);
  }
}

/** What a limit hides, with the figures of this limit. */
export function logLines(level: string, rules: readonly LogRule[], areLoaded: boolean): readonly string[] {
  const head = `logging     ${escaped(level)}`;
  if (level === 'off') return [`${head}: no packet leaves a line`];
  const sampled = rules.filter(({ limit }) => limit !== undefined);
  const where = areLoaded ? 'loaded' : 'to be loaded';
  if (rules.length === 0) return [`${head}: no LOG rules are ${where}`];
  if (sampled.length === 0) return [`${head}: no LOG rule is limited (${rules.length} ${where})`];
  return [
    `${head}: sampled, ${sampled.length} of ${rules.length} LOG rules ${where} are limited`,
    ...limitLines(sampled),
  ];
}

function limitLines(sampled: readonly LogRule[]): readonly string[] {
  const kinds = Map.groupBy(sampled, ({ limit }) => `limit ${limit?.text} burst ${limit?.burst}`);
  const lines = [...kinds].flatMap(([text, rules]) => {
    const limit = rules[0]?.limit;
    if (limit === undefined) return [];
    const prefixes = [...new Set(rules.map(({ prefix }) => prefix))].join(', ');
    const scan = `a scan of 1,000 ports leaves ${linesLeft(limit, 1_000, 100)} lines at 100 packets/s, ${linesLeft(limit, 1_000, 5)} at 5/s`;
    return [`            ${text}: ${escaped(prefixes)}; ${scan}`];
  });
  return [
    ...lines,
    '            each rule has one bucket for all senders: while one of them empties it, the others are hidden',
    '            `ufw logging high` leaves a line for every packet that is blocked, and a flood then fills the disk',
  ];
}

export function enableLines({ judged, ssh }: EnablePlan): readonly string[] {
  const none = ['no sshd listens here, and nobody came by SSH: nobody can be locked out'];
  return [
    ...(judged.length === 0 ? none : judged.map(judgedLine)),
    ...ssh.idlePorts.map((port) => `note    sshd is configured for port ${port}, and nobody listens there now`),
  ];
}

function judgedLine({ way, finding, open }: Judged): string {
  const isPlain = finding.kind === 'passes';
  const mark = open ? (isPlain ? 'open' : 'careful') : 'CLOSED';
  return `${mark.padEnd(7)} ${wayText(way)}: ${escaped(findingWords(way, finding))}`;
}

function wayText({ why, family, port, client, server, iif }: WayIn): string {
  if (why === 'listener')
    return `IPv${family} port ${port}${server === undefined ? '' : ` on ${printIp(server)}`}, where sshd listens`;
  const from = client === undefined ? '' : ` from ${printIp(client)}`;
  return `IPv${family} port ${port}, session${from}${iif === undefined ? '' : ` by ${escaped(iif)}`}`;
}

export function findingWords({ why }: WayIn, finding: Finding): string {
  switch (finding.kind) {
    case 'passes':
      return 'allowed';
    case 'limited':
      return `allowed, but not too often (${finding.by})`;
    case 'partly':
      return why === 'listener' ? `allowed for some only (${finding.by})` : `depends on the interface (${finding.by})`;
    case 'unsure':
      return `may be stopped by a rule that is not understood here (${finding.by})`;
    case 'blocked':
      return `stopped by ${finding.by}`;
    case 'forgotten':
      return 'allowed by a line that ufw did not write and leaves out when it writes its rules the next time';
    case 'ipv6-closed':
      return 'IPV6=no in /etc/default/ufw: ufw closes IPv6; set IPV6=yes there if it is to stay open';
    default:
      return unreachable(finding);
  }
}

export function commandText(command: UfwCommand): string {
  return ['ufw', ...command].join(' ');
}

export function whereText(host: string): string {
  return host === '' ? '' : ` on ${host}`;
}
