// The fields behind the texts of a shape. Each is read as scan-values.ts and its neighbours read it, and is refused where
// they would look closer: what is refused here is read there. All give the place behind the field, or -1. `| 0` spares the
// compiled code a look for an overflow at each byte.
import { words } from './grammar.ts';
import type { LineValues } from './line-values.ts';
import { hexDigit as digits, hexPair, macAt } from './scan-values.ts';

const hexDigit = digits;
const blank = 32;
const dot = 46;
const zero = 48;
const colon = 58;
const parenthesis = 41;
const none = -1;

/** Without leading zeros, and short enough for 31 bits. */
export function passNumber(
  values: Int32Array,
  slot: number,
  most: number,
  bytes: Uint8Array,
  from: number,
  end: number,
) {
  let at = from;
  let number = 0;
  while (at < end) {
    const digit = (bytes[at] as number) - zero;
    if (digit >>> 0 > 9) break;
    number = (Math.imul(number, 10) + digit) | 0;
    at = (at + 1) | 0;
  }
  const length = at - from;
  values[slot] = number;
  if (length > 9) return length === 10 && most < 0 ? passLong(values, slot, bytes, from) : none;
  const isFree = length === 1 || bytes[from] !== zero;
  return length > 0 && isFree && (most < 0 || number <= most) ? at : none;
}

/** Ten digits. */
function passLong(values: Int32Array, slot: number, bytes: Uint8Array, from: number): number {
  let number = 0;
  for (let at = from; at < from + 10; at++) number = number * 10 + (bytes[at] as number) - zero;
  values[slot] = number;
  return number <= 0xffff_ffff && bytes[from] !== zero ? from + 10 : none;
}

/** Up to eight digits. */
export function passHex(values: Int32Array, slot: number, most: number, bytes: Uint8Array, from: number, end: number) {
  let at = from;
  let number = 0;
  while (at < end) {
    const digit = hexDigit[bytes[at] as number] as number;
    if (digit < 0) break;
    number = (number << 4) | digit;
    at = (at + 1) | 0;
  }
  values[slot] = number;
  const length = at - from;
  return length > 0 && length <= 8 && (most < 0 || number >>> 0 <= most) ? at : none;
}

/** Dotted quad, without leading zeros. */
export function passIp4(values: Int32Array, slot: number, bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  let bits = 0;
  let octet = 0;
  let length = 0;
  let dots = 0;
  while (at < end) {
    const digit = (bytes[at] as number) - zero;
    if (digit >>> 0 <= 9) {
      if ((octet === 0 && length > 0) || length === 3) return none;
      octet = Math.imul(octet, 10) + digit;
      length++;
    } else {
      if (digit !== dot - zero || length === 0 || octet > 255) break;
      bits = (bits << 8) | octet;
      octet = 0;
      length = 0;
      dots++;
    }
    at = (at + 1) | 0;
  }
  values[slot] = (bits << 8) | octet;
  return dots === 3 && length > 0 && octet <= 255 ? at : none;
}

/** Eight groups of four digits. */
export function passIp6(ip6: Uint32Array, place: number, bytes: Uint8Array, from: number, end: number): number {
  if (from + 39 > end) return none;
  let bits = 0;
  for (let group = 0; group < 8; group++) {
    const at = from + group * 5;
    const digits = (hexPair(bytes, at) << 8) | hexPair(bytes, at + 2);
    if (digits < 0 || (group < 7 && bytes[at + 4] !== colon)) return none;
    bits = (bits << 16) | digits;
    ip6[place + (group >> 1)] = bits;
  }
  return from + 39;
}

export function passMac(macs: Float64Array, slot: number, bytes: Uint8Array, from: number, end: number): number {
  const mac = macAt(bytes, from, end);
  macs[slot] = mac;
  return mac < 0 ? none : from + 17;
}

/** Anything but a blank. */
export function passName(values: LineValues, slot: number, bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end && bytes[at] !== blank) at++;
  values.from[slot] = from;
  values.to[slot] = at;
  return at;
}

/** Pairs of hex digits and the parenthesis. */
export function passOptions(values: LineValues, slot: number, bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end && (hexDigit[bytes[at] as number] as number) >= 0) at++;
  const length = at - from;
  values.from[slot] = from;
  values.to[slot] = at;
  values.value[slot] = length >> 1;
  return length > 0 && length % 2 === 0 && at < end && bytes[at] === parenthesis ? at + 1 : none;
}

const remembered = 64;
/** 41 bytes of text are ten times four, and one more that is read with the three before it. */
const wordsOfFrame = 11;

/** The headers of Ethernet come from few machines: those seen last are compared, not read anew. */
export class Frames {
  readonly #texts = new Int32Array(remembered * wordsOfFrame);
  readonly #targets = new Float64Array(remembered);
  readonly #sources = new Float64Array(remembered);
  readonly #types = new Int32Array(remembered);

  /** `base`: what is added to a place in the line to have that in the view. */
  pass(values: LineValues, bytes: Uint8Array, view: DataView, base: number, from: number, end: number): number {
    if (from + 41 > end) return none;
    const at = base + from;
    const mixed = view.getInt32(at + 32, true) ^ view.getInt32(at + 13, true) ^ view.getInt32(at + 37, true);
    const place = Math.imul(mixed, 0x9e37_79b1) >>> 26;
    if (!this.#isThere(view, at, place) && !this.#keep(bytes, view, base, from, end, place)) return none;
    values.macs[words.macDestination] = this.#targets[place] as number;
    values.macs[words.macSource] = this.#sources[place] as number;
    values.value[words.macType] = this.#types[place] as number;
    return from + 41;
  }

  #isThere(view: DataView, at: number, place: number): boolean {
    const texts = this.#texts;
    const first = place * wordsOfFrame;
    if (view.getInt32(at + 37, true) !== texts[first + 10]) return false;
    let word = 0;
    while (word < 10 && view.getInt32(at + word * 4, true) === texts[first + word]) word++;
    return word === 10;
  }

  #keep(bytes: Uint8Array, view: DataView, base: number, from: number, end: number, place: number): boolean {
    const target = macAt(bytes, from, end);
    const source = macAt(bytes, from + 18, end);
    const type = (hexPair(bytes, from + 36) << 8) | hexPair(bytes, from + 39);
    const isDivided = bytes[from + 17] === colon && bytes[from + 35] === colon && bytes[from + 38] === colon;
    if (target < 0 || source < 0 || type < 0 || !isDivided) return false;
    const first = place * wordsOfFrame;
    for (let word = 0; word < 10; word++) this.#texts[first + word] = view.getInt32(base + from + word * 4, true);
    this.#texts[first + 10] = view.getInt32(base + from + 37, true);
    this.#targets[place] = target;
    this.#sources[place] = source;
    this.#types[place] = type;
    return true;
  }
}
