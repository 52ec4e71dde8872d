// Old events and gaps make room, oldest first, by age and by size. What is removed leaves a gap record of its own: a
// report must not look complete when it is not.
import type { DatabaseSync } from 'node:sqlite';
import { gapColumns, gapValues } from './gap-row.ts';
import { insertInto } from './insert-into.ts';
import { pragma } from './schema.ts';

export type Retention = { readonly maxAgeMs: number; readonly maxBytes: number };

const dayMs = 86_400_000;

export const usualRetention: Retention = { maxAgeMs: 90 * dayMs, maxBytes: 1024 ** 3 };

/** So many at once: readers and the disk are not to wait for long. */
const step = 10_000;

/** By the time of storing: what was imported from old files is as young as the import. Gives how many events went. */
export function retain(database: DatabaseSync, { maxAgeMs, maxBytes }: Retention, now: number): number {
  const before = now - maxAgeMs;
  database.prepare('DELETE FROM gap WHERE stored < ?').run(before);
  return removeAged(database, before, now) + removeUntilSmall(database, maxBytes, now);
}

function removeAged(database: DatabaseSync, before: number, now: number): number {
  // ids grow with the time of storing
  const until = database.prepare('SELECT id FROM event WHERE stored >= ? ORDER BY id LIMIT 1').get(before)?.id;
  const last = until === undefined ? lastId(database) : Number(until) - 1;
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
  const oldest = 'SELECT id, wall FROM event WHERE id <= ? ORDER BY id LIMIT ?';
  const facts = database
    .prepare(`SELECT count(*) AS count, max(id) AS id, min(wall) AS first, max(wall) AS last FROM (${oldest})`)
    .get(last, most);
  const count = Number(facts?.count ?? 0);
  if (facts === undefined || count === 0) return 0;
  database.exec('BEGIN IMMEDIATE');
  database.prepare('DELETE FROM event WHERE id <= ?').run(Number(facts.id));
  tellRemoved(database, count, facts, now);
  database.exec('COMMIT');
  database.exec('PRAGMA incremental_vacuum');
  return count;
}

/** One record for the removals of a day. */
function tellRemoved(
  database: DatabaseSync,
  count: number,
  { first, last }: Readonly<Record<string, unknown>>,
  now: number,
): void {
  const recent = "SELECT max(id) FROM gap WHERE source = 'store' AND reason = 'retention' AND stored > ?";
  const added = database
    .prepare(`UPDATE gap SET count = count + ?, before_wall = max(before_wall, ?) WHERE id = (${recent})`)
    .run(count, last === null ? null : Number(last), now - dayMs);
  if (added.changes > 0) return;
  const between = {
    ...(first !== null && { after: { wall: Number(first) } }),
    ...(last !== null && { before: { wall: Number(last) } }),
  };
  const gap = { kind: 'gap', lost: { exact: count }, reason: 'retention', between } as const;
  database.prepare(insertInto('gap', gapColumns)).run(...gapValues('', 'store', gap, now));
}
