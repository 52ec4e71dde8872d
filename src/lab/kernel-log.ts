// /dev/kmsg for one lab: the LOG lines between two marks, complete or a HostError (Documentation/ABI/testing/dev-kmsg).
// The ring belongs to the whole machine: it is never cleared, and lines of others are simply among the records.
import { randomUUID } from 'node:crypto';
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { HostError } from '../model/host-error.ts';

const device = '/dev/kmsg';
/** A read that cannot take the whole record fails with EINVAL; a record has up to 8 KiB. */
const bufferSize = 16 * 1024;
/** A ring of 128 KiB holds about 500 lines. */
const pollMs = 20;
const markMs = 2_000;

export type KernelRecord = {
  /** Counts the records of this boot; a hole means that records were lost. */
  readonly sequence: number;
  /** Microseconds since boot. */
  readonly us: number;
  /** 0 is the kernel, 1 `user`: what programs write into the device. */
  readonly facility: number;
  readonly level: number;
  readonly text: string;
};

/** A point in the kernel log. */
export type Marker = { readonly sequence: number };

export class KernelLogOverrun extends HostError {
  readonly lost: number;

  constructor(lost: number) {
    super('kernel-log-overrun', `${device}: ${lost} records were overwritten before they were read`);
    this.lost = lost;
  }
}

/** Reads from now on. @throws HostError 'kernel-log-unreadable' */
export function openKernelLog(): KernelLog {
  return new KernelLog();
}

export class KernelLog {
  readonly #fd: number;
  readonly #buffer = Buffer.alloc(bufferSize);
  readonly #timer: NodeJS.Timeout;
  #records: KernelRecord[] = [];

  constructor() {
    try {
      this.#fd = openSync(device, constants.O_RDONLY | constants.O_NONBLOCK);
    } catch (cause) {
      throw new HostError('kernel-log-unreadable', `cannot read ${device}: ${(cause as Error).message}`, cause);
    }
    this.#drain();
    this.#records = [];
    this.#timer = setInterval(() => this.#drain(), pollMs).unref();
  }

  close(): void {
    clearInterval(this.#timer);
    closeSync(this.#fd);
  }

  /** Writes a line of our own and finds it again. @throws HostError 'kernel-log-unwritable' */
  async mark(): Promise<Marker> {
    const text = `bridgekeeper mark ${randomUUID()}`;
    writeRecord(text);
    const deadline = Date.now() + markMs;
    for (;;) {
      this.#drain();
      const own = this.#records.findLast((record) => record.facility !== 0 && record.text === text);
      if (own !== undefined) return { sequence: own.sequence };
      // `printk.devkmsg=off` throws away what is written and says nothing.
      if (Date.now() > deadline) throw new HostError('kernel-log-unwritable', `${device} swallowed a line of ours`);
      await sleep(1);
    }
  }

  /** LOG lines of all namespaces, in order. @throws KernelLogOverrun when a record between the marks is lost */
  linesBetween(after: Marker, before: Marker): readonly KernelRecord[] {
    return linesBetween(this.#records, after, before);
  }

  /** LOG lines since a mark, as soon as they are enough, or those that there are when the time is over. */
  async linesUntil(
    after: Marker,
    enough: (lines: readonly KernelRecord[]) => boolean,
    options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
  ): Promise<readonly KernelRecord[]> {
    const deadline = Date.now() + options.timeoutMs;
    for (;;) {
      this.#drain();
      const last = this.#records.at(-1)?.sequence ?? after.sequence;
      const lines = this.linesBetween(after, { sequence: last + 1 });
      if (enough(lines) || Date.now() >= deadline || options.signal?.aborted) return lines;
      await sleep(2);
    }
  }

  /** Gives back the memory of all records before a mark. */
  forget(marker: Marker): void {
    this.#records = this.#records.filter(({ sequence }) => sequence >= marker.sequence);
  }

  #drain(): void {
    for (;;) {
      const length = readRecord(this.#fd, this.#buffer);
      if (length === undefined) return;
      const record = parseKernelRecord(this.#buffer.subarray(0, length));
      if (record !== undefined) this.#records.push(record);
    }
  }
}

/** The length of the next record; 0 when some were lost before it, `undefined` when there is none yet. */
function readRecord(fd: number, buffer: Buffer): number | undefined {
  try {
    return readSync(fd, buffer);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EAGAIN') return undefined;
    if (code === 'EPIPE') return 0; // overwritten; the sequence number of the next record tells how many
    throw new HostError('kernel-log-unreadable', `cannot read ${device}: ${code}`, error);
  }
}

/** Through a descriptor of its own: the kernel allows each only ten lines in five seconds. */
function writeRecord(text: string): void {
  try {
    const fd = openSync(device, constants.O_WRONLY);
    try {
      writeSync(fd, `<15>${text}\n`); // facility user, level debug: no console prints it
    } finally {
      closeSync(fd);
    }
  } catch (cause) {
    throw new HostError('kernel-log-unwritable', `cannot write ${device}: ${(cause as Error).message}`, cause);
  }
}

/** `priority,sequence,microseconds,flags[,...];text`, then lines that start with a space. */
export function parseKernelRecord(bytes: Buffer): KernelRecord | undefined {
  const match = /^(\d+),(\d+),(\d+),[^;]*;([^\n]*)/.exec(bytes.toString('latin1'));
  if (match === null) return undefined;
  const [priority = 0, sequence = 0, us = 0] = match.slice(1, 4).map(Number);
  return { sequence, us, facility: priority >> 3, level: priority & 7, text: unescaped(match[4] ?? '') };
}

/** The kernel writes control characters, bytes above 126 and the backslash as `\xNN`. */
function unescaped(text: string): string {
  if (!text.includes('\\x')) return text;
  const bytes = text.replace(/\\x([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

/** Every record in between must be there: their numbers have no holes. @throws KernelLogOverrun */
export function linesBetween(records: readonly KernelRecord[], after: Marker, before: Marker): readonly KernelRecord[] {
  const between = records.filter(({ sequence }) => sequence > after.sequence && sequence < before.sequence);
  const lost = before.sequence - after.sequence - 1 - between.length;
  if (lost > 0) throw new KernelLogOverrun(lost);
  return between.filter(isLogLine);
}

/** nf_log_syslog.c writes IN= and OUT= into every line; programs cannot write with facility 0. */
function isLogLine(record: KernelRecord): boolean {
  return record.facility === 0 && record.text.includes('IN=') && record.text.includes(' OUT=');
}
