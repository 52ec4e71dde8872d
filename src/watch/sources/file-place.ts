// A place in a log file that survives renaming, copying and packing: which file, how far, and a digest of what stands
// right before, by which the place is found again in a copy.
import { createHash } from 'node:crypto';
import type { OpenFile } from './log-files.ts';
import type { Cursor } from './source.ts';

export const tailSize = 256;

export type Place = {
  /** Device and inode. */
  readonly file: string;
  readonly offset: number;
  /** Of the last 256 bytes before, or of all that there are. */
  readonly tail: string;
};

export function placeOf(cursor: Cursor | undefined): Place | undefined {
  const { file, offset, tail } = cursor ?? {};
  if (typeof file !== 'string' || typeof tail !== 'string') return undefined;
  return typeof offset === 'number' && Number.isSafeInteger(offset) && offset >= 0 ? { file, offset, tail } : undefined;
}

export function digestOfTail(bytes: Buffer): string {
  return createHash('sha1').update(bytes).digest('base64');
}

export function placeAtStart(file: string): Place {
  return { file, offset: 0, tail: digestOfTail(Buffer.alloc(0)) };
}

/** Of a file that is not packed. */
export async function placeAtEnd(file: OpenFile): Promise<Place> {
  const size = await file.size();
  const from = Math.max(0, size - tailSize);
  const tail = await file.read(from, size - from);
  return { file: file.id, offset: from + tail.length, tail: digestOfTail(tail) };
}

/** How far one file has been read, with the bytes right before. */
export class Reached {
  readonly #file: string;
  #offset: number;
  #tail: Buffer;

  constructor(file: string, offset: number, tail: Buffer) {
    this.#file = file;
    this.#offset = offset;
    this.#tail = tail;
  }

  get offset(): number {
    return this.#offset;
  }

  advance(bytes: Buffer): void {
    this.#offset += bytes.length;
    const joined = bytes.length >= tailSize ? bytes : Buffer.concat([this.#tail, bytes]);
    this.#tail = Buffer.from(joined.subarray(-tailSize));
  }

  /** Whether what stood before still stands there: a file that was emptied and grew again is another. */
  isTail(bytes: Buffer): boolean {
    return bytes.equals(this.#tail);
  }

  get tailLength(): number {
    return this.#tail.length;
  }

  cursor(): Place {
    return { file: this.#file, offset: this.#offset, tail: digestOfTail(this.#tail) };
  }
}
