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
import { type Beside, ShownRecords } from './record-lines.ts';
import { parseSince } from './since.ts';
import type { SiteOptions } from './site.ts';
import { type StateOptions, stateDirectory } from './state-directory.ts';
import { isShown, nothingShown, type Showing, type Shown, shownGap, showStored, storeIfThere } from './stored.ts';

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
    /** `event`, `gap`, or what `serve` records. */
    readonly kind?: readonly string[];
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
  if (options.kind !== undefined && (options.stats === true || options.output === 'csv')) {
    throw new HostError('usage', '--stats and CSV are about firewall events alone: --kind does not go with them');
  }
  const site = await CurrentSite.read(directory, options);
  const ends = options.guest === undefined ? undefined : await endsOf(options.guest, directory, options);
  const filter = { ...filterOf(options), ...(ends !== undefined && { ends }) };
  const state = stateDirectory(options);
  const kinds = options.kind && new Set(options.kind);
  const showing = { format: options.output, attribute: site.attribute, refresh: () => site.refresh(), kinds };
  const records = recordsFor(state, filter, options, kinds);
  try {
    const shown = await showNow(state, filter, options, showing, records);
    if (options.follow !== true) return exitCodes.fine;
    return await untilInterrupted(async (signal) => {
      const besides = () => (records?.next({ isLast: false }) ?? []).map(({ line }) => line);
      await showStored(state, filter, signal, showing, shown, besides);
      return exitCodes.fine;
    });
  } catch (error) {
    throw storeError(state, error);
  } finally {
    records?.close();
  }
}

/** Undefined where nothing that `serve` records can be meant: CSV has rows of one kind, and totals and packets are of events. */
function recordsFor(
  state: string,
  { since, until, port, ends, ...ofPackets }: EventFilter,
  { guest, output, stats }: EventsOptions,
  kinds: ReadonlySet<string> | undefined,
): ShownRecords | undefined {
  if (output === 'csv' || stats === true || Object.keys(ofPackets).length > 0) return undefined;
  const asked = { since, until, kinds, port };
  const filter = guest === undefined ? asked : { ...asked, guest: { name: guest, ports: ends?.ports ?? [] } };
  return new ShownRecords(state, filter, output);
}

/** Where nobody ever stored an event there may be records. @throws HostError 'store-absent' when there is neither */
async function showNow(
  state: string,
  filter: EventFilter,
  { stats, output, follow }: EventsOptions,
  showing: Showing,
  records: ShownRecords | undefined,
): Promise<Shown> {
  const besides = records?.next({ isLast: follow !== true }) ?? [];
  const reader = records?.isThere === true ? storeIfThere(state) : new StoreReader(state);
  if (reader === undefined) {
    tell(`there is no event store in ${state} yet: this is what \`serve\` recorded`);
    await printLines(besides.map(({ line }) => line));
    return nothingShown;
  }
  try {
    return await reader.still(async () => {
      if (stats === true) showTotals(reader, filter, output);
      else await showAll(reader, filter, showing, besides);
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

/** Where a guest is seen: at its port, as long as it has one, and wherever its addresses are. */
async function endsOf(name: string, directory: string | undefined, options: InputOptions): Promise<Ends> {
  const { value } = await readInputs(directory, options);
  const bound = value === undefined ? [] : (bindGuests(value.policy, value.host).value?.guests ?? []);
  const ports = bound.flatMap((guest) => (guest.name === name ? [guest.port.name] : []));
  const guests = value?.policy.guests ?? [];
  const found = guests.filter((guest) => guest.name === name);
  if (found.length > 0) return { ports, addresses: found.flatMap(({ addresses }) => addresses) };
  const known = guests.map((guest) => guest.name).join(', ');
  throw new HostError('usage', `no guest is named '${name}'${known === '' ? '' : `; there are ${known}`}`);
}

async function showAll(
  reader: StoreReader,
  filter: EventFilter,
  showing: Showing,
  records: readonly Beside[],
): Promise<void> {
  const { format, attribute } = showing;
  if (format === 'csv') print(csvHeader.map(csvCell).join(','));
  const gaps = isShown(showing, 'gap') ? reader.gaps(filter) : [];
  const besides = [
    ...records,
    ...gaps.flatMap((gap) => shownGap(gap, format).map((line) => ({ wall: timeOf(gap), line }))),
  ].sort((a, b) => a.wall - b.wall);
  let next = 0;
  let lines: string[] = [];
  for (const event of isShown(showing, 'event') ? reader.events(filter) : []) {
    for (; (besides[next]?.wall ?? Number.POSITIVE_INFINITY) <= (event.wall ?? 0); next++) {
      lines.push(besides[next]?.line ?? '');
    }
    lines.push(printed(format, attribute(event)));
    if (lines.length < atOnce) continue;
    await printLines(lines);
    lines = [];
  }
  await printLines([...lines, ...besides.slice(next).map(({ line }) => line)]);
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
