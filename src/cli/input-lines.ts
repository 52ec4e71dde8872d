// Bytes that come in pieces -> lines, as soon as they are whole.
import type { Readable } from 'node:stream';
import { wholeLines } from '../watch/sources/lines.ts';

/** More than any line; without a newline in it, it is none. */
const mostLineBytes = 1024 * 1024;

export async function* inputLines(input: Readable): AsyncGenerator<Buffer> {
  let rest = Buffer.alloc(0);
  for await (const chunk of input as AsyncIterable<Buffer>) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const whole = wholeLines(bytes);
    yield* whole.lines;
    rest = Buffer.from(bytes.subarray(whole.length));
    if (rest.length > mostLineBytes) rest = Buffer.alloc(0);
  }
  if (rest.length > 0) yield rest;
}
