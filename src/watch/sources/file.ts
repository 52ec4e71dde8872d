// A log file -> records, through renaming, copying and emptying, packing, and half-written lines. Never waits for a
// notice: the file is looked at again and again.
import { digestOfTail, type Place, placeOf, Reached, tailSize } from './file-place.ts';
import { type Taken, wholeLines } from './lines.ts';
import { type LogFiles, localFiles, type OpenFile } from './log-files.ts';
import { type Batch, type Cursor, finding, pause, type Source, type SourceItem, type Trust } from './source.ts';
import { type LineTrust, TextLines } from './text-lines.ts';
import { newestCopyOf, piecesUnpacked, type Stretch, type Way, wayFrom } from './way.ts';

/** What the bytes of the file become; keeps what it needs of earlier lines. */
export type LineReader = {
  readonly items: (line: Buffer) => readonly SourceItem[];
  /** The whole lines of a piece. */
  readonly take: (bytes: Buffer) => Taken;
  readonly recall: (line: Buffer) => void;
};

export type FileOptions = {
  /** Whose files; those of another machine need a connection, which ends with the signal. */
  readonly files?: (signal: AbortSignal) => LogFiles;
  readonly host?: string;
  readonly pollMs?: number;
  /** Nobody asked for this file: that it is not there is no finding. */
  readonly optional?: boolean;
  /** Ends at the end of the file. */
  readonly once?: boolean;
  /** Instead of lines as a syslog daemon writes them. */
  readonly lines?: (owner: OpenFile['owner']) => LineReader;
};

const usualPollMs = 200;
const retryMs = 5_000;
const chunkSize = 1024 * 1024;
/** Enough to hold the line before a place. */
const recallSize = 4 * 1024;
/** So often a position is worth storing when nothing but other messages came. */
const cursorMs = 5_000;

export function logFile(path: string, options: FileOptions = {}): Source {
  const { files = () => localFiles, host = '' } = options;
  return {
    name: `file:${path}`,
    host,
    batches: (cursor, signal) => new Follower(path, files(signal), options, signal).batches(cursor),
  };
}

/** A local user may have got a line into kern.log; anything can stand in the others (20-ufw.conf asks for `[UFW ` only). */
export function trustOfFile(path: string, owner: OpenFile['owner']): LineTrust {
  if (owner === 'other') return { kernel: 0, other: 0 };
  const kernel: Trust = /(?:^|\/)kern\.log$/.test(path) ? 2 : 1;
  return { kernel, other: 1 };
}

class Follower {
  readonly #path: string;
  readonly #files: LogFiles;
  readonly #options: FileOptions;
  readonly #signal: AbortSignal;
  #lines: LineReader | undefined;
  #notAfter = 0;
  #place: Place | undefined;
  #told = '';
  /** The file at the end of the way was read to its end, and had a successor then. */
  #complete = false;
  #successor: string | undefined;
  #tellAt = 0;

  constructor(path: string, files: LogFiles, options: FileOptions, signal: AbortSignal) {
    this.#path = path;
    this.#files = files;
    this.#options = options;
    this.#signal = signal;
  }

  async *batches(cursor: Cursor | undefined): AsyncGenerator<Batch> {
    this.#place = placeOf(cursor);
    if (cursor !== undefined && this.#place === undefined) yield { items: [], reread: true };
    for (;;) {
      const problem = yield* this.#oneWay();
      const isAbsent = problem?.includes('ENOENT') ?? false;
      const isToBeTold = problem !== this.#told && !(isAbsent && this.#options.optional === true);
      if (problem !== undefined && isToBeTold)
        yield { items: [finding(isAbsent ? 'file-absent' : 'file-refused', problem)] };
      this.#told = problem ?? '';
      if (this.#signal.aborted || this.#options.once === true) return;
      if (problem !== undefined) await pause(this.#pollMs(problem), this.#signal);
    }
  }

  #pollMs(problem: string): number {
    const { pollMs = usualPollMs } = this.#options;
    return problem.includes('ENOENT') ? pollMs : Math.max(pollMs, retryMs);
  }

  /** Until the file has a successor, is emptied, or the source ends; what went wrong, if anything did. */
  async *#oneWay(): AsyncGenerator<Batch, string | undefined> {
    let way: Way | undefined;
    try {
      way = await wayFrom(this.#place, this.#path, this.#files, this.#signal);
      if (way === undefined) return `${this.#path}: ENOENT, there is no such file`;
      // whoever is stopped has not looked to the end: a place that was not found yet is no lost one
      if (way.lost !== undefined && this.#signal.aborted) return undefined;
      const [first] = way.stretches;
      if (way.lost !== undefined && first !== undefined) {
        const { reason, place } = way.lost;
        const gap: SourceItem = { kind: 'gap', lost: 'unknown', reason, between: {} };
        const isNext = this.#complete && first.file.id === this.#successor;
        this.#place = place;
        yield { items: isNext ? [] : [gap], cursor: place, reread: true };
      }
      yield* this.#walk(way.stretches, way.newestCopy);
      return undefined;
    } catch (error) {
      return `${this.#path}: ${(error as Error).message}`;
    } finally {
      await Promise.all((way?.stretches ?? []).map(({ file }) => file.close()));
    }
  }

  async *#walk(stretches: readonly Stretch[], newestCopy: string | undefined): AsyncGenerator<Batch> {
    for (const [index, { file, from }] of stretches.entries()) {
      if (this.#signal.aborted) return;
      const isLast = index === stretches.length - 1;
      this.#notAfter = isLast ? 0 : file.modified;
      this.#lines ??= await this.#linesOf(file);
      this.#complete = false;
      if (file.packing !== undefined) yield* this.#readPacked(file, from);
      else yield* this.#readPlain(file, from, isLast, newestCopy);
      // its place has to be found again before the next one may be read
      if (!this.#complete) return;
    }
  }

  async #linesOf({ owner }: OpenFile): Promise<LineReader> {
    const { lines } = this.#options;
    if (lines !== undefined) return lines(owner);
    const zone = await this.#files.zone?.();
    const notAfter = (): number => this.#notAfter || Date.now();
    return new TextLines(trustOfFile(this.#path, owner), { notAfter, ...(zone !== undefined && { zone }) });
  }

  async *#readPlain(
    file: OpenFile,
    from: number,
    isLast: boolean,
    newestCopy: string | undefined,
  ): AsyncGenerator<Batch> {
    const reached = await this.#resumed(file, from);
    if (reached === undefined) return;
    let isWhole = !isLast || this.#options.once === true;
    for (;;) {
      const fresh = await freshBytes(file, reached);
      if (fresh === undefined) return; // emptied, or written anew
      // what stood in an empty file and was copied away at once left no trace but the copy
      const isFirst = isLast && reached.offset === 0 && fresh.length > 0;
      if (isFirst && (await newestCopyOf(this.#path, this.#files)) !== newestCopy) return;
      const atEnd = fresh.length < chunkSize;
      const batch = this.#batchOf(fresh, reached, atEnd && isWhole);
      if (batch !== undefined) yield batch;
      if (this.#signal.aborted || (isWhole && atEnd)) {
        this.#complete = isWhole && atEnd;
        return yield* this.#position();
      }
      if (!atEnd) continue;
      isWhole = await this.#hasSuccessor(file);
      if (!isWhole) await pause(this.#options.pollMs ?? usualPollMs, this.#signal);
    }
  }

  /** The daemon writes to the old file until it opens the new one: it is done when something stands in that. */
  async #hasSuccessor({ id }: OpenFile): Promise<boolean> {
    const now = await this.#files.facts(this.#path);
    if (now === undefined || now.id === id || now.size === 0) return false;
    this.#successor = now.id;
    return true;
  }

  /** `undefined` when the place has gone since it was found. */
  async #resumed(file: OpenFile, from: number): Promise<Reached | undefined> {
    const before = await file.read(Math.max(0, from - recallSize), Math.min(from, recallSize));
    const tail = Buffer.from(before.subarray(-tailSize));
    if (from > 0 && digestOfTail(tail) !== this.#place?.tail) return undefined;
    this.#recall(before);
    return new Reached(file.id, from, tail);
  }

  #recall(before: Buffer): void {
    const last = wholeLines(before).lines.at(-1);
    if (last !== undefined) this.#lines?.recall(last);
  }

  async *#readPacked(file: OpenFile, from: number): AsyncGenerator<Batch> {
    const reached = new Reached(file.id, 0, Buffer.alloc(0));
    let before = Buffer.alloc(0);
    let rest = Buffer.alloc(0);
    for await (const piece of piecesUnpacked(file)) {
      const skipped = piece.subarray(0, Math.max(0, from - reached.offset - rest.length));
      if (skipped.length > 0) {
        reached.advance(skipped);
        before = Buffer.concat([before, skipped]).subarray(-recallSize);
        if (reached.offset < from) continue;
        this.#recall(before);
      }
      const bytes = Buffer.concat([rest, piece.subarray(skipped.length)]);
      const start = reached.offset;
      const batch = this.#batchOf(bytes, reached, false);
      rest = Buffer.from(bytes.subarray(reached.offset - start));
      if (batch !== undefined) yield batch;
      if (this.#signal.aborted) return;
    }
    const last = this.#batchOf(rest, reached, true);
    if (last === undefined) yield* this.#position();
    else yield last;
    this.#complete = true;
  }

  /** Takes the whole lines, and at the end of a file that grows no more the rest too. */
  #batchOf(bytes: Buffer, reached: Reached, isEnd: boolean): Batch | undefined {
    const { items: whole, length } = this.#lines?.take(bytes) ?? { items: [], length: 0 };
    const rest = bytes.subarray(length);
    const last = isEnd && rest.length > 0 ? (this.#lines?.items(rest) ?? []) : [];
    const isNothing = length === 0 && !(isEnd && rest.length > 0);
    // a megabyte without a newline is no line
    const isGarbage = length === 0 && rest.length >= chunkSize;
    reached.advance(isGarbage || isEnd ? bytes : bytes.subarray(0, length));
    // an empty file cannot be found again by what stands in it: the place is the end of the file before it
    if (reached.offset > 0) this.#place = reached.cursor();
    const items = last.length === 0 ? whole : [...whole, ...last];
    if (items.length === 0 && (isNothing || Date.now() < this.#tellAt)) return undefined;
    this.#tellAt = Date.now() + cursorMs;
    return { items, ...(this.#place !== undefined && { cursor: this.#place }) };
  }

  *#position(): Generator<Batch> {
    if (this.#place !== undefined) yield { items: [], cursor: this.#place };
  }
}

/** What stands behind the place, if before it still stands what stood there: an emptied file may have grown again. */
async function freshBytes(file: OpenFile, reached: Reached): Promise<Buffer | undefined> {
  const { offset, tailLength } = reached;
  if ((await file.size()) < offset) return undefined;
  const bytes = await file.read(offset - tailLength, tailLength + chunkSize);
  if (!reached.isTail(bytes.subarray(0, tailLength))) return undefined;
  const fresh = bytes.subarray(tailLength);
  // it may have been emptied in the middle of reading
  const isStill = fresh.length === 0 || reached.isTail(await file.read(offset - tailLength, tailLength));
  return isStill ? fresh : undefined;
}
