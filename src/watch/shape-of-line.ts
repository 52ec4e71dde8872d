// A line that was read by the grammar -> its shape, for the next lines that are like it. A field may differ from line to line
// only if its value never decides what may come behind it.
import { kindOf, kinds, mostOf, wordCount, words } from './grammar.ts';
import { Layer } from './scan-layer.ts';
import type { ScanState } from './scan-state.ts';
import { fields, type Part } from './shape-steps.ts';

/** What all lines of one shape have in common. */
export type Shape = {
  /** 1 for every word that is there. */
  readonly seen: Int32Array;
  readonly outer: Layer;
  readonly inner: Layer;
  readonly octets: number;
  readonly partial: boolean;
  /** The values that decided how the line was read on, by slot: they are in the texts. */
  readonly fixedSlots: readonly number[];
  readonly fixedValues: readonly number[];
};

/** By its parts a line is known to be of the shape. */
export type Learned = { readonly parts: readonly Part[]; readonly shape: Shape };

/** Kinds of words that are there or not. */
const withoutValue: ReadonlySet<number> = new Set([kinds.flag, kinds.arp, kinds.block]);

const zero = 48;
const letterX = 120;
const colon = 58;
const parenthesis = 41;
const blank = 32;
/** Longer lines are not learned. */
const mostBytes = 1024;

/**
 * Of a line that may have one; `undefined` for what is too rare to be worth it. TOS, PREC, RES and marks have few values and
 * cost less as text, but there may be others where they differ much.
 */
export function shapeOf(scan: ScanState, bytes: Uint8Array, isHexFree: boolean): Learned | undefined {
  const parts: Part[] = [];
  let from = scan.header.outTo;
  for (let index = 0; index < scan.trail.count; index++) {
    const found = fieldOf(scan, bytes, index, isHexFree);
    if (found === undefined) return undefined;
    if (found.field === fields.end) continue;
    const slot = scan.trail.slots[index] as number;
    parts.push({ text: bytes.slice(from, found.from), field: found.field, slot, most: mostOfField(scan, index) });
    from = found.to;
  }
  parts.push({ text: bytes.slice(from, scan.end), field: fields.end, slot: 0, most: 0 });
  // the texts are compared as numbers, and zeros are not there then
  const isClear = parts.every(({ text }) => !text.includes(0)) && scan.seen.every((_, slot) => !scan.isUnread(slot));
  return isClear ? { parts, shape: shapeBut(scan, new Set(parts.map(({ slot }) => slot))) } : undefined;
}

/** `free`: the places of what differs from line to line. */
function shapeBut(scan: ScanState, free: ReadonlySet<number>): Shape {
  const fixedSlots = Array.from(scan.seen.keys()).filter(
    (slot) => scan.has(slot) && !free.has(slot) && !withoutValue.has(kindOf[slot % wordCount] as number),
  );
  return {
    seen: scan.seen.map((_, slot) => (scan.has(slot) ? 1 : 0)),
    outer: copyOf(scan.outer, 'outer'),
    inner: copyOf(scan.inner, 'inner'),
    octets: scan.octets,
    partial: scan.partial,
    fixedSlots,
    fixedValues: fixedSlots.map((slot) => scan.value[slot] as number),
  };
}

/** Whole lines only. Of a line without a packet it is the header's type that tells whether it is whole. */
export function mayHaveShape(scan: ScanState): boolean {
  const { outer, inner, trail } = scan;
  if (scan.damaged || scan.cut || scan.lost || scan.repeated || scan.mixed || scan.oddEnd >= 0) return false;
  if (scan.end - scan.header.outTo > mostBytes || trail.isTooLong) return false;
  if (outer.srcGone || outer.dstGone || inner.srcGone || inner.dstGone || scan.has(words.tunnel)) return false;
  return outer.present || scan.has(words.arp);
}

type Found = { readonly field: number; readonly from: number; readonly to: number };

const text: Found = { field: fields.end, from: 0, to: 0 };

/** What is free to differ in this word; `fields.end` where nothing is, `undefined` where the line cannot be learned. */
function fieldOf(scan: ScanState, bytes: Uint8Array, index: number, isHexFree: boolean): Found | undefined {
  const word = scan.trail.words[index] as number;
  const slot = scan.trail.slots[index] as number;
  const from = scan.trail.places[index] as number;
  const { end } = scan;
  switch (kindOf[word]) {
    case kinds.number:
      // the type of an ICMP message decides what comes behind it
      return word === words.icmpType ? text : { field: fields.number, from, to: whileIn(bytes, from, end, isDigit) };
    case kinds.hex: {
      if (!isHexFree) return text;
      const digits = bytes[from] === zero && bytes[from + 1] === letterX ? from + 2 : from;
      return { field: fields.hex, from: digits, to: whileIn(bytes, digits, end, isHex) };
    }
    case kinds.address:
      return addressOf(scan, bytes, word, slot, from);
    case kinds.header:
      if (scan.octets === 0) return text;
      return scan.octets === 14 ? { field: fields.frame, from, to: from + 41 } : undefined;
    case kinds.mac:
      return { field: fields.mac, from, to: from + 17 };
    case kinds.name:
      return { field: fields.name, from, to: whileIn(bytes, from, end, (byte) => byte !== blank) };
    case kinds.options: {
      const to = whileIn(bytes, from, end, isHex);
      return bytes[to] === parenthesis && to > from ? { field: fields.options, from, to: to + 1 } : text;
    }
    case kinds.tunnel:
      return undefined;
    default:
      return text;
  }
}

/** IPv6 only as the kernel writes it. */
function addressOf(scan: ScanState, bytes: Uint8Array, word: number, slot: number, from: number): Found | undefined {
  const { family } = slot < wordCount ? scan.outer : scan.inner;
  const isEnd = word === words.src || word === words.dst;
  if (!isEnd || family === 4) {
    return { field: fields.ip4, from, to: whileIn(bytes, from, scan.end, (byte) => isDigit(byte) || byte === 46) };
  }
  const to = whileIn(bytes, from, scan.end, (byte) => isHex(byte) || byte === colon);
  return to - from === 39 ? { field: fields.ip6, from, to } : undefined;
}

/** -1 for all of 32 bits. */
function mostOfField(scan: ScanState, index: number): number {
  return (mostOf[scan.trail.words[index] as number] as number) | 0;
}

function whileIn(bytes: Uint8Array, from: number, end: number, isIn: (byte: number) => boolean): number {
  let at = from;
  while (at < end && isIn(bytes[at] as number)) at++;
  return at;
}

function isDigit(byte: number): boolean {
  return byte >= 48 && byte <= 57;
}

function isHex(byte: number): boolean {
  const letter = byte | 32;
  return isDigit(byte) || (letter >= 97 && letter <= 102);
}

function copyOf(layer: Layer, name: 'outer' | 'inner'): Layer {
  const copy = new Layer(name);
  copy.copy(layer);
  return copy;
}
