// Totals of events: by rule, by source address, by target port.
import { type Ip, printIp } from '../../model/ip.ts';
import { conditionOf, type EventFilter } from './event-filter.ts';
import { addressOf, type Column, numberOf } from './event-row.ts';
import type { StoreReader } from './store-reader.ts';

export type RuleTotal = {
  readonly rule: number | undefined;
  readonly prefix: string;
  readonly action: string;
  readonly count: number;
};

export type SourceTotal = {
  readonly address: Ip;
  readonly count: number;
  /** Different target ports. */
  readonly ports: number;
  readonly first: number | undefined;
  readonly last: number | undefined;
};

export type TargetTotal = {
  readonly protocol: number | undefined;
  readonly dport: number | undefined;
  readonly count: number;
  /** Different source addresses. */
  readonly sources: number;
};

export type Statistics = {
  readonly total: number;
  readonly first: number | undefined;
  readonly last: number | undefined;
  readonly rules: readonly RuleTotal[];
  readonly sources: readonly SourceTotal[];
  readonly targets: readonly TargetTotal[];
};

type Row = Readonly<Record<string, Column>>;

/** The largest first, at most `most` of each kind. */
export function statistics({ database }: StoreReader, filter: EventFilter, most: number): Statistics {
  const { sql, values } = conditionOf(filter);
  const rows = (text: string): readonly Row[] => database.prepare(text).all(...values) as unknown as readonly Row[];
  const top = `ORDER BY count DESC LIMIT ${Math.floor(most)}`;
  const [whole] = rows(`SELECT count(*) AS count, min(wall) AS first, max(wall) AS last FROM event WHERE ${sql}`);
  return {
    total: Number(whole?.count ?? 0),
    first: numberOf(whole?.first),
    last: numberOf(whole?.last),
    rules: rows(
      `SELECT rule, prefix, action, count(*) AS count FROM event WHERE ${sql} GROUP BY rule, prefix, action ${top}`,
    ).map(ruleTotal),
    sources: rows(
      `SELECT src, count(*) AS count, count(DISTINCT protocol * 65536 + dport) AS ports, min(wall) AS first,
       max(wall) AS last FROM event WHERE src IS NOT NULL AND ${sql} GROUP BY src ${top}`,
    ).map(sourceTotal),
    targets: rows(
      `SELECT protocol, dport, count(*) AS count, count(DISTINCT src) AS sources FROM event WHERE ${sql}
       GROUP BY protocol, dport ${top}`,
    ).map(targetTotal),
  };
}

function ruleTotal(row: Row): RuleTotal {
  return { rule: numberOf(row.rule), prefix: String(row.prefix), action: String(row.action), count: Number(row.count) };
}

function sourceTotal(row: Row): SourceTotal {
  return {
    address: addressOf(row.src as Uint8Array),
    count: Number(row.count),
    ports: Number(row.ports),
    first: numberOf(row.first),
    last: numberOf(row.last),
  };
}

function targetTotal(row: Row): TargetTotal {
  return {
    protocol: numberOf(row.protocol),
    dport: numberOf(row.dport),
    count: Number(row.count),
    sources: Number(row.sources),
  };
}

/** Addresses as text: for JSON and tables. */
export function printTotals({ sources, ...rest }: Statistics): object {
  return { ...rest, sources: sources.map((source) => ({ ...source, address: printIp(source.address) })) };
}
