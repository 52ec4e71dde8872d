// /dev/kmsg -> records, every one numbered by the kernel, so that every loss is known exactly. The ring belongs to the
// whole machine: it is only read here. A timer of its own empties it, however slow those behind us are.
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { BootClock, bootId } from './boot-clock.ts';
import { type KmsgRecord, parseKmsgRecord } from './kmsg-record.ts';
import {
  type Batch,
  type Cursor,
  type Finding,
  finding,
  type Gap,
  mayBeLogLine,
  pause,
  type Source,
  type SourceItem,
} from './source.ts';

export type KmsgOptions = { readonly device?: string; readonly pollMs?: number; readonly most?: number };

/** A read that cannot take the whole record fails with EINVAL and never advances; a record has up to 8 KiB. */
const bufferSize = 16 * 1024;
/** A ring of 128 KiB holds about 500 lines: at 50 ms it survives 10,000 lines a second. */
const usualPollMs = 50;
/** Lines that may wait for those behind us. Beyond, they wait in the ring, whose losses are counted. */
const mostWaiting = 200_000;
const batchSize = 2_000;
/** So often a position is worth storing when nothing but other messages came. */
const cursorMs = 1_000;
/** A flood must not keep the timer from giving the turn to others. */
const mostAtOnce = 5_000;

export function kmsg(options: KmsgOptions = {}): Source {
  return { name: 'kmsg', host: '', batches: (cursor, signal) => follow(options, cursor, signal) };
}

async function* follow(options: KmsgOptions, cursor: Cursor | undefined, signal: AbortSignal): AsyncGenerator<Batch> {
  const { device = '/dev/kmsg', pollMs = usualPollMs, most = mostWaiting } = options;
  const fd = openDevice(device);
  if (typeof fd !== 'number') {
    yield { items: [fd] };
    return;
  }
  const reading = new KmsgReading(bootId() ?? 'unknown', cursor);
  const reader = new RingReader(fd, reading, most);
  const timer = setInterval(() => reader.drain(), pollMs);
  try {
    reader.drain();
    for (;;) {
      const batch = reading.take(batchSize) ?? reading.position(signal.aborted ? 0 : cursorMs);
      if (batch !== undefined) yield batch;
      else if (signal.aborted) return;
      else if (reader.refusal !== undefined) return yield { items: [refused(device, reader.refusal)] };
      else await pause(pollMs, signal);
    }
  } finally {
    clearInterval(timer);
    closeSync(fd);
  }
}

function openDevice(device: string): number | Finding {
  try {
    return openSync(device, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    return refused(device, (error as NodeJS.ErrnoException).code);
  }
}

function refused(device: string, code: string | undefined): Finding {
  switch (code) {
    case 'ENOENT':
      return finding('kmsg-absent', `${device} does not exist here, as in most containers`);
    case 'EINVAL':
      return finding('kmsg-unreadable', `${device} opens, but reading it gives EINVAL: a kernel older than 3.5`);
    default:
      return finding('kmsg-refused', `${device} cannot be read: ${code}`);
  }
}

/** Moves records out of the device until there are no more, or enough. */
class RingReader {
  readonly #fd: number;
  readonly #reading: KmsgReading;
  readonly #most: number;
  readonly #buffer = Buffer.alloc(bufferSize);
  refusal: string | undefined;
  /** When the ring was last seen empty: what comes later is stamped later. */
  #emptyAt: number | undefined;

  constructor(fd: number, reading: KmsgReading, most: number) {
    this.#fd = fd;
    this.#reading = reading;
    this.#most = most;
  }

  drain(): void {
    for (let count = 0; count < mostAtOnce && this.#reading.waiting < this.#most; count++) {
      const length = this.#read();
      if (length === 'overrun') this.#reading.overrun();
      else if (typeof length === 'string') {
        if (length === 'EAGAIN') this.#emptyAt = Date.now();
        else this.refusal = length;
        return;
      } else this.#accept(length);
    }
  }

  #accept(length: number): void {
    const record = parseKmsgRecord(this.#buffer.subarray(0, length));
    if (record !== undefined) this.#reading.accept(record, this.#emptyAt);
  }

  #read(): number | string {
    try {
      return readSync(this.#fd, this.#buffer);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
      return code === 'EPIPE' ? 'overrun' : code;
    }
  }
}

/** An item and the number of the last record that it covers. */
type Waiting = { readonly item: SourceItem; readonly upTo: number };

/** The records since a cursor, as batches. Knows from the numbers what is missing; the bytes may come from anywhere. */
export class KmsgReading {
  readonly #epoch: string;
  readonly #clock: BootClock;
  #waiting: readonly Waiting[] = [];
  #fresh: Waiting[] = [];
  #last: { readonly sequence: number; readonly us?: number } | undefined;
  #earlierBoot: { readonly epoch: string; readonly sequence: number } | undefined;
  #overrun = false;
  #told: { readonly sequence: number; readonly at: number } = { sequence: -1, at: 0 };

  constructor(epoch: string, cursor: Cursor | undefined, clock: BootClock = new BootClock()) {
    this.#epoch = epoch;
    this.#clock = clock;
    const { boot, sequence } = cursor ?? {};
    if (typeof boot !== 'string' || typeof sequence !== 'number') return;
    if (boot === epoch) this.#last = { sequence };
    else this.#earlierBoot = { epoch: boot, sequence };
    // a gap at the start comes from the ring having gone round meanwhile
    this.#overrun = true;
  }

  get waiting(): number {
    return this.#waiting.length + this.#fresh.length;
  }

  /** The reader was told that records are gone; the number of the next one says how many. */
  overrun(): void {
    this.#overrun = true;
  }

  accept(record: KmsgRecord, emptyAt: number | undefined): void {
    const { sequence, us, facility, text } = record;
    if (this.#last !== undefined && sequence <= this.#last.sequence) return; // read in an earlier run
    this.#tellGap(record);
    this.#last = { sequence, us };
    this.#overrun = false;
    if (emptyAt !== undefined) this.#clock.learn(us, emptyAt, this.#clock.now());
    if (!mayBeLogLine(text)) return;
    const item: SourceItem = {
      kind: 'record',
      trust: facility === 0 ? 3 : 1,
      epoch: this.#epoch,
      us,
      wall: this.#clock.wallOf(us),
      sequence,
      facility,
      text: Buffer.from(text),
    };
    this.#fresh.push({ item, upTo: sequence });
  }

  #tellGap({ sequence, us }: KmsgRecord): void {
    const before = { epoch: this.#epoch, us, sequence, wall: this.#clock.wallOf(us) };
    const upTo = sequence - 1;
    if (this.#earlierBoot !== undefined) {
      const between = { after: this.#earlierBoot, before };
      this.#fresh.push({ item: { kind: 'gap', lost: 'unknown', reason: 'reboot', between }, upTo });
      this.#earlierBoot = undefined;
      if (sequence > 0) this.#fresh.push({ item: this.#lost(sequence, { before }), upTo });
    } else if (this.#last !== undefined && sequence > this.#last.sequence + 1) {
      const after = { epoch: this.#epoch, ...this.#last };
      this.#fresh.push({ item: this.#lost(sequence - this.#last.sequence - 1, { after, before }), upTo });
    }
  }

  #lost(exact: number, between: Gap['between']): Gap {
    return { kind: 'gap', lost: { exact }, reason: this.#overrun ? 'overrun' : 'hole', between };
  }

  /** Up to `size` items with the cursor behind them; `undefined` when there are none. */
  take(size: number): Batch | undefined {
    if (this.#waiting.length === 0) [this.#waiting, this.#fresh] = [this.#fresh, []];
    const taken = this.#waiting.slice(0, size);
    const end = taken.at(-1);
    if (end === undefined) return undefined;
    this.#waiting = this.#waiting.slice(size);
    return this.#upTo(
      end.upTo,
      taken.map(({ item }) => item),
    );
  }

  /** The cursor alone, when it has moved and the last one is so old: only then a gap after a restart is exact. */
  position(olderThanMs: number): Batch | undefined {
    const sequence = this.#last?.sequence ?? -1;
    if (sequence === this.#told.sequence || Date.now() - this.#told.at < olderThanMs) return undefined;
    return this.#upTo(sequence, []);
  }

  #upTo(sequence: number, items: readonly SourceItem[]): Batch {
    this.#told = { sequence, at: Date.now() };
    return { items, cursor: { boot: this.#epoch, sequence } };
  }
}
