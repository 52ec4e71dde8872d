// Who reads what, how far, and for the how many-th time: a source that lost its place begins a new reading, whose lines
// are those of another witness, so that what it shows again stays one event.
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Batch, Cursor } from '../sources/source.ts';

type Reading = { readonly id: number; readonly generation: number; cursor: string | undefined };

export class Readings {
  readonly #latest = new Map<string, Reading>();
  readonly #insert: StatementSync;
  readonly #update: StatementSync;

  constructor(database: DatabaseSync) {
    this.#insert = database.prepare('INSERT INTO reading (host, source, generation) VALUES (?, ?, ?)');
    this.#update = database.prepare('UPDATE reading SET cursor = ? WHERE id = ?');
    const rows = database.prepare('SELECT id, host, source, generation, cursor FROM reading ORDER BY generation').all();
    for (const { id, host, source, generation, cursor } of rows) {
      const reading = { id: Number(id), generation: Number(generation), cursor: textOf(cursor) };
      this.#latest.set(keyOf(String(host), String(source)), reading);
    }
  }

  cursor(host: string, source: string): Cursor | undefined {
    const text = this.#latest.get(keyOf(host, source))?.cursor;
    return text === undefined ? undefined : (JSON.parse(text) as Cursor);
  }

  /** The id of the reading that a batch belongs to; its cursor is stored with it. */
  witness(host: string, source: string, { reread = false, cursor }: Batch): number {
    const key = keyOf(host, source);
    let reading = this.#latest.get(key);
    if (reading === undefined || reread) {
      const generation = (reading?.generation ?? 0) + 1;
      const id = Number(this.#insert.run(host, source, generation).lastInsertRowid);
      reading = { id, generation, cursor: undefined };
      this.#latest.set(key, reading);
    }
    if (cursor !== undefined) {
      reading.cursor = JSON.stringify(cursor);
      this.#update.run(reading.cursor, reading.id);
    }
    return reading.id;
  }
}

function keyOf(host: string, source: string): string {
  return `${host}\n${source}`;
}

function textOf(value: unknown): string | undefined {
  return value === null ? undefined : String(value);
}
