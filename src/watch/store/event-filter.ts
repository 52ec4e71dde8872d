// Which events are asked for -> SQL conditions with values apart from the text. Columns come with their table: other tables
// may stand beside it.
import { ipWidth } from '../../model/ip.ts';
import type { IpRange, IpSet } from '../../model/ip-set.ts';
import type { LogAction } from '../../model/log-event.ts';
import { addressBytes, type Column } from './event-row.ts';

/** What may be at one side of a packet: one of these ports, or one of these addresses as source or destination. */
export type Ends = { readonly ports: readonly string[]; readonly addresses: IpSet };

export type EventFilter = {
  /** Milliseconds since 1970, both included. */
  readonly since?: number;
  readonly until?: number;
  readonly rule?: number;
  /** A bridge port, or an interface where there is no bridge; on either side. */
  readonly port?: string;
  readonly address?: IpRange;
  /** A guest: its ports, or its addresses wherever they are seen. */
  readonly ends?: Ends;
  readonly action?: LogAction;
  /** With what the prefix begins. */
  readonly prefix?: string;
  /** TCP or UDP. */
  readonly dport?: number;
  readonly host?: string;
  readonly afterId?: number;
};

export type Condition = { readonly sql: string; readonly values: readonly Column[] };

export function conditionOf(filter: EventFilter): Condition {
  const { since, until, rule, port, address, ends, action, prefix, dport, host, afterId } = filter;
  return all([
    ...(since === undefined ? [] : [condition('event.wall >= ?', since)]),
    ...(until === undefined ? [] : [condition('event.wall <= ?', until)]),
    ...(rule === undefined ? [] : [condition('event.rule = ?', rule)]),
    ...(port === undefined ? [] : [atPorts([port])]),
    ...(address === undefined ? [] : [ofAddress(address)]),
    ...(ends === undefined ? [] : [ofEnds(ends)]),
    ...(action === undefined ? [] : [condition('event.action = ?', action)]),
    ...(prefix === undefined ? [] : [condition('substr(event.prefix, 1, ?) = ?', [...prefix].length, prefix)]),
    ...(dport === undefined ? [] : [condition('event.dport = ?', dport)]),
    ...(host === undefined ? [] : [condition('event.host = ?', host)]),
    ...(afterId === undefined ? [] : [condition('event.id > ?', afterId)]),
  ]);
}

function condition(sql: string, ...values: readonly Column[]): Condition {
  return { sql, values };
}

function all(conditions: readonly Condition[]): Condition {
  return { sql: joined(conditions, ' AND ', '1'), values: conditions.flatMap(({ values }) => values) };
}

function any(conditions: readonly Condition[]): Condition {
  return { sql: `(${joined(conditions, ' OR ', '0')})`, values: conditions.flatMap(({ values }) => values) };
}

function joined(conditions: readonly Condition[], word: string, none: string): string {
  return conditions.length === 0 ? none : conditions.map(({ sql }) => sql).join(word);
}

function atPorts(ports: readonly string[]): Condition {
  const places = ports.map(() => '?').join(', ');
  return any(
    ['event.iif', 'event.oif', 'event.physin', 'event.physout'].map((column) =>
      condition(`${column} IN (${places})`, ...ports),
    ),
  );
}

function ofEnds({ ports, addresses }: Ends): Condition {
  return any([...(ports.length === 0 ? [] : [atPorts(ports)]), ...addresses.map(ofAddress)]);
}

/** Addresses of one family have one length, and stand in the order of their numbers. */
function ofAddress({ family, first, last }: IpRange): Condition {
  const values = [addressBytes({ family, bits: first }), addressBytes({ family, bits: last }), ipWidth[family] / 8];
  return any(
    ['event.src', 'event.dst'].map((column) =>
      condition(`(${column} BETWEEN ? AND ? AND length(${column}) = ?)`, ...values),
    ),
  );
}
