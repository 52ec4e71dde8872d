// The journal's export format -> entries (https://systemd.io/JOURNAL_EXPORT_FORMATS). Fields are `NAME=value` lines, or
// `NAME`, a little-endian length of 8 bytes and the value where this is not plain text; an empty line ends an entry.

export type JournalEntry = Readonly<Record<string, Buffer>>;

const newline = 0x0a;
const equals = 0x3d;
const lengthBytes = 8;
/** journald takes no longer fields; a larger number means that we are out of step. */
const mostFieldBytes = 768 * 1024 * 1024;

export class ExportReader {
  readonly #wanted: ReadonlySet<string>;
  #rest: Buffer = Buffer.alloc(0);
  #fields: Record<string, Buffer> = {};
  /** Something stands in the entry, wanted or not. */
  #begun = false;

  /** Only these fields are kept. */
  constructor(wanted: readonly string[]) {
    this.#wanted = new Set(wanted);
  }

  /** The entries that are complete now; `undefined` when the bytes are not in this format. */
  accept(chunk: Buffer): readonly JournalEntry[] | undefined {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const entries: JournalEntry[] = [];
    let at = 0;
    for (;;) {
      const next = this.#field(bytes, at, entries);
      if (next === undefined) return undefined;
      if (next === at) break;
      at = next;
    }
    this.#rest = bytes.subarray(at);
    return entries;
  }

  /** Where the next field begins; `at` when this one is not complete. */
  #field(bytes: Buffer, at: number, entries: JournalEntry[]): number | undefined {
    const end = bytes.indexOf(newline, at);
    if (end < 0) return bytes.length - at > mostFieldBytes ? undefined : at;
    if (end === at) {
      if (this.#begun) entries.push(this.#fields);
      this.#fields = {};
      this.#begun = false;
      return end + 1;
    }
    const sign = bytes.indexOf(equals, at);
    if (sign >= 0 && sign < end) {
      this.#keep(bytes, at, sign, sign + 1, end);
      return end + 1;
    }
    return this.#binary(bytes, at, end);
  }

  #binary(bytes: Buffer, at: number, end: number): number | undefined {
    const from = end + 1 + lengthBytes;
    if (bytes.length < from) return at;
    const length = Number(bytes.readBigUInt64LE(end + 1));
    if (length > mostFieldBytes) return undefined;
    if (bytes.length < from + length + 1) return at;
    if (bytes[from + length] !== newline) return undefined;
    this.#keep(bytes, at, end, from, from + length);
    return from + length + 1;
  }

  #keep(bytes: Buffer, name: number, nameEnd: number, from: number, to: number): void {
    this.#begun = true;
    const key = bytes.toString('latin1', name, nameEnd);
    if (this.#wanted.has(key)) this.#fields[key] = bytes.subarray(from, to);
  }
}
