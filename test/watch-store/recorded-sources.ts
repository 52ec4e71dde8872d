// The kernel's ring and journalctl's output as files that grow: the program's own readers on top of them, so that a test
// decides what they hold, and a program that is killed finds them as they were.
import { open } from 'node:fs/promises';
import { BootClock } from '../../src/watch/sources/boot-clock.ts';
import { JournalReading } from '../../src/watch/sources/journal.ts';
import { KmsgReading } from '../../src/watch/sources/kmsg.ts';
import { parseKmsgRecord } from '../../src/watch/sources/kmsg-record.ts';
import { wholeLines } from '../../src/watch/sources/lines.ts';
import { type Batch, type Cursor, pause, type Source } from '../../src/watch/sources/source.ts';

/** The boot of all recorded worlds. Its clock counts from 1970, in microseconds. */
const recordedBoot = 'b007'.repeat(8);

const pollMs = 2;

/** Pieces of a file as it grows, from an offset on. */
async function* growing(path: string, from: number, signal: AbortSignal): AsyncGenerator<Buffer> {
  const file = await open(path, 'r');
  const buffer = Buffer.alloc(64 * 1024);
  try {
    for (let offset = from; !signal.aborted; ) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length, offset);
      offset += bytesRead;
      if (bytesRead === 0) await pause(pollMs, signal);
      else yield Buffer.from(buffer.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
}

/** Records as /dev/kmsg gives them. As with the device, every start reads them all and passes over what was read. */
export function recordedRing(path: string): Source {
  async function* batches(cursor: Cursor | undefined, signal: AbortSignal): AsyncGenerator<Batch> {
    const reading = new KmsgReading(recordedBoot, cursor, new BootClock(0));
    let rest = Buffer.alloc(0);
    for await (const piece of growing(path, 0, signal)) {
      const bytes = Buffer.concat([rest, piece]);
      const { lines, length } = wholeLines(bytes);
      rest = bytes.subarray(length);
      for (const line of lines) {
        const record = parseKmsgRecord(line);
        if (record !== undefined) reading.accept(record, undefined);
      }
      for (let batch = reading.take(7); batch !== undefined; batch = reading.take(7)) yield batch;
      const position = reading.position(0);
      if (position !== undefined) yield position;
    }
  }
  return { name: 'kmsg', host: '', batches };
}

/** Entries as `journalctl -o export` prints them. A cursor is where its entry begins, and the entry is given again. */
export function recordedJournal(path: string): Source {
  async function* batches(cursor: Cursor | undefined, signal: AbortSignal): AsyncGenerator<Batch> {
    const from = typeof cursor?.journal === 'string' ? cursor.journal : undefined;
    const reading = new JournalReading(from, true);
    const offset = from === undefined ? 0 : Number.parseInt(from.slice(2), 16);
    for await (const piece of growing(path, offset, signal)) {
      const items = reading.accept(piece);
      if (items.length > 0) yield reading.batch(items);
    }
  }
  return { name: 'journal', host: '', batches };
}

/** What `recordedJournal` reads. */
export function journalEntry(offset: number, us: number, text: string): string {
  return [
    `__CURSOR=s=${offset.toString(16)}`,
    `__REALTIME_TIMESTAMP=${us + 40}`,
    `__MONOTONIC_TIMESTAMP=${us + 40}`,
    `_BOOT_ID=${recordedBoot}`,
    '_TRANSPORT=kernel',
    'SYSLOG_FACILITY=0',
    `_SOURCE_MONOTONIC_TIMESTAMP=${us}`,
    `MESSAGE=${text}`,
    '\n',
  ].join('\n');
}
