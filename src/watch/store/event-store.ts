// Batches of sources -> events, gaps and cursors in SQLite, all of a commit or nothing of it. The only writer. After an
// exception it is not to be used any more: what it remembers and what is stored may differ then.
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { Dedupe, hashOf, textLength } from '../dedupe.ts';
import type { Edges } from '../edges.ts';
import { parseLogLine } from '../parse-line.ts';
import { type Seen, type Sighting, seenFirst } from '../same-text.ts';
import type { Batch, Cursor, Gap, SourceRecord } from '../sources/source.ts';
import { openForWriting } from './database.ts';
import { type Column, searchColumns, searchValues } from './event-row.ts';
import { gapColumns, gapValues } from './gap-row.ts';
import { insertInto } from './insert-into.ts';
import { Readings } from './readings.ts';

export type SourceBatch = { readonly host: string; readonly source: string; readonly batch: Batch };

/** For each item of a batch the id of the event that it made, or 0. */
export type Fresh = readonly number[];

export type StoreOptions = { readonly capacity?: number };

/** An event that is not in its table yet. */
type Pending = {
  readonly id: number;
  readonly first: Sighting;
  readonly folded: boolean;
  /** Of `searchColumns`: the event itself, many times as large, is gone by then. */
  readonly search: readonly Column[];
};

/** What the next run has to know besides the tables. Ids go on when old events have been removed. */
type State = { readonly next: number; readonly widest: number; readonly edges: Edges };

const eventColumns = [
  ...[
    'id',
    'host',
    'boot',
    'us',
    'wall',
    'wall_span',
    'stored',
    'trust',
    'sequence',
    'folded',
    'witnesses',
    'hash',
    'text',
  ],
  ...searchColumns,
];

class Statements {
  readonly insertEvent: StatementSync;
  /** The columns of indices are left alone: naming them in an UPDATE costs as much as changing them. */
  readonly updateEvent: StatementSync;
  readonly moveEvent: StatementSync;
  readonly insertGap: StatementSync;
  readonly insertBoot: StatementSync;
  readonly setState: StatementSync;
  readonly byStamp: StatementSync;
  readonly byTime: StatementSync;

  constructor(database: DatabaseSync) {
    this.insertEvent = database.prepare(insertInto('event', eventColumns));
    const better = 'boot = ?, trust = ?, sequence = ?, witnesses = ?';
    this.updateEvent = database.prepare(`UPDATE event SET ${better} WHERE id = ?`);
    this.moveEvent = database.prepare(`UPDATE event SET ${better}, us = ?, wall = ?, wall_span = ? WHERE id = ?`);
    this.insertGap = database.prepare(insertInto('gap', gapColumns));
    this.insertBoot = database.prepare('INSERT INTO boot (name) VALUES (?)');
    this.setState = database.prepare("INSERT OR REPLACE INTO meta VALUES ('state', ?)");
    const columns = 'id, boot, us, wall, wall_span, sequence, trust, witnesses';
    this.byStamp = database.prepare(`SELECT ${columns} FROM event WHERE us = ? AND text = ? AND host = ?`);
    const near = `wall BETWEEN ? AND ? AND wall + wall_span >= ? AND hash = ? AND text = ? AND host = ?`;
    const open = `instr(witnesses, ?) = 0 AND (us IS NULL OR ?) ORDER BY wall, id LIMIT 1`;
    this.byTime = database.prepare(`SELECT ${columns} FROM event WHERE ${near} AND ${open}`);
  }
}

export class EventStore {
  readonly #database: DatabaseSync;
  readonly #readings: Readings;
  readonly #dedupe: Dedupe;
  readonly #statements: Statements;
  /** Ids of boots by their names, and back. */
  readonly #boots = new Map<string, number>();
  readonly #bootNames = new Map<number, string>();
  #pending = new Map<number, Pending>();
  #changed = new Map<number, Seen>();
  #nextId: number;
  /** The longest uncertainty of any event's time. */
  #widest: number;
  #now = 0;

  /** @throws HostError as `openForWriting` does */
  constructor(directory: string, { capacity }: StoreOptions = {}) {
    this.#database = openForWriting(directory);
    this.#statements = new Statements(this.#database);
    this.#readings = new Readings(this.#database);
    for (const { id, name } of this.#database.prepare('SELECT id, name FROM boot').all()) {
      this.#rememberBoot(Number(id), String(name));
    }
    const state = this.#state();
    this.#nextId = state.next;
    this.#widest = state.widest;
    this.#dedupe = new Dedupe({
      edges: state.edges,
      recall: (sighting, from, to) => this.#recall(sighting, from, to),
      ...(capacity !== undefined && { capacity }),
    });
  }

  get database(): DatabaseSync {
    return this.#database;
  }

  cursor(host: string, source: string): Cursor | undefined {
    return this.#readings.cursor(host, source);
  }

  /** When it returns, everything is on the disk. */
  commit(batches: readonly SourceBatch[], now: number): readonly Fresh[] {
    this.#now = now;
    this.#database.exec('BEGIN IMMEDIATE');
    const fresh = batches.map((one) => this.#accept(one));
    this.#flush();
    const state: State = { next: this.#nextId, widest: this.#widest, edges: this.#dedupe.edges };
    this.#statements.setState.run(JSON.stringify(state));
    this.#database.exec('COMMIT');
    return fresh;
  }

  close(): void {
    this.#database.close();
  }

  #state(): State {
    const row = this.#database.prepare("SELECT value FROM meta WHERE key = 'state'").get();
    return row === undefined ? { next: 1, widest: 0, edges: {} } : JSON.parse(String(row.value));
  }

  #accept({ host, source, batch }: SourceBatch): Fresh {
    const witness = this.#readings.witness(host, source, batch);
    return batch.items.map((item) => {
      if (item.kind === 'record') return this.#event(host, witness, item);
      if (item.kind === 'gap') this.#gap(host, source, item);
      return 0;
    });
  }

  #event(host: string, witness: number, record: SourceRecord): number {
    const sighting = sightingOf(host, witness, record);
    const known = this.#dedupe.find(sighting);
    if (known !== undefined) {
      this.#changed.set(known.id, known);
      return 0;
    }
    const event = parseLogLine(record.text);
    if (event === undefined) return 0;
    const id = this.#nextId++;
    this.#dedupe.add(id, sighting);
    this.#pending.set(id, { id, first: sighting, folded: record.folded === true, search: searchValues(event) });
    return id;
  }

  #gap(host: string, source: string, gap: Gap): void {
    this.#statements.insertGap.run(...gapValues(host, source, gap, this.#now));
  }

  #flush(): void {
    for (const one of this.#pending.values()) this.#insert(one);
    for (const seen of this.#changed.values()) if (!this.#pending.has(seen.id)) this.#update(seen);
    this.#pending = new Map();
    this.#changed = new Map();
  }

  #insert({ id, first, folded, search }: Pending): void {
    const seen = this.#changed.get(id) ?? seenFirst(id, first);
    this.#statements.insertEvent.run(
      seen.id,
      seen.host,
      this.#boot(seen.epoch),
      seen.us ?? null,
      seen.wall ?? null,
      seen.wallSpan,
      this.#now,
      seen.trust,
      seen.sequence ?? null,
      folded ? 1 : 0,
      witnessText(seen),
      first.hash,
      first.text.subarray(0, first.length),
      ...search,
    );
    this.#widest = Math.max(this.#widest, seen.wallSpan);
    seen.moved = false;
  }

  #update(seen: Seen): void {
    const { id, epoch, us, wall, wallSpan, trust, sequence } = seen;
    const better = [this.#boot(epoch), trust, sequence ?? null, witnessText(seen)];
    if (seen.moved) this.#statements.moveEvent.run(...better, us ?? null, wall ?? null, wallSpan, id);
    else this.#statements.updateEvent.run(...better, id);
    seen.moved = false;
  }

  #boot(name: string | undefined): number | null {
    if (name === undefined) return null;
    const known = this.#boots.get(name);
    if (known !== undefined) return known;
    const id = Number(this.#statements.insertBoot.run(name).lastInsertRowid);
    this.#rememberBoot(id, name);
    return id;
  }

  #rememberBoot(id: number, name: string): void {
    this.#boots.set(name, id);
    this.#bootNames.set(id, name);
  }

  /** What is not in its table yet would not be found there. */
  #recall({ host, text, length, hash, us, witness }: Sighting, from: number, to: number): readonly Seen[] {
    this.#flush();
    const bytes = text.subarray(0, length);
    const stamped = us === undefined ? [] : this.#statements.byStamp.all(us, bytes, host);
    const isOpen = [`,${witness},`, us === undefined ? 1 : 0];
    const near =
      from > to ? [] : this.#statements.byTime.all(from - this.#widest, to, from, hash, bytes, host, ...isOpen);
    const rows = [...stamped, ...near];
    return rows.map((row) => this.#seenOf(row, host));
  }

  #seenOf(row: Readonly<Record<string, unknown>>, host: string): Seen {
    const numberOf = (value: unknown): number | undefined => (value === null ? undefined : Number(value));
    return {
      id: Number(row.id),
      host,
      epoch: row.boot === null ? undefined : this.#bootNames.get(Number(row.boot)),
      us: numberOf(row.us),
      wall: numberOf(row.wall),
      wallSpan: Number(row.wall_span),
      sequence: numberOf(row.sequence),
      trust: Number(row.trust),
      witnesses: String(row.witnesses).split(',').filter(Boolean).map(Number),
      moved: false,
      slot: -1,
    };
  }
}

export function sightingOf(host: string, witness: number, record: SourceRecord): Sighting {
  const { epoch, us, wall, wallSpan, sequence, trust, text } = record;
  const length = textLength(text);
  const hash = hashOf(text, length);
  return { witness, host, text, length, hash, epoch, us, wall, wallSpan, sequence, trust };
}

function witnessText({ witnesses }: Seen): string {
  return `,${witnesses.join(',')},`;
}
