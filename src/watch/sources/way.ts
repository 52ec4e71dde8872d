// Where to go on reading a log file that may have been renamed, copied and emptied, or packed since: the copies from the
// place on, oldest first. A place is found by who the file is and by the digest of what stands right before it.
import { digestOfTail, type Place, placeAtEnd, placeAtStart, tailSize } from './file-place.ts';
import type { LogFiles, OpenFile } from './log-files.ts';
import { type GapReason, pause } from './source.ts';
import { unpacked } from './unpacked.ts';

export type Stretch = { readonly file: OpenFile; readonly from: number };

export type Way = {
  /** Oldest first; the last one is what is written to now. Open: who walks the way closes them. */
  readonly stretches: readonly Stretch[];
  /** Which copy was the newest. */
  readonly newestCopy?: string;
  /** The place is nowhere any more. */
  readonly lost?: Loss;
};

export type Loss = {
  readonly reason: GapReason;
  /** Where all begins that is there to be read. */
  readonly place: Place;
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
  const copies = await finishedCopies(path, files);
  const [newest, copy] = copies;
  if (newest === undefined) return undefined;
  const newestCopy = copy === undefined ? {} : { newestCopy: copy.id };
  const at = place === undefined ? copies.length - 1 : await indexOfPlace(place, copies);
  if (at === undefined) {
    const reason = copies.some(({ id }) => id === place?.file) ? 'truncated' : 'rotated-away';
    const lost = { reason, place: await placeBefore(newest, copy) } as const;
    await closeAll(copies.slice(1));
    return { stretches: [{ file: newest, from: 0 }], lost, ...newestCopy };
  }
  await closeAll(copies.slice(at + 1));
  const [first, ...newer] = wholeFrom(copies, at);
  const stretches = first === undefined ? newer : [{ ...first, from: place?.offset ?? 0 }, ...newer];
  return { stretches: await withoutEmptyEnd(await withoutTwins(stretches)), ...newestCopy };
}

/** Whose id the newest copy has now. */
export async function newestCopyOf(path: string, files: LogFiles): Promise<string | undefined> {
  const copies = await finishedCopies(path, files);
  await closeAll(copies);
  return copies[1]?.id;
}

/** Not those with which the file itself begins: they are in the making, or the file has not been emptied yet. */
async function finishedCopies(path: string, files: LogFiles): Promise<readonly OpenFile[]> {
  let [newest, ...copies] = await files.copies(path);
  if (newest === undefined) return [];
  for (let copy = copies[0]; copy !== undefined && (await beginsWith(newest, copy)); copy = copies[0]) {
    await copy.close();
    copies = copies.slice(1);
  }
  return [newest, ...copies];
}

async function beginsWith(file: OpenFile, copy: OpenFile): Promise<boolean> {
  if (copy.packing !== undefined) return false;
  const { offset, tail } = await placeAtEnd(copy);
  return standsIn({ file: file.id, offset, tail }, file);
}

/** An empty file cannot be found again by what stands in it: the end of the copy before it can. */
async function placeBefore(file: OpenFile, copy: OpenFile | undefined): Promise<Place> {
  return copy === undefined || copy.packing !== undefined ? placeAtStart(file.id) : placeAtEnd(copy);
}

/** While a copy is being packed both are there. */
async function withoutTwins(stretches: readonly Stretch[]): Promise<readonly Stretch[]> {
  const single: Stretch[] = [];
  for (const [at, stretch] of stretches.entries()) {
    const newer = stretches[at + 1];
    if (newer !== undefined && (await isPackedTwin(stretch.file, newer.file))) await stretch.file.close();
    else single.push(stretch);
  }
  return single;
}

async function isPackedTwin(packed: OpenFile, plain: OpenFile): Promise<boolean> {
  if (packed.packing === undefined || plain.packing !== undefined) return false;
  try {
    for await (const piece of piecesUnpacked(packed)) {
      const beginning = piece.subarray(0, tailSize);
      return beginning.length > 0 && beginning.equals(await plain.read(0, beginning.length));
    }
  } catch {
    // damaged, or not yet complete: whoever reads it says so
  }
  return false;
}

/** A file that was renamed is written to until its successor is: it is the last one until something stands in that. */
async function withoutEmptyEnd(stretches: readonly Stretch[]): Promise<readonly Stretch[]> {
  const last = stretches.at(-1);
  const before = stretches.at(-2);
  if (last === undefined || before === undefined || before.file.packing !== undefined) return stretches;
  if ((await last.file.size()) > 0) return stretches;
  await last.file.close();
  return withoutEmptyEnd(stretches.slice(0, -1));
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
