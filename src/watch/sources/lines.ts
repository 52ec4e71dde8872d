// Bytes in pieces -> whole lines, without their newlines.
import type { SourceItem } from './source.ts';

const newline = 0x0a;

/** The whole lines of `bytes`, and how many bytes they take with their newlines. */
export function wholeLines(bytes: Buffer): { readonly lines: readonly Buffer[]; readonly length: number } {
  const lines: Buffer[] = [];
  let from = 0;
  for (let end = bytes.indexOf(newline); end >= 0; end = bytes.indexOf(newline, from)) {
    lines.push(bytes.subarray(from, end));
    from = end + 1;
  }
  return { lines, length: from };
}

/** What whole lines became, and how many bytes these take with their newlines. */
export type Taken = { readonly items: readonly SourceItem[]; readonly length: number };

/** Line by line. */
export function takeLines(bytes: Buffer, itemsOf: (line: Buffer) => readonly SourceItem[]): Taken {
  const { lines, length } = wholeLines(bytes);
  return { items: lines.flatMap(itemsOf), length };
}
