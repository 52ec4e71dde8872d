// Data to stdout, everything else to stderr; colours only for people (NO_COLOR, https://no-color.org).
import { styleText } from 'node:util';
import { escaped, escapedJson } from './escaped.ts';

export type Format = 'text' | 'json';

export function print(text: string): void {
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
}

/** What programs and other machines said is often part of it. */
export function tell(text: string): void {
  process.stderr.write(`${safeLines(text)}\n`);
}

/** Lines that others wrote, for a terminal: tabs and ends of lines are meant. */
export function safeLines(text: string): string {
  return byLines(text, (line) => line.split('\t').map(escaped).join('\t'));
}

function byLines(text: string, change: (line: string) => string): string {
  return text.split('\n').map(change).join('\n');
}

/** Stable and versioned: `version` changes when a reader of an older form could be misled. */
export function printJson(kind: string, data: object): void {
  print(byLines(JSON.stringify({ version: 1, kind, ...data }, jsonValue, 2), escapedJson));
}

/** Addresses are numbers of up to 128 bits inside; JSON has no such numbers. */
function jsonValue(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value;
}

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow';

export function styled(style: Style, text: string): string {
  return styleText(style, text, { stream: process.stdout });
}

/** Columns as wide as their widest cell; the last one is not padded. Cells hold no styles: styles come by row. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => (column === cells.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd();
  return [styled('bold', line(header)), ...rows.map(line)];
}
