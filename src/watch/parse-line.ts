// The text of one kernel message -> a LogEvent, by the grammar of net/netfilter/nf_log_syslog.c. Any bytes are read
// without an exception and in linear time; what is no netfilter line is `undefined`.
import type { LogEvent } from '../model/log-event.ts';
import { eventOf } from './build-event.ts';
import { LineShapes } from './line-shapes.ts';
import { builtInPrefixes, type PrefixTable } from './prefixes.ts';
import { LineScan } from './scan-line.ts';
import { Texts } from './texts.ts';

/**
 * Reads line after line: `scanAt` takes every field, as numbers, and costs less than half of what the event costs; so
 * who wants only some of the lines as events asks for these. What was read is forgotten with the next line.
 */
export class LineReader {
  readonly #scan = new LineScan(new LineShapes());
  readonly #texts = new Texts();
  #bytes: Uint8Array = new Uint8Array();

  /** `false` for what is no netfilter line. The bytes must not change before `event`. */
  scanAt(bytes: Uint8Array, from: number, to: number): boolean {
    this.#bytes = bytes;
    return this.#scan.scan(bytes, from, to);
  }

  /** The line of the last `scanAt`, which must have been one. */
  event(table: PrefixTable = builtInPrefixes): LogEvent {
    return eventOf(this.#scan, this.#bytes, this.#texts, table);
  }
}

const reader = new LineReader();

/**
 * `bytes` is a line without what its source puts before the kernel's text: see sources/line-head.ts. With a table of the
 * loaded rules' prefixes fewer lines are ambiguous, and own prefixes have their actions.
 */
export function parseLogLine(bytes: Uint8Array, table: PrefixTable = builtInPrefixes): LogEvent | undefined {
  return parseLogLineAt(bytes, 0, bytes.length, table);
}

/** The same for a line that stands in a larger buffer, from `from` on and before `to`. */
export function parseLogLineAt(
  bytes: Uint8Array,
  from: number,
  to: number,
  table: PrefixTable = builtInPrefixes,
): LogEvent | undefined {
  return reader.scanAt(bytes, from, to) ? reader.event(table) : undefined;
}
