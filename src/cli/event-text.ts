// Events and gaps as lines: for people, as JSON, as CSV. Names of interfaces are chosen by whoever may create them, so
// nothing of the log reaches a terminal unescaped.
import { type AttributedDoor, type Attribution, doubtText } from '../explain/attribution.ts';
import type { Span } from '../model/diagnostic.ts';
import { type Ip, printIp } from '../model/ip.ts';
import { type LogEvent, type LogPacket, portIn, portOut } from '../model/log-event.ts';
import { printMac } from '../model/mac.ts';
import { unreachable } from '../model/unreachable.ts';
import type { Gap, Lost, Point } from '../watch/sources/source.ts';
import { escaped, escapedJson } from './escaped.ts';
import { plainValue } from './explanation-json.ts';

/** What every printed event has, whether it has just come or was stored. */
export type PrintedEvent = {
  readonly id: number;
  readonly host: string;
  readonly epoch?: string | undefined;
  readonly us?: number | undefined;
  readonly wall?: number | undefined;
  readonly wallSpan?: number | undefined;
  readonly trust: number;
  readonly sources: readonly string[];
  readonly folded?: boolean | undefined;
  readonly event: LogEvent;
  /** Events of one packet share it. */
  readonly path?: number | undefined;
  /** Where host and policy are at hand. */
  readonly meaning?: Attribution;
};

export type PrintedGap = Gap & {
  readonly host: string;
  readonly source: string;
  /** By other sources. */
  readonly delivered?: number;
  readonly healed?: boolean;
};

/** In this machine's zone, as people read a log. */
export function timeText(wall: number | undefined): string {
  if (wall === undefined) return '-'.padEnd(23);
  const date = new Date(wall);
  const two = (number: number): string => String(number).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return `${day} ${time}.${String(date.getMilliseconds()).padStart(3, '0')}`;
}

function eventLine({ host, wall, event, meaning }: PrintedEvent): string {
  const { action, rule, prefix } = event;
  const who = rule === undefined ? prefix.trim() : `RULE ${rule}`;
  const marks = [
    ...(event.status === 'damaged' || event.status === 'cut' ? [event.status] : []),
    ...(event.ambiguous ? ['ambiguous'] : []),
  ];
  const words = [
    timeText(wall),
    ...(host === '' ? [] : [`${host}:`]),
    action.toUpperCase().padEnd(7),
    who,
    `${doorText(portIn(event), meaning?.from)} -> ${doorText(portOut(event), meaning?.to)}`,
    packetText(event),
    ...(meaning?.line === undefined ? [] : [shortPlace(meaning.line)]),
    ...(meaning?.doubt === undefined ? [] : [doubtText(meaning)]),
    ...(marks.length === 0 ? [] : [`(${marks.join(', ')})`]),
  ];
  return escaped(words.filter((word) => word !== '').join('  '));
}

function doorText(name: string, door: AttributedDoor | undefined): string {
  if (name === '') return 'host';
  return door?.guest === undefined ? name : `${name} (${door.guest})`;
}

function shortPlace({ file, line }: Span): string {
  return `${file.split('/').at(-1) ?? file}:${line}`;
}

function packetText({ packet, arp }: LogEvent): string {
  if (arp !== undefined) {
    const { senderIp, senderMac, targetIp } = arp;
    const mac = senderMac === null || senderMac === undefined ? '' : ` (${printMac(senderMac)})`;
    return `ARP ${addressText(senderIp)}${mac} -> ${addressText(targetIp)}`;
  }
  if (packet === undefined) return '';
  return `${addressText(packet.src)} -> ${addressText(packet.dst)} ${transportText(packet)}`.trimEnd();
}

function addressText(ip: Ip | null | undefined): string {
  return ip === null || ip === undefined ? '?' : printIp(ip);
}

const protocols: Readonly<Record<number, string>> = {
  1: 'ICMP',
  6: 'TCP',
  17: 'UDP',
  50: 'ESP',
  51: 'AH',
  58: 'ICMPv6',
};

function transportText({ protocol, sport, dport, flags, icmpType, icmpCode }: LogPacket): string {
  if (protocol === null || protocol === undefined) return '';
  const name = protocols[protocol] ?? `protocol ${protocol}`;
  if (dport !== null && dport !== undefined) {
    const set = flags === undefined || flags.length === 0 ? '' : ` ${flags.join(' ').toUpperCase()}`;
    return `${name} ${sport ?? '?'} -> ${dport}${set}`;
  }
  return icmpType === null || icmpType === undefined ? name : `${name} type ${icmpType} code ${icmpCode ?? '?'}`;
}

export function gapLine(gap: PrintedGap): string {
  const { host, source, lost, reason, between, said, delivered = 0, healed = false } = gap;
  const name = host === '' ? source : `${host}: ${source}`;
  const until = between.before?.wall ?? between.after?.wall;
  const others = healed
    ? '; other sources had all of them'
    : delivered > 0
      ? `; ${delivered} events by other sources`
      : '';
  const words = `${timeText(until)}  ${name}: ${lostText(lost)} (${reason}${said === undefined ? '' : `: ${said}`})${others}`;
  return escaped(words);
}

/** What is lost are messages: of how many of them were firewall lines nobody knows. */
function lostText(lost: Lost): string {
  if (lost === 'unknown') return 'lost messages, nobody knows how many';
  if (lost === 'notCovered') return 'nobody looked here';
  return 'exact' in lost ? `lost ${lost.exact} messages` : `lost at least ${lost.atLeast} messages`;
}

/** One line, versioned: `version` changes when a reader of an older form could be misled. */
function eventJson(printed: PrintedEvent): string {
  const { id, host, epoch, us, wall, wallSpan, trust, sources, folded, event, path, meaning } = printed;
  const json = JSON.stringify(
    {
      version: 1,
      kind: 'event',
      id,
      time: isoTime(wall),
      ...(wallSpan !== undefined && wallSpan > 0 && { timeSpanMs: wallSpan }),
      us,
      boot: epoch,
      host,
      trust,
      sources,
      ...(folded === true && { folded }),
      ...event,
      path,
      meaning,
    },
    plainValue,
  );
  return escapedJson(json);
}

export function gapJson(gap: PrintedGap): string {
  const { host, source, lost, reason, between, said, delivered, healed } = gap;
  const point = (one: Point | undefined): object | undefined =>
    one && { time: isoTime(one.wall), boot: one.epoch, us: one.us, sequence: one.sequence };
  const after = point(between.after);
  const before = point(between.before);
  const json = JSON.stringify({
    version: 1,
    kind: 'gap',
    host,
    source,
    lost,
    reason,
    said,
    after,
    before,
    delivered,
    healed,
  });
  return escapedJson(json);
}

function isoTime(wall: number | undefined): string | undefined {
  return wall === undefined ? undefined : new Date(wall).toISOString();
}

export const csvHeader = [
  ...['id', 'time', 'host', 'action', 'rule', 'prefix', 'in', 'out', 'physin', 'physout', 'smac', 'dmac'],
  ...['src', 'dst', 'protocol', 'sport', 'dport', 'status', 'trust', 'sources', 'text'],
  ...['rule_id', 'policy_line', 'bridge', 'guest_in', 'guest_out', 'finding', 'culprit', 'victims', 'suspect'],
];

function printSpan({ file, line, column }: Span): string {
  return `${file}:${line}:${column}`;
}

/** RFC 4180. */
function eventCsv({ id, host, wall, trust, sources, event, meaning }: PrintedEvent): string {
  const { action, rule, prefix, iif, oif, physin, physout, mac, arp, packet, status, raw } = event;
  const macText = (number: number | null | undefined): string =>
    number === null || number === undefined ? '' : printMac(number);
  const ipText = (ip: Ip | null | undefined): string => (ip === null || ip === undefined ? '' : printIp(ip));
  const cells = [
    ...[id, isoTime(wall), host, action, rule, prefix, iif, oif, physin, physout],
    ...[macText(mac?.source ?? arp?.senderMac), macText(mac?.destination ?? arp?.targetMac)],
    ...[ipText(packet?.src ?? arp?.senderIp), ipText(packet?.dst ?? arp?.targetIp)],
    ...[packet?.protocol, packet?.sport, packet?.dport, status, trust, sources.join(' '), raw],
    ...[meaning?.rule, meaning?.line && printSpan(meaning.line), meaning?.bridge],
    ...[meaning?.from.guest, meaning?.to.guest, meaning?.doubt, meaning?.culprit],
    ...[meaning?.victims.join(' '), meaning?.suspect],
  ];
  return cells.map((cell) => csvCell(cell === null || cell === undefined ? '' : String(cell))).join(',');
}

/** Spreadsheets take what begins with = + - @ for a formula, and a prefix may. */
export function csvCell(text: string): string {
  const safe = escaped(/^[=+\-@]/.test(text) ? `'${text}` : text);
  return /[",]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export type EventFormat = 'text' | 'json' | 'csv';

export function printed(format: EventFormat, event: PrintedEvent): string {
  switch (format) {
    case 'text':
      return eventLine(event);
    case 'json':
      return eventJson(event);
    case 'csv':
      return eventCsv(event);
    default:
      return unreachable(format);
  }
}
