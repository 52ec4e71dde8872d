// Old events and gaps make room, oldest first, by age and by size. What is removed leaves a gap record of its own: a
// report must not look complete when it is not.
import type { DatabaseSync } from 'node:sqlite';
import { gapColumns, gapValues } from './gap-row.ts';
import { insertInto } from './insert-into.ts';
import { pragma } from './schema.ts';

export type Retention = { readonly maxAgeMs: number; readonly maxBytes: number };

const dayMs = 86_400_000;

export const usualRetention: Retention = { maxAgeMs: 90 * dayMs, maxBytes: 1024 ** 3 };

/** Anyone who may write into a log can claim that lines were lost: that must not push the events out. */
const mostGaps = 10_000;

/** So many at once: readers and the disk are not to wait for long. */
const step = 10_000;

/**
 * By the time of storing: what was imported from old files is as young as the import. Gives how many events went. No clock
 * has yet shown more than `latest`: what was stored by one that did is of no known age.
 */
export function retain(
  database: DatabaseSync,
  { maxAgeMs, maxBytes }: Retention,
  now: number,
  latest: number = now,
): number {
  const span = { before: now - maxAgeMs, latest: Math.max(now, latest) };
  database.prepare('DELETE FROM gap WHERE id <= ?').run(lastAged(database, 'gap', span));
  database.prepare('DELETE FROM gap WHERE id <= (SELECT max(id) FROM gap) - ?').run(mostGaps);
  return removeAged(database, span, now) + removeUntilSmall(database, maxBytes, now);
}

type Span = { readonly before: number; readonly latest: number };

/**
 * A clock may have been wrong for a while, and ids grow whatever it showed. So what came after something young is young as
 * well, and what has a time of the future goes with the old ones that came after it.
 */
function lastAged(database: DatabaseSync, table: 'event' | 'gap', { before, latest }: Span): number {
  const young = database
    .prepare(`SELECT id FROM ${table} WHERE stored BETWEEN ? AND ? ORDER BY id LIMIT 1`)
    .get(before, latest)?.id;
  const aged = `SELECT max(id) AS id FROM ${table} WHERE stored < ? AND id < ?`;
  return Number(database.prepare(aged).get(before, Number(young ?? Number.MAX_SAFE_INTEGER))?.id ?? 0);
}

function removeAged(database: DatabaseSync, span: Span, now: number): number {
  const last = lastAged(database, 'event', span);
  let removed = 0;
  for (;;) {
    const count = remove(database, last, step, now);
    removed += count;
    if (count < step) return removed;
  }
}

function removeUntilSmall(database: DatabaseSync, maxBytes: number, now: number): number {
  let removed = 0;
  while (usedBytes(database) > maxBytes) {
    const count = remove(database, lastId(database), step, now);
    removed += count;
    if (count === 0) break;
  }
  return removed;
}

function lastId(database: DatabaseSync): number {
  return Number(database.prepare('SELECT max(id) AS id FROM event').get()?.id ?? 0);
}

export function usedBytes(database: DatabaseSync): number {
  const pages = pragma(database, 'page_count') - pragma(database, 'freelist_count');
  return pages * pragma(database, 'page_size');
}

/** The oldest up to `last`, at most `most`, and the word about it, in one transaction. */
function remove(database: DatabaseSync, last: number, most: number, now: number): number {
  const oldest = 'SELECT id, host, wall FROM event WHERE id <= ? ORDER BY id LIMIT ?';
  const facts = 'count(*) AS count, max(id) AS id, min(wall) AS first, max(wall) AS last';
  const hosts = database.prepare(`SELECT host, ${facts} FROM (${oldest}) GROUP BY host`).all(last, most);
  if (hosts.length === 0) return 0;
  database.exec('BEGIN IMMEDIATE');
  database.prepare('DELETE FROM event WHERE id <= ?').run(Math.max(...hosts.map(({ id }) => Number(id))));
  for (const { host, count, first, last: until } of hosts) {
    const span = first === null ? undefined : { first: Number(first), last: Number(until) };
    tellRemoved(database, { host: String(host), count: Number(count), span }, now);
  }
  database.exec('COMMIT');
  database.exec('PRAGMA incremental_vacuum');
  return hosts.reduce((sum, { count }) => sum + Number(count), 0);
}

type Removed = {
  readonly host: string;
  readonly count: number;
  /** Of those that had a time. */
  readonly span: { readonly first: number; readonly last: number } | undefined;
};

/** One record for the removals of a day: what was imported later may be older. */
function tellRemoved(database: DatabaseSync, { host, count, span }: Removed, now: number): void {
  const recent = "SELECT max(id) FROM gap WHERE source = 'store' AND reason = 'retention' AND host = ? AND stored > ?";
  const id = database.prepare(`SELECT (${recent}) AS id`).get(host, now - dayMs)?.id;
  if (id !== null && id !== undefined) {
    database.prepare('UPDATE gap SET count = count + ? WHERE id = ?').run(count, Number(id));
    if (span !== undefined) widen(database, Number(id), span);
    return;
  }
  const between = span === undefined ? {} : { after: { wall: span.first }, before: { wall: span.last } };
  const gap = { kind: 'gap', lost: { exact: count }, reason: 'retention', between } as const;
  database.prepare(insertInto('gap', gapColumns)).run(...gapValues(host, 'store', gap, now));
}

/** SQLite's min and max of two values are NULL when one of them is. */
function widen(
  database: DatabaseSync,
  id: number,
  { first, last }: { readonly first: number; readonly last: number },
): void {
  database
    .prepare(
      `UPDATE gap SET after_wall = min(coalesce(after_wall, ?1), ?1), before_wall = max(coalesce(before_wall, ?2), ?2)
       WHERE id = ?3`,
    )
    .run(first, last, id);
}
