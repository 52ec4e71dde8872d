// Who reads what, how far, and for the how many-th time: a source that lost its place begins a new reading, whose lines
// are those of another witness, so that what it shows again stays one event.
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Batch, Cursor } from '../sources/source.ts';

type Reading = {
  readonly id: number;
  readonly generation: number;
  cursor: Cursor | undefined;
  /** Of an earlier run, and nobody knows how far it came. */
  readonly lost: boolean;
};

export class Readings {
  readonly #latest = new Map<string, Reading>();
  readonly #insert: StatementSync;
  readonly #update: StatementSync;

  constructor(database: DatabaseSync) {
    this.#insert = database.prepare('INSERT INTO reading (host, source, generation) VALUES (?, ?, ?)');
    this.#update = database.prepare('UPDATE reading SET cursor = ? WHERE id = ?');
    const rows = database.prepare('SELECT id, host, source, generation, cursor FROM reading ORDER BY generation').all();
    for (const { id, host, source, generation, cursor } of rows) {
      const place = cursorOf(cursor);
      const reading = { id: Number(id), generation: Number(generation), cursor: place, lost: place === undefined };
      this.#latest.set(keyOf(String(host), String(source)), reading);
    }
  }

  cursor(host: string, source: string): Cursor | undefined {
    return this.#latest.get(keyOf(host, source))?.cursor;
  }

  /** The id of the reading that a batch belongs to; its cursor is stored with it. */
  witness(host: string, source: string, { reread = false, cursor }: Batch): number {
    const key = keyOf(host, source);
    let reading = this.#latest.get(key);
    if (reading === undefined || reading.lost || reread) {
      const generation = (reading?.generation ?? 0) + 1;
      const id = Number(this.#insert.run(host, source, generation).lastInsertRowid);
      reading = { id, generation, cursor: undefined, lost: false };
      this.#latest.set(key, reading);
    }
    if (cursor !== undefined) {
      reading.cursor = cursor;
      this.#update.run(JSON.stringify(cursor), reading.id);
    }
    return reading.id;
  }
}

function keyOf(host: string, source: string): string {
  return `${host}\n${source}`;
}

/** `undefined` for what is none: the file may have been damaged, or edited by hand. */
function cursorOf(value: unknown): Cursor | undefined {
  try {
    const cursor: unknown = JSON.parse(String(value));
    return typeof cursor === 'object' && cursor !== null && !Array.isArray(cursor) ? (cursor as Cursor) : undefined;
  } catch {
    return undefined;
  }
}
