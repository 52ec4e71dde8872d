// Questions to the store, while the writer goes on: events in the order of time or of storing, gaps, totals.
import type { DatabaseSync } from 'node:sqlite';
import type { LogEvent } from '../../model/log-event.ts';
import { PacketPaths } from '../packet-paths.ts';
import { parseLogLine } from '../parse-line.ts';
import { openForReading } from './database.ts';
import { conditionOf, type EventFilter } from './event-filter.ts';
import { type Column, numberOf } from './event-row.ts';
import { gapColumns, gapOf, type StoredGap } from './gap-row.ts';
import { pragma } from './schema.ts';

export type StoredEvent = {
  readonly id: number;
  /** '' is this machine. */
  readonly host: string;
  readonly epoch: string | undefined;
  readonly us: number | undefined;
  readonly wall: number | undefined;
  readonly wallSpan: number;
  readonly trust: number;
  readonly sequence: number | undefined;
  readonly folded: boolean;
  /** Names of the sources that showed it. */
  readonly sources: readonly string[];
  readonly text: Buffer;
  readonly event: LogEvent;
  /** The first of these events that is the same packet, seen somewhere else on its way; see `PacketPaths`. */
  readonly path: number | undefined;
};

/** A gap, and how many events of its time came by other sources: `healed` when these are all that can be missing. */
export type KnownGap = StoredGap & { readonly delivered: number; readonly healed: boolean };

export type Order = 'time' | 'stored';

const columns = 'event.id, host, name, us, wall, wall_span, trust, sequence, folded, witnesses, text';

export class StoreReader {
  readonly #database: DatabaseSync;
  readonly #sources = new Map<number, string>();

  /** @throws HostError 'store-absent', 'store-refused', 'store-too-new', 'store-foreign' */
  constructor(directory: string) {
    this.#database = openForReading(directory);
  }

  get database(): DatabaseSync {
    return this.#database;
  }

  close(): void {
    this.#database.close();
  }

  /** Changes when anybody has committed something. */
  version(): number {
    return pragma(this.#database, 'data_version');
  }

  /** The ids that were given last. */
  last(): { readonly event: number; readonly gap: number } {
    const row = this.#database
      .prepare('SELECT (SELECT max(id) FROM event) AS event, (SELECT max(id) FROM gap) AS gap')
      .get();
    return { event: Number(row?.event ?? 0), gap: Number(row?.gap ?? 0) };
  }

  /** The store as it is now, for several questions. */
  async still<T>(questions: () => Promise<T>): Promise<T> {
    this.#database.exec('BEGIN');
    try {
      return await questions();
    } finally {
      this.#database.exec('COMMIT');
    }
  }

  /** One at a time: there may be millions. `paths` knows the packets of what was asked for before. */
  *events(filter: EventFilter, order: Order = 'time', paths = new PacketPaths()): Generator<StoredEvent> {
    const { sql, values } = conditionOf(filter);
    const by = order === 'time' ? 'wall, event.id' : 'event.id';
    const statement = this.#database.prepare(
      `SELECT ${columns} FROM event LEFT JOIN boot ON boot.id = event.boot WHERE ${sql} ORDER BY ${by}`,
    );
    for (const row of statement.iterate(...values)) {
      const found = this.#eventOf(row as Readonly<Record<string, Column>>);
      if (found !== undefined) yield { ...found, path: paths.of(found) };
    }
  }

  /** Those that touch the time that is asked about; whose time nobody knows stand where they were noticed. */
  gaps({ since = 0, until = Number.MAX_SAFE_INTEGER, host }: EventFilter, afterId = 0): readonly KnownGap[] {
    const rows = this.#database
      .prepare(
        `SELECT id, ${gapColumns.join(', ')} FROM gap WHERE id > ? AND coalesce(before_wall, stored) >= ?
         AND coalesce(after_wall, before_wall, stored) <= ? AND coalesce(?, host) = host ORDER BY id`,
      )
      .all(afterId, since, until, host ?? null);
    return rows.map((row) => this.#known(gapOf(row as Parameters<typeof gapOf>[0])));
  }

  /** The ring counts all records of the kernel, of which only some are firewall lines: more than `lost` is no wonder. */
  #known(gap: StoredGap): KnownGap {
    const { after, before } = gap.between;
    let delivered = 0;
    if (after?.us !== undefined && before?.us !== undefined && after.epoch === before.epoch) {
      const row = this.#database
        .prepare(
          `SELECT count(*) AS count FROM event JOIN boot ON boot.id = event.boot
           WHERE us > ? AND us < ? AND boot.name = ? AND host = ? AND NOT EXISTS (
             SELECT 1 FROM reading WHERE reading.host = event.host AND source = ?
             AND instr(witnesses, ',' || reading.id || ',') > 0)`,
        )
        .get(after.us, before.us, before.epoch ?? '', gap.host, gap.source);
      delivered = Number(row?.count ?? 0);
    }
    const healed = typeof gap.lost === 'object' && 'exact' in gap.lost && delivered >= gap.lost.exact;
    return { ...gap, delivered, healed };
  }

  #eventOf(row: Readonly<Record<string, Column>>): Omit<StoredEvent, 'path'> | undefined {
    const text = Buffer.from(row.text as Uint8Array);
    const event = parseLogLine(text);
    if (event === undefined) return undefined;
    return {
      id: Number(row.id),
      host: String(row.host),
      epoch: row.name === null ? undefined : String(row.name),
      us: numberOf(row.us),
      wall: numberOf(row.wall),
      wallSpan: Number(row.wall_span),
      trust: Number(row.trust),
      sequence: numberOf(row.sequence),
      folded: row.folded === 1,
      sources: this.#names(String(row.witnesses)),
      text,
      event,
    };
  }

  #names(witnesses: string): readonly string[] {
    const ids = witnesses.split(',').filter(Boolean).map(Number);
    if (ids.some((id) => !this.#sources.has(id))) this.#readSources();
    return [...new Set(ids.map((id) => this.#sources.get(id) ?? String(id)))];
  }

  #readSources(): void {
    for (const { id, source } of this.#database.prepare('SELECT id, source FROM reading').all()) {
      this.#sources.set(Number(id), String(source));
    }
  }
}
