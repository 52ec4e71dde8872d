// Where to go on reading a log file that may have been renamed, copied and emptied, or packed since: the copies from the
// place on, oldest first. A place is found by who the file is and by the digest of what stands right before it.
import { digestOfTail, type Place, tailSize } from './file-place.ts';
import type { LogFiles, OpenFile } from './log-files.ts';
import { type GapReason, pause } from './source.ts';
import { unpacked } from './unpacked.ts';

export type Stretch = { readonly file: OpenFile; readonly from: number };

export type Way = {
  /** Oldest first; the last one is the file itself. Open: who walks the way closes them. */
  readonly stretches: readonly Stretch[];
  /** Which copy was the newest. */
  readonly newestCopy?: string;
  /** The place is nowhere any more. */
  readonly lost?: GapReason;
};

/** Between two looks for a place that is nowhere: a copy may be in the making. */
const againMs = 100;
const mostLooks = 3;

/** `undefined` when there is no file. Without a place the way is all that there is. */
export async function wayFrom(
  place: Place | undefined,
  path: string,
  files: LogFiles,
  signal: AbortSignal,
): Promise<Way | undefined> {
  for (let look = 1; ; look++) {
    const way = await wayNow(place, path, files);
    if (way?.lost === undefined || look === mostLooks || signal.aborted) return way;
    await closeAll(way.stretches.map(({ file }) => file));
    await pause(againMs, signal);
  }
}

async function wayNow(place: Place | undefined, path: string, files: LogFiles): Promise<Way | undefined> {
  const copies = await files.copies(path);
  const [newest, copy] = copies;
  if (newest === undefined) return undefined;
  const newestCopy = copy === undefined ? {} : { newestCopy: copy.id };
  if (place === undefined) return { stretches: wholeFrom(copies, copies.length - 1), ...newestCopy };
  const at = await indexOfPlace(place, copies);
  await closeAll(copies.slice(at === undefined ? 1 : at + 1));
  if (at === undefined) {
    const reason = copies.some(({ id }) => id === place.file) ? 'truncated' : 'rotated-away';
    return { stretches: [{ file: newest, from: 0 }], lost: reason, ...newestCopy };
  }
  const [first, ...newer] = wholeFrom(copies, at);
  return { stretches: first === undefined ? newer : [{ ...first, from: place.offset }, ...newer], ...newestCopy };
}

/** Whose id the newest copy has now. */
export async function newestCopyOf(path: string, files: LogFiles): Promise<string | undefined> {
  const copies = await files.copies(path);
  await closeAll(copies);
  return copies[1]?.id;
}

function wholeFrom(copies: readonly OpenFile[], oldest: number): readonly Stretch[] {
  return copies
    .slice(0, oldest + 1)
    .reverse()
    .map((file) => ({ file, from: 0 }));
}

async function closeAll(files: readonly OpenFile[]): Promise<void> {
  await Promise.all(files.map((file) => file.close()));
}

/** The same file first, then a copy that begins the same, then a packed one. */
async function indexOfPlace(place: Place, copies: readonly OpenFile[]): Promise<number | undefined> {
  const plain = copies.filter(({ packing }) => packing === undefined);
  const same = plain.filter(({ id }) => id === place.file);
  const others = place.offset === 0 ? [] : plain.filter(({ id }) => id !== place.file);
  for (const file of [...same, ...others]) if (await standsIn(place, file)) return copies.indexOf(file);
  if (place.offset === 0) return undefined;
  for (const file of copies) {
    if (file.packing !== undefined && (await standsInPacked(place, file))) return copies.indexOf(file);
  }
  return undefined;
}

async function standsIn({ offset, tail }: Place, file: OpenFile): Promise<boolean> {
  if ((await file.size()) < offset) return false;
  const length = Math.min(tailSize, offset);
  return digestOfTail(await file.read(offset - length, length)) === tail;
}

async function standsInPacked({ offset, tail }: Place, file: OpenFile): Promise<boolean> {
  let before = Buffer.alloc(0);
  let passed = 0;
  try {
    for await (const piece of piecesUnpacked(file)) {
      const rest = offset - passed;
      before = Buffer.concat([before, piece.subarray(0, rest)]).subarray(-tailSize);
      passed += Math.min(piece.length, rest);
      if (passed === offset) return digestOfTail(before) === tail;
    }
  } catch {
    return false; // damaged, or not yet complete
  }
  return false;
}

export function piecesUnpacked(file: OpenFile): AsyncIterable<Buffer> {
  if (file.packing === undefined) throw new Error('not packed');
  return unpacked(file, file.packing);
}
