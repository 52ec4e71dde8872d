// What ufw would load, and the ways by which SSH comes in -> whether somebody would be locked out, and the commands that
// are missing.
import { type Family, type Ip, printIp } from '../model/ip.ts';
import { unreachable } from '../model/unreachable.ts';
import { type Passage, passageOf } from './passage.ts';
import type { Rules } from './rules.ts';
import { isAnyAddress, type Listener, type Session, type SshFacts } from './sockets.ts';
import type { Tuple } from './tuple.ts';

/** A way in that must stay open, of one family. */
export type WayIn = {
  readonly why: 'session' | 'listener';
  readonly family: Family;
  readonly port: number;
  readonly client?: Ip;
  readonly server?: Ip;
  readonly iif?: string;
};

/** `forgotten`: it passes by a line that ufw would not write again. */
export type Finding = Passage | { readonly kind: 'forgotten' } | { readonly kind: 'ipv6-closed' };

export type Judged = { readonly way: WayIn; readonly finding: Finding; readonly open: boolean };

export type FamilyRules = {
  /** What will be loaded. */
  readonly now: Rules;
  /** What ufw will make of it the next time that it writes its rules. */
  readonly later: Rules;
  readonly tuples: readonly Tuple[];
};

/** `undefined` for IPv6: ufw is told to leave it alone, which closes it. */
export type BothRules = { readonly 4: FamilyRules; readonly 6: FamilyRules | undefined };

/** A socket on `::` takes IPv4 as well. */
export function waysIn({ sessions, listeners }: Pick<SshFacts, 'sessions' | 'listeners'>): readonly WayIn[] {
  const ways = [...sessions.map(sessionWay), ...listeners.flatMap(listenerWays)];
  const keys = ways.map((way) => JSON.stringify({ ...way, client: ipKey(way.client), server: ipKey(way.server) }));
  return ways.filter((_way, at) => keys.indexOf(keys[at] ?? '') === at);
}

function ipKey(ip: Ip | undefined): string {
  return ip === undefined ? '' : printIp(ip);
}

function sessionWay({ client, server, iif }: Session): WayIn {
  const own = client.ip.bits === server.ip.bits ? 'lo' : iif;
  return {
    why: 'session',
    family: client.ip.family,
    port: server.port,
    client: client.ip,
    server: server.ip,
    ...(own !== undefined && { iif: own }),
  };
}

function listenerWays({ server: { ip, port } }: Listener): readonly WayIn[] {
  const way = (family: Family, server?: Ip): WayIn => ({
    why: 'listener',
    family,
    port,
    ...(server !== undefined && { server }),
  });
  if (!isAnyAddress(ip)) return [way(ip.family, ip)];
  return ip.family === 4 ? [way(4)] : [way(4), way(6)];
}

export function judge(ways: readonly WayIn[], rules: BothRules): readonly Judged[] {
  return ways.map((way) => {
    const finding = findingOf(way, rules[way.family]);
    return { way, finding, open: isOpen(way, finding) };
  });
}

function findingOf(way: WayIn, rules: FamilyRules | undefined): Finding {
  if (rules === undefined) return way.iif === 'lo' ? { kind: 'passes' } : { kind: 'ipv6-closed' };
  const now = passageThrough(rules.now, way);
  if (!isOpen(way, now)) return now;
  return isOpen(way, passageThrough(rules.later, way)) ? now : { kind: 'forgotten' };
}

export function passageThrough(rules: Rules, { client, server, iif, port }: WayIn): Passage {
  return passageOf(rules, {
    dport: port,
    ...(client !== undefined && { saddr: client }),
    ...(server !== undefined && { daddr: server }),
    ...(iif !== undefined && { iif }),
  });
}

/**
 * Somebody is there in a session, and has to come in again for certain; where sshd merely listens it is enough that some
 * come in. IPv6 that is closed on purpose is a loss only for who came by it.
 */
function isOpen({ why }: WayIn, finding: Finding): boolean {
  switch (finding.kind) {
    case 'passes':
    case 'limited':
      return true;
    case 'partly':
    case 'unsure':
    case 'ipv6-closed':
      return why === 'listener';
    case 'blocked':
    case 'forgotten':
      return false;
    default:
      return unreachable(finding);
  }
}

/** Lines that come before the user's rules, or in another table, are stronger than any rule of ufw's. */
function isOpenedByUfw(finding: Finding): boolean {
  if (finding.kind === 'ipv6-closed') return false;
  if (!('by' in finding)) return true;
  return /^the policy of INPUT:|-(?:user|after|reject|skip-to-policy|track)-/.test(finding.by);
}

/** The words of one `ufw` command; `prepend` stands before a rule that would come too late. */
export type UfwCommand = readonly string[];

/** What would open the ways that are closed; none for those that no rule of ufw's can open. */
export function missingCommands(judged: readonly Judged[], rules: BothRules): readonly UfwCommand[] {
  const closed = judged.filter(({ open, finding }) => !open && isOpenedByUfw(finding));
  const ports = [...new Set(closed.map(({ way }) => way.port))];
  return ports.flatMap((port) => {
    const here = closed.filter(({ way }) => way.port === port);
    const listeners = here.filter(({ way }) => way.why === 'listener');
    const sources = listeners.length > 0 ? [anySource(listeners, rules)] : [];
    const covered = new Set(listeners.map(({ way }) => way.family));
    // where everybody is let in, the client of the session is among them
    const clients = here.filter(({ way }) => way.why === 'session' && !covered.has(way.family));
    const names = [...sources, ...new Set(clients.map(({ way }) => ipKey(way.client)))];
    return names.flatMap((source) => commandsFor(source, port, here, rules));
  });
}

function anySource(listeners: readonly Judged[], rules: BothRules): string {
  const families = new Set(listeners.map(({ way }) => way.family));
  if (families.size === 2 || rules[6] === undefined) return 'any';
  return families.has(4) ? '0.0.0.0/0' : '::/0';
}

/** A rule that is there already is not put first by ufw: it has to be taken away before. */
function commandsFor(source: string, port: number, closed: readonly Judged[], rules: BothRules): readonly UfwCommand[] {
  const rule = ['allow', 'from', source, 'to', 'any', 'port', `${port}`, 'proto', 'tcp'];
  const families: readonly Family[] = source === 'any' ? [4, 6] : [source.includes(':') ? 6 : 4];
  const tuples = families.flatMap((family) => (rules[family]?.tuples ?? []).map((tuple) => ({ tuple, family })));
  const isThere = tuples.some(({ tuple, family }) => isSameRule(tuple, family, source, port));
  const isStopped = closed.some(({ way, finding }) => families.includes(way.family) && stopsBefore(finding));
  if (!isStopped) return [rule];
  return [...(isThere ? [['delete', ...rule]] : []), ['prepend', ...rule]];
}

/** By a rule, not by the policy at the end: one more rule behind it would change nothing. */
function stopsBefore(finding: Finding): boolean {
  return (
    (finding.kind === 'blocked' || finding.kind === 'unsure' || finding.kind === 'partly') &&
    /-user-(?:input|limit)/.test(finding.by)
  );
}

function isSameRule(
  { action, protocol, dport, dst, sport, src, ...rest }: Tuple,
  family: Family,
  source: string,
  port: number,
): boolean {
  const everywhere = family === 4 ? '0.0.0.0/0' : '::/0';
  const from = source === 'any' ? everywhere : source;
  const isPlain =
    !rest.routed && rest.direction === 'in' && rest.iif === undefined && rest.dapp === '-' && rest.sapp === '-';
  const isAllowed = action === 'allow' && protocol === 'tcp' && dport === `${port}` && sport === 'any';
  return isPlain && isAllowed && dst === everywhere && src === from;
}
