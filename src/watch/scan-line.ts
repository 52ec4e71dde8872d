// The bytes of a line -> values by word, in one pass from left to right. A word is compared with the words that may come
// next by the grammar; what is none of them is damage, and what is a known word in a wrong place ends the reading: from
// there on nobody knows whose fields they are. test/watch/linear.test.ts counts how often bytes are looked at.
import * as grammar from './grammar.ts';
import { isKnownWord } from './known-words.ts';
import type { LineShapes } from './line-shapes.ts';
import { concludeLine } from './scan-end.ts';
import { ScanState } from './scan-state.ts';
import * as values from './scan-values.ts';
import { readWord } from './scan-words.ts';
import { mayHaveShape } from './shape-of-line.ts';

// What is imported is looked up at every use; what is this module's own is a constant to the compiler.
const { headOf, infoOf, keyBytes, keyRoom, kinds, maskOf, shortOf, slotOf, wordCount, words } = grammar;
const { headAt, shortHex, shortNumber } = values;
const { number: numberKind, flag: flagKind, hex: hexKind } = kinds;
const { flagAe: firstTcpFlag, flagFin: lastTcpFlag } = words;
const newline = 10;
const carriageReturn = 13;
const blank = 32;
const letterO = 79;
const closing = 93;

/** A scanner holds the values of the line that it read last. */
export class LineScan extends ScanState {
  readonly #shapes: LineShapes | undefined;
  /** Which word came behind each word the last time that one began with such a letter: a guess that spares looking. */
  readonly #guess = new Uint16Array(wordCount * 16);

  /** Lines as they came before are read by their shapes; without, all of them are read by the grammar. */
  constructor(shapes?: LineShapes) {
    super();
    this.#shapes = shapes;
  }

  /** Reads the bytes from `from` on, before `to`; `false` for what is no netfilter line. */
  scan(bytes: Uint8Array, from: number, to: number): boolean {
    let end = to;
    while (end > from && isLineEnd(bytes[end - 1])) end--;
    this.start = from;
    this.end = end;
    this.trimmed = end > from && bytes[end - 1] !== blank;
    this.repeated = false;
    this.mixed = false;
    if (!this.header.find(bytes, from, end)) return false;
    if (this.#shapes?.read(this, bytes, this.header.outTo, end) !== true) this.#scanBody(bytes);
    return true;
  }

  #scanBody(bytes: Uint8Array): void {
    this.begin();
    this.#words(bytes);
    concludeLine(this, bytes);
    if (this.#shapes !== undefined && mayHaveShape(this)) this.#shapes.learn(this, bytes);
  }

  /** The frequent kinds of words are read right here: calls would cost more than the reading. */
  #words(bytes: Uint8Array): void {
    const { cursor, place, value, seen, end } = this;
    let { line } = this;
    const guess = this.#guess;
    let { at } = cursor;
    let { next, stop, got } = place;
    let { base } = this.layer;
    let last = 0;
    for (;;) {
      while (at < end && bytes[at] === blank) at++;
      if (at >= end) break;
      const head = headAt(bytes, at, end);
      const guessAt = (last << 4) | ((head >> 24) & 15);
      let index = guess[guessAt] as number;
      if (index < next || index >= stop || !stands(bytes, at, end, head, index)) {
        index = next;
        while (index < stop && !stands(bytes, at, end, head, index)) index++;
        guess[guessAt] = index;
      }
      if (index < stop) {
        next = index + 1;
        const info = infoOf[index] as number;
        last = info & 255;
        at += (info >> 8) & 31;
        got += info >> 18;
        const kind = (info >> 13) & 31;
        this.trail.add(last, base + (slotOf[last] as number), at);
        if (kind === numberKind) {
          const packed = shortNumber(bytes, at, end);
          if (packed > 0 && packed >> 4 <= (shortOf[last] as number)) {
            const slot = base + (slotOf[last] as number);
            value[slot] = packed >> 4;
            seen[slot] = line;
            at += packed & 15;
            continue;
          }
        } else if (kind === hexKind) {
          const packed = shortHex(bytes, at, end);
          if (packed > 0 && packed >> 4 <= (shortOf[last] as number)) {
            value[base + last] = packed >> 4;
            seen[base + last] = line;
            at += packed & 15;
            continue;
          }
        } else if (kind === flagKind) {
          seen[base + last] = line;
          if (last >= firstTcpFlag) this.layer.flags |= 1 << (lastTcpFlag - last);
          at--;
          continue;
        }
        place.next = next;
        place.got = got;
        cursor.at = at;
        readWord(this, bytes, last);
      } else {
        place.next = next;
        place.got = got;
        this.#odd(bytes, at);
      }
      at = cursor.at;
      next = place.next;
      stop = place.stop;
      got = place.got;
      base = this.layer.base;
      line = this.line;
    }
    place.next = next;
    place.got = got;
    this.lastSlot = base + (slotOf[last] as number);
  }

  /** A word that cannot come here. */
  #odd(bytes: Uint8Array, at: number): void {
    if (bytes[at] === letterO && this.#beginsAnew(bytes, at)) return;
    this.cursor.at = at;
    if (bytes[at] === closing && this.layer.base > 0 && !this.lost) {
      this.leaveWord(bytes);
    } else if (this.lost || isKnownWord(bytes, at, this.end)) {
      this.lose();
      this.cursor.at = this.wordEnd(bytes, at);
    } else {
      this.oddWord(bytes, at);
    }
  }

  /** The header was one in the prefix, if a later one comes. */
  #beginsAnew(bytes: Uint8Array, at: number): boolean {
    const { strong } = this.header;
    const isBody = this.mixed || this.hasBody();
    if (!this.header.strongAt(bytes, at)) return false;
    this.repeated ||= strong;
    this.mixed = strong && isBody;
    this.begin();
    return true;
  }
}

/** Whether the word at this place of the grammar stands here. */
function stands(bytes: Uint8Array, at: number, end: number, head: number, index: number): boolean {
  if ((head & (maskOf[index] as number)) !== headOf[index]) return false;
  const info = infoOf[index] as number;
  const length = (info >> 8) & 31;
  if (length <= 4) return true;
  if (at + length > end) return false;
  const key = (info & 255) * keyRoom;
  for (let rest = 4; rest < length; rest++) if (bytes[at + rest] !== keyBytes[key + rest]) return false;
  return true;
}

function isLineEnd(byte: number | undefined): boolean {
  return byte === newline || byte === carriageReturn || byte === 0;
}
