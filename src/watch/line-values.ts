// What is known of the line that was read last, as numbers: an event is made of it. One object serves all lines: nothing is
// made anew for each of them.
import { wordCount, words } from './grammar.ts';
import { HeaderSearch } from './scan-header.ts';
import { Layer } from './scan-layer.ts';

/** The kernel keeps 127 characters of a prefix: in front of a longer one stands what belongs to no line, or to another. */
const mostPrefix = 127;

export class LineValues {
  readonly header = new HeaderSearch();
  /** By word, 32 bits each; those of the packet in an ICMP error have places of their own. */
  readonly value = new Int32Array(2 * wordCount);
  /** Where a value is a MAC. */
  readonly macs = new Float64Array(2 * wordCount);
  /** Where a value that is text stands. */
  readonly from = new Int32Array(2 * wordCount);
  readonly to = new Int32Array(2 * wordCount);
  /** IPv6 addresses, four times 32 bits each, from `ip6At` of their words on. */
  readonly ip6 = new Uint32Array(16);
  /** `line` where the word was read in this line, and `-line` where it could not be read. */
  seen: Int32Array = new Int32Array(2 * wordCount);
  line = 0;
  outer: Layer = new Layer('outer');
  inner: Layer = new Layer('inner');
  /** Octets of `MAC=`. */
  octets = 0;
  tunnelTo = 0;
  start = 0;
  end = 0;
  /** No blank stands behind the last word. */
  trimmed = false;
  damaged = false;
  cut = false;
  partial = false;
  /** The prefix holds a header, and in `mixed` also a piece of a packet behind it. */
  repeated = false;
  mixed = false;

  readonly #ownSeen = this.seen;
  readonly #ownOuter = this.outer;
  readonly #ownInner = this.inner;
  #lines = 0;

  get hasLongPrefix(): boolean {
    return this.header.prefixTo - this.start > mostPrefix;
  }

  /** Nothing was read behind the header. */
  forgetBody(): void {
    this.seen = this.#ownSeen;
    this.outer = this.#ownOuter;
    this.inner = this.#ownInner;
    this.#lines = (this.#lines + 1) & 0x3fff_ffff;
    if (this.#lines === 0) {
      this.seen.fill(0);
      this.#lines = 1;
    }
    this.line = this.#lines;
    this.outer.clear();
    this.inner.clear();
    this.octets = 0;
  }

  has(slot: number): boolean {
    return this.seen[slot] === this.line;
  }

  isUnread(slot: number): boolean {
    return this.seen[slot] === -this.line;
  }

  isSeen(slot: number): boolean {
    const seen = this.seen[slot];
    return seen === this.line || seen === -this.line;
  }
}

/** Where the address of a SRC= or DST= is, by the place of its value. */
export function ip6At(slot: number): number {
  const isInner = slot >= wordCount;
  const word = isInner ? slot - wordCount : slot;
  return (isInner ? 8 : 0) + (word === words.src ? 0 : 4);
}
