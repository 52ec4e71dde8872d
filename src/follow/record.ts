// What happened, kept: STATE/drift.log, one JSON object a line, on the disk when it is told. The older half lies in
// drift.log.1.
import { closeSync, fstatSync, fsyncSync, openSync, readSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Told } from './happening.ts';

const mostBytes = 1_000_000;

function recordFile(state: string): string {
  return join(state, 'drift.log');
}

/** As it is kept, and as it is printed for programs. */
export function printRecord({ at, happening }: Told): string {
  return JSON.stringify({ version: 1, at: new Date(at).toISOString(), ...happening });
}

/** @throws what node:fs throws */
export function keepRecords(state: string, told: readonly Told[]): void {
  const file = recordFile(state);
  if (sizeOf(file) > mostBytes) renameSync(file, `${file}.1`);
  const fd = openSync(file, 'a+', 0o640);
  try {
    // a line that was cut off by a crash must not take the next one with it
    const begin = isWhole(fd) ? '' : '\n';
    writeFileSync(fd, `${begin}${told.map((one) => `${printRecord(one)}\n`).join('')}`);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function isWhole(fd: number): boolean {
  const last = Buffer.alloc(1);
  const { size } = fstatSync(fd);
  return size === 0 || readSync(fd, last, 0, 1, size - 1) === 0 || last[0] === newline;
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

const newline = 0x0a;

export type KeptRecord = {
  /** Milliseconds since 1970. */
  readonly wall: number;
  /** As it was written. */
  readonly record: Readonly<Record<string, unknown>> & { readonly kind: string; readonly words: string };
};

/** A line, or why it is none that can be read. */
export type RecordLine =
  | ({ readonly kind: 'record' } & KeptRecord)
  | { readonly kind: 'damaged'; readonly file: string; readonly line: number };

/** The last records, the oldest first; what is damaged is left out. */
export function lastRecords(state: string, most: number): readonly KeptRecord['record'][] {
  const reader = new RecordReader(state);
  try {
    const records = [...reader.next(), ...reader.cutOff()];
    return records.flatMap((line) => (line.kind === 'record' ? [line.record] : [])).slice(-most);
  } finally {
    reader.close();
  }
}

type Open = { readonly fd: number; readonly ino: number; readonly file: string };

const chunkBytes = 65_536;

/** More is no record of ours. */
const longestLine = 262_144;

/** Reads both files line by line, and goes on with what is written later, also when the writer begins a new file. */
export class RecordReader {
  readonly #file: string;
  #open: Open | undefined;
  #line = 0;
  /** Of a line that has no end yet; undefined when it is too long to be one. */
  #rest: Buffer | undefined = empty;

  constructor(state: string) {
    this.#file = recordFile(state);
  }

  /** What was written since the last call, the first time all that there is. @throws what node:fs throws */
  *next(): Generator<RecordLine> {
    if (this.#open === undefined) {
      // opened before the older one is looked for: the writer may make it the older one just now
      const current = opened(this.#file);
      const older = opened(`${this.#file}.1`);
      if (older !== undefined && older.ino === current?.ino) closeSync(older.fd);
      else if (older !== undefined) yield* this.#whole(older);
      if (current !== undefined) this.#begin(current);
    }
    yield* this.#more();
    for (let next = this.#newer(); next !== undefined; next = this.#newer()) {
      yield* this.#more();
      yield* this.cutOff();
      this.close();
      this.#begin(next);
      yield* this.#more();
    }
  }

  /** Whether there was anything to read. */
  get isThere(): boolean {
    return this.#open !== undefined;
  }

  /** A last line without an end, where nobody waits for its end any more. */
  *cutOff(): Generator<RecordLine> {
    if (this.#rest !== undefined && this.#rest.length === 0) return;
    yield this.#read(this.#rest);
    this.#rest = empty;
  }

  close(): void {
    if (this.#open !== undefined) closeSync(this.#open.fd);
    this.#open = undefined;
  }

  *#whole(older: Open): Generator<RecordLine> {
    this.#begin(older);
    yield* this.#more();
    yield* this.cutOff();
    this.close();
  }

  #begin(open: Open): void {
    this.#open = open;
    this.#line = 0;
    this.#rest = empty;
  }

  #newer(): Open | undefined {
    if (this.#open === undefined) return undefined;
    const now = statSync(this.#file, { throwIfNoEntry: false });
    return now === undefined || now.ino === this.#open.ino ? undefined : opened(this.#file);
  }

  *#more(): Generator<RecordLine> {
    const chunk = Buffer.alloc(chunkBytes);
    for (;;) {
      const read = this.#open === undefined ? 0 : readSync(this.#open.fd, chunk);
      if (read === 0) return;
      yield* this.#lines(chunk.subarray(0, read));
    }
  }

  *#lines(chunk: Buffer): Generator<RecordLine> {
    let begin = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, begin)) {
      this.#keep(chunk.subarray(begin, end));
      const line = this.#read(this.#rest);
      this.#rest = empty;
      begin = end + 1;
      yield line;
    }
    this.#keep(chunk.subarray(begin));
  }

  #keep(part: Buffer): void {
    if (this.#rest === undefined) return;
    this.#rest = this.#rest.length + part.length > longestLine ? undefined : Buffer.concat([this.#rest, part]);
  }

  #read(bytes: Buffer | undefined): RecordLine {
    this.#line++;
    const kept = bytes === undefined ? undefined : recordOf(bytes.toString('utf8'));
    if (kept !== undefined) return { kind: 'record', ...kept };
    return { kind: 'damaged', file: this.#open?.file ?? this.#file, line: this.#line };
  }
}

const empty = Buffer.alloc(0);

function opened(file: string): Open | undefined {
  try {
    const fd = openSync(file, 'r');
    return { fd, ino: fstatSync(fd).ino, file };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function recordOf(line: string): KeptRecord | undefined {
  const record = objectOf(line);
  if (record?.version !== 1 || typeof record.at !== 'string') return undefined;
  const wall = Date.parse(record.at);
  const { kind, words } = record;
  if (Number.isNaN(wall) || typeof kind !== 'string' || typeof words !== 'string') return undefined;
  return { wall, record: { ...record, kind, words } };
}

function objectOf(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : undefined;
  } catch {
    return undefined;
  }
}
