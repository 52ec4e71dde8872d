// How far the scan of a line has come: the values that were read, the section that the next word must be of, and what
// went wrong. One object serves all lines: nothing is made anew for each of them.
import { order, sections, words } from './grammar.ts';
import { LineValues } from './line-values.ts';
import { conclude, settle } from './scan-complete.ts';
import { type Layer, Place } from './scan-layer.ts';
import { Trail } from './scan-trail.ts';
import { Cursor } from './scan-values.ts';

const firstIpWord = order.indexOf(words.src, sections.line.from);
const unread = -1;
const blank = 32;
const closing = 93;

export class ScanState extends LineValues {
  readonly cursor = new Cursor();
  readonly place = new Place();
  readonly trail = new Trail();
  layer: Layer = this.outer;
  /** A known word stood in a wrong place: whose words follow nobody knows. */
  lost = false;
  lastSlot = 0;
  /** The last word could not be read, and may only be cut. */
  oddEnd = -1;

  readonly #behindBlock = new Place();
  readonly #behindExtension = new Place();
  /** The end of the section in which it was lost. */
  lostStop = 0;
  #damagedBefore = false;

  /** Forgets everything but where the line and its header are. */
  begin(): void {
    this.forgetBody();
    this.layer = this.outer;
    this.damaged = false;
    this.cut = false;
    this.partial = false;
    this.lost = false;
    this.lastSlot = 0;
    this.oddEnd = -1;
    this.trail.clear();
    this.cursor.at = this.header.outTo;
    this.cursor.end = this.end;
    this.place.enter(sections.line);
  }

  /** A word of a packet was there, readable or not. */
  hasBody(): boolean {
    return this.lost || this.place.section !== sections.line || this.place.next > firstIpWord;
  }

  take(slot: number): void {
    this.seen[slot] = this.line;
  }

  refuse(slot: number): void {
    this.seen[slot] = -this.line;
  }

  /** Takes a value, if the word ends behind it. */
  keep(bytes: Uint8Array, slot: number, value: number): void {
    const { at, end } = this.cursor;
    if (value !== unread && (at >= end || bytes[at] === blank)) {
      this.value[slot] = value;
      this.seen[slot] = this.line;
      return;
    }
    const inBlock = this.layer.base > 0 && at < end && bytes[at] === closing;
    if (value !== unread && inBlock) {
      this.value[slot] = value;
      this.take(slot);
    } else {
      this.refuse(slot);
    }
    this.leaveWord(bytes, value === unread);
  }

  /** Goes to the end of the word. What still stands there is damage, but for the end of a block. */
  leaveWord(bytes: Uint8Array, odd = false): void {
    const { cursor } = this;
    const { at, end } = cursor;
    if (at < end && this.layer.base > 0 && bytes[at] === closing && (at + 1 >= end || bytes[at + 1] === blank)) {
      cursor.at = at + 1;
      if (odd) this.damaged = true;
      this.closeBlock();
      return;
    }
    if (odd || (at < end && bytes[at] !== blank)) this.oddWord(bytes, at);
  }

  /** `at`: in a word that is no text of the kernel. */
  oddWord(bytes: Uint8Array, at: number): void {
    this.#doubtFlags();
    const wordEnd = this.wordEnd(bytes, at);
    this.cursor.at = wordEnd;
    if (wordEnd >= this.end && this.trimmed) this.oddEnd = at;
    else this.damaged = true;
    if (this.layer.base > 0 && wordEnd > at && bytes[wordEnd - 1] === closing) this.closeBlock();
  }

  #doubtFlags(): void {
    const isTcp = this.place.section === this.layer.sections.tcp;
    if (isTcp && !this.isThere(words.urgp)) this.layer.unsure = true;
  }

  wordEnd(bytes: Uint8Array, from: number): number {
    const { end } = this.cursor;
    let at = from;
    while (at < end && bytes[at] !== blank) at++;
    return at;
  }

  /** Also before the bracket that ends a block. */
  wordEndOrBlock(bytes: Uint8Array, from: number): number {
    const { end } = this.cursor;
    const inBlock = this.layer.base > 0;
    let at = from;
    while (at < end && bytes[at] !== blank && !(inBlock && bytes[at] === closing)) at++;
    return at;
  }

  lose(): void {
    if (this.lost) return;
    this.lost = true;
    this.damaged = true;
    this.#doubtFlags();
    this.lostStop = this.place.stop;
    this.place.stop = this.place.next;
  }

  /** Nothing more of this packet can come: the kernel stopped there. */
  endPacket(): void {
    if (this.place.section === sections.extension) this.closeExtension();
    if (this.place.got > 0) settle(this);
    this.layer.ended = true;
    this.place.enter(sections.nothing);
  }

  openBlock(): void {
    this.take(words.block);
    this.#damagedBefore = this.damaged;
    this.damaged = false;
    this.#behindBlock.copy(this.place);
    this.layer = this.inner;
    this.inner.present = true;
    this.place.enter(sections.inner);
  }

  closeBlock(): void {
    if (this.lost) return;
    const whole = conclude(this, true) && !this.damaged;
    this.damaged ||= this.#damagedBefore;
    this.layer = this.outer;
    this.place.copy(this.#behindBlock);
    // what ends a damaged block may be a word of it: what follows may be its words too
    if (!whole) this.lose();
  }

  openExtension(): void {
    this.layer.extensions++;
    this.#behindExtension.copy(this.place);
    this.place.enter(sections.extension);
  }

  closeExtension(): void {
    this.place.copy(this.#behindExtension);
    this.place.next = this.layer.extensionStart;
  }

  /** Leaves a block that the end of the line closed. */
  leaveBlock(): void {
    this.damaged ||= this.#damagedBefore;
    this.layer = this.outer;
    this.place.copy(this.#behindBlock);
    this.lostStop = this.place.stop;
  }

  /** Read or not, the line has the word in the packet that is being read. */
  isThere(word: number): boolean {
    return this.isSeen(word + this.layer.base);
  }

  familyOf(layer: Layer): 0 | 4 | 6 {
    if (layer.family !== 0) return layer.family;
    const has = (word: number): boolean => this.has(word + layer.base);
    if (has(words.tc) || has(words.hoplimit) || has(words.flowlabel)) layer.family = 6;
    else if (has(words.tos) || has(words.prec) || has(words.ttl)) layer.family = 4;
    return layer.family;
  }
}
