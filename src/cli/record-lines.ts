// What `serve` recorded, as `events` shows it: which records are asked for, and each as a line. STATE/drift.log is the only place
// where they are kept; they come to the events when somebody looks at these.
import { type KeptRecord, RecordReader } from '../follow/record.ts';
import { unreachable } from '../model/unreachable.ts';
import { escaped, escapedJson } from './escaped.ts';
import { isoTime } from './event-json.ts';
import { type EventFormat, timeText } from './event-text.ts';
import { tell } from './output.ts';

export type RecordFilter = {
  /** Milliseconds since 1970, both included. */
  readonly since?: number | undefined;
  readonly until?: number | undefined;
  readonly kinds?: ReadonlySet<string> | undefined;
  readonly port?: string | undefined;
  readonly guest?: { readonly name: string; readonly ports: readonly string[] } | undefined;
};

/** A line, and where it stands among the events. */
export type Beside = { readonly wall: number; readonly line: string };

/** The writer keeps far less; of a file that somebody else wrote the newest are shown. */
const mostAtOnce = 100_000;

export class ShownRecords {
  readonly #reader: RecordReader;
  readonly #filter: RecordFilter;
  readonly #format: EventFormat;

  constructor(state: string, filter: RecordFilter, format: EventFormat) {
    this.#reader = new RecordReader(state);
    this.#filter = filter;
    this.#format = format;
  }

  /**
   * Those that are asked for and were not shown yet, in the order of their times, which a clock that was set may have changed.
   * @param isLast a line without an end is damaged then, and else on its way
   */
  next({ isLast }: { readonly isLast: boolean }): readonly Beside[] {
    const found: Beside[] = [];
    let left = 0;
    for (const lines of [this.#reader.next(), ...(isLast ? [this.#reader.cutOff()] : [])]) {
      for (const line of lines) {
        if (line.kind === 'damaged') tell(`${line.file}:${line.line}: damaged, and left out`);
        else if (isAskedFor(line, this.#filter)) found.push({ wall: line.wall, line: printed(this.#format, line) });
        if (found.length > 2 * mostAtOnce) left += found.splice(0, mostAtOnce).length;
      }
    }
    left += found.splice(0, found.length - mostAtOnce).length;
    if (left > 0) tell(`${left} older records are left out`);
    return found.sort((a, b) => a.wall - b.wall);
  }

  /** Whether anything was ever recorded, asked for or not. */
  get isThere(): boolean {
    return this.#reader.isThere;
  }

  close(): void {
    this.#reader.close();
  }
}

function isAskedFor({ wall, record }: KeptRecord, { since, until, kinds, port, guest }: RecordFilter): boolean {
  return (
    wall >= (since ?? Number.NEGATIVE_INFINITY) &&
    wall <= (until ?? Number.POSITIVE_INFINITY) &&
    (kinds?.has(record.kind) ?? true) &&
    (port === undefined || record.port === port) &&
    (guest === undefined || isAbout(record, guest))
  );
}

/** By a field, or as all messages name somebody. */
function isAbout(
  { guest, port, words }: KeptRecord['record'],
  { name, ports }: NonNullable<RecordFilter['guest']>,
): boolean {
  return guest === name || ports.some((one) => one === port) || words.includes(`'${name}'`);
}

function printed(format: EventFormat, { wall, record }: KeptRecord): string {
  switch (format) {
    case 'text':
      return recordLine(wall, record);
    case 'json': {
      const { version, kind, at: _at, ...fields } = record;
      return escapedJson(JSON.stringify({ version, kind, time: isoTime(wall), ...fields }));
    }
    case 'csv':
      throw new Error('CSV has no rows for records');
    default:
      return unreachable(format);
  }
}

function recordLine(wall: number, { kind, outcome, words }: KeptRecord['record']): string {
  // hints and places of a fault stand on lines of their own
  const text = words.replaceAll(/\n\s*/g, '; ');
  const what = typeof outcome === 'string' ? `${outcome}: ${text}` : text;
  return escaped(`${timeText(wall)}  ${kind.toUpperCase().padEnd(7)}  ${what}`);
}
