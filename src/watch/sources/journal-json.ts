// A line of `journalctl -o json` -> the entry's fields, as the export format gives them. Values are strings, arrays of bytes
// where they are no UTF-8, null where they are too long, and arrays of these where a field occurs more than once.
import type { JournalEntry } from './export-format.ts';
import { journalFields } from './journal-entry.ts';

const brace = 0x7b;

/** A line that is meant as such an entry, whole or not: nothing in it is to be read as a log line by itself. */
export function isJournalJson(line: Buffer): boolean {
  return line[0] === brace && (line.includes('"MESSAGE"', 0, 'latin1') || line.includes('"__CURSOR"', 0, 'latin1'));
}

/** `undefined` for what is no object, or cut. */
export function journalJsonEntry(line: Buffer): JournalEntry | undefined {
  const parsed = parsedJson(line.toString('utf8'));
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return undefined;
  const fields: Record<string, Buffer> = {};
  for (const name of [...journalFields, '_HOSTNAME']) {
    const bytes = valueBytes((parsed as Readonly<Record<string, unknown>>)[name]);
    if (bytes !== undefined) fields[name] = bytes;
  }
  return fields;
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function valueBytes(value: unknown): Buffer | undefined {
  if (typeof value === 'string') return Buffer.from(value);
  if (!Array.isArray(value) || value.length === 0) return undefined;
  if (value.every((byte) => Number.isInteger(byte) && byte >= 0 && byte <= 255)) return Buffer.from(value as number[]);
  // of a field that occurs more than once the first counts, as in the kernel's lines
  return Array.isArray(value[0]) || typeof value[0] === 'string' ? valueBytes(value[0]) : undefined;
}
