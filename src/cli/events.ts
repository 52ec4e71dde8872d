// `events`: what is in the store, as lines, JSON, CSV or totals; `--follow` goes on with what comes.
import { bindGuests } from '../compile/ground.ts';
import { HostError } from '../model/host-error.ts';
import { parsePrefix, printIp } from '../model/ip.ts';
import { type IpRange, prefixRange } from '../model/ip-set.ts';
import type { LogAction } from '../model/log-event.ts';
import { storeError } from '../watch/store/database.ts';
import type { Ends, EventFilter } from '../watch/store/event-filter.ts';
import { printTotals, type Statistics, statistics } from '../watch/store/statistics.ts';
import { type KnownGap, StoreReader } from '../watch/store/store-reader.ts';
import { CurrentSite } from './current-site.ts';
import { escaped } from './escaped.ts';
import { csvCell, csvHeader, type EventFormat, gapLine, printed, timeText } from './event-text.ts';
import { exitCodes } from './exit-codes.ts';
import { type InputOptions, readInputs } from './input.ts';
import { untilInterrupted } from './interrupted.ts';
import { print, printJson, table, tell } from './output.ts';
import { printLines } from './print-lines.ts';
import { parseSince } from './since.ts';
import type { SiteOptions } from './site.ts';
import { type StateOptions, stateDirectory } from './state-directory.ts';
import { type Showing, type Shown, shownGap, showStored } from './stored.ts';

export const verdicts: readonly LogAction[] = ['deny', 'accept', 'limit', 'audit', 'reject', 'unknown'];

export type EventsOptions = StateOptions &
  SiteOptions & {
    readonly since?: string;
    readonly until?: string;
    readonly rule?: number;
    /** A bridge port. */
    readonly port?: string;
    readonly guest?: string;
    /** An address or a prefix. */
    readonly address?: string;
    readonly verdict?: LogAction;
    readonly prefix?: string;
    readonly dport?: number;
    readonly follow?: boolean;
    readonly stats?: boolean;
    readonly output: EventFormat;
  };

const atOnce = 500;
/** Of each kind of total. */
const mostTotals = 20;

/** `directory` says where the facts about a `--guest` are, as with the other commands. */
export async function events(directory: string | undefined, options: EventsOptions): Promise<number> {
  if (options.follow === true && (options.stats === true || options.until !== undefined)) {
    throw new HostError('usage', '--follow goes on without an end: neither --stats nor --until goes with it');
  }
  const site = await CurrentSite.read(directory, options);
  const ends = options.guest === undefined ? undefined : await endsOf(options.guest, directory, options);
  const filter = { ...filterOf(options), ...(ends !== undefined && { ends }) };
  const state = stateDirectory(options);
  const showing = { format: options.output, attribute: site.attribute, refresh: () => site.refresh() };
  try {
    const shown = await showNow(state, filter, options, showing);
    if (options.follow !== true) return exitCodes.fine;
    return await untilInterrupted(async (signal) => {
      await showStored(state, filter, signal, showing, shown);
      return exitCodes.fine;
    });
  } catch (error) {
    throw storeError(state, error);
  }
}

async function showNow(
  state: string,
  filter: EventFilter,
  { stats, output }: EventsOptions,
  showing: Showing,
): Promise<Shown> {
  const reader = new StoreReader(state);
  try {
    return await reader.still(async () => {
      if (stats === true) showTotals(reader, filter, output);
      else await showAll(reader, filter, showing);
      return reader.last();
    });
  } finally {
    reader.close();
  }
}

function filterOf(options: EventsOptions): EventFilter {
  const { since, until, rule, port, address, verdict, prefix, dport } = options;
  const now = Date.now();
  return {
    ...(since !== undefined && { since: parseSince(since, now) }),
    ...(until !== undefined && { until: parseSince(until, now) }),
    ...(rule !== undefined && { rule }),
    ...(port !== undefined && { port }),
    ...(address !== undefined && { address: rangeOf(address) }),
    ...(verdict !== undefined && { action: verdict }),
    ...(prefix !== undefined && { prefix }),
    ...(dport !== undefined && { dport }),
  };
}

function rangeOf(text: string): IpRange {
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw new HostError('usage', `'${text}' is no address and no prefix`);
  return prefixRange(prefix);
}

/** Where a guest is seen: at its port, and wherever its addresses are. */
async function endsOf(name: string, directory: string | undefined, options: InputOptions): Promise<Ends> {
  const { value } = await readInputs(directory, options);
  const guests = value === undefined ? [] : (bindGuests(value.policy, value.host).value?.guests ?? []);
  const found = guests.filter((guest) => guest.name === name);
  if (found.length > 0)
    return { ports: found.map(({ port }) => port.name), addresses: found.flatMap(({ ips }) => ips) };
  const known = guests.map((guest) => guest.name).join(', ');
  throw new HostError('usage', `no guest is named '${name}'${known === '' ? '' : `; there are ${known}`}`);
}

async function showAll(reader: StoreReader, filter: EventFilter, { format, attribute }: Showing): Promise<void> {
  if (format === 'csv') print(csvHeader.map(csvCell).join(','));
  const gaps = [...reader.gaps(filter)].sort((a, b) => timeOf(a) - timeOf(b));
  let lines: string[] = [];
  for (const event of reader.events(filter)) {
    while (gaps[0] !== undefined && timeOf(gaps[0]) <= (event.wall ?? 0)) {
      lines.push(...gaps.splice(0, 1).flatMap((gap) => shownGap(gap, format)));
    }
    lines.push(printed(format, attribute(event)));
    if (lines.length < atOnce) continue;
    await printLines(lines);
    lines = [];
  }
  await printLines([...lines, ...gaps.flatMap((gap) => shownGap(gap, format))]);
}

function timeOf({ between, stored }: KnownGap): number {
  return between.before?.wall ?? between.after?.wall ?? stored;
}

function showTotals(reader: StoreReader, filter: EventFilter, format: EventFormat): void {
  const totals = statistics(reader, filter, mostTotals);
  const gaps = reader.gaps(filter);
  if (format === 'json') printJson('event-totals', { ...printTotals(totals), gaps });
  else if (format === 'csv')
    print(
      totalRows(totals)
        .map((row) => row.map(csvCell).join(','))
        .join('\n'),
    );
  else print(totalText(totals));
  if (format !== 'json') for (const gap of gaps) tell(gapLine(gap));
}

function totalRows({ rules, sources, targets }: Statistics): readonly (readonly string[])[] {
  return [
    ['by', 'what', 'action', 'count'],
    ...rules.map(({ rule, prefix, action, count }) => ['rule', ruleName(rule, prefix), action, `${count}`]),
    ...sources.map(({ address, count }) => ['source', printIp(address), '', `${count}`]),
    ...targets.map(({ protocol, dport, count }) => ['target port', targetName(protocol, dport), '', `${count}`]),
  ];
}

function totalText({ total, first, last, rules, sources, targets }: Statistics): string {
  const span = total === 0 ? '' : ` from ${timeText(first)} to ${timeText(last)}`;
  const tables = [
    table(
      ['COUNT', 'VERDICT', 'RULE'],
      rules.map(({ rule, prefix, action, count }) => [
        `${count}`,
        action.toUpperCase(),
        escaped(ruleName(rule, prefix)),
      ]),
    ),
    table(
      ['COUNT', 'PORTS', 'LAST', 'SOURCE'],
      sources.map(({ address, count, ports, last: at }) => [`${count}`, `${ports}`, timeText(at), printIp(address)]),
    ),
    table(
      ['COUNT', 'SOURCES', 'TARGET PORT'],
      targets.map(({ protocol, dport, count, sources: from }) => [`${count}`, `${from}`, targetName(protocol, dport)]),
    ),
  ];
  return [`${total} events${span}`, ...(total === 0 ? [] : tables.map((lines) => `\n${lines.join('\n')}`))].join('\n');
}

function ruleName(rule: number | undefined, prefix: string): string {
  return rule === undefined ? prefix.trim() || '(no prefix)' : `RULE ${rule}`;
}

const protocolNames: Readonly<Record<number, string>> = { 1: 'icmp', 6: 'tcp', 17: 'udp', 58: 'icmpv6' };

function targetName(protocol: number | undefined, dport: number | undefined): string {
  if (protocol === undefined) return 'no IP protocol';
  const name = protocolNames[protocol] ?? `protocol ${protocol}`;
  return dport === undefined ? name : `${name}/${dport}`;
}
