// SRC= and DST=, GATEWAY=, and the addresses of ARP -> 32 bits, or four times 32 for IPv6. Some writers take addresses out
// before they publish a log: that is no damage, but no address either.
import { words } from './grammar.ts';
import { ip6At } from './line-values.ts';
import type { ScanState } from './scan-state.ts';

const unread = -1;
const blank = 32;
const colon = 58;

export function readAddress(scan: ScanState, bytes: Uint8Array, word: number, slot: number): void {
  const { cursor, layer } = scan;
  const from = cursor.at;
  const ip4 = cursor.ip4(bytes);
  const isEnd = word === words.src || word === words.dst;
  if (isEnd) layer.present = true;
  if (ip4 !== unread && (!isEnd || layer.family !== 6)) {
    if (isEnd) layer.family = 4;
    scan.keep(bytes, slot, ip4);
    return;
  }
  cursor.at = from;
  if (isEnd && layer.family !== 4 && cursor.ip6Words(bytes)) {
    layer.family = 6;
    scan.ip6.set(cursor.ip6, ip6At(slot));
    scan.keep(bytes, slot, 0);
    return;
  }
  cursor.at = from;
  if (isEnd && isTakenOut(scan, bytes, from)) {
    if (word === words.src) layer.srcGone = true;
    else layer.dstGone = true;
    keepText(scan, slot, scan.wordEnd(bytes, from));
    return;
  }
  scan.keep(bytes, slot, unread);
}

/** The address is not there, but for a text that somebody put in its place: no damage. */
function keepText(scan: ScanState, slot: number, wordEnd: number): void {
  const { cursor } = scan;
  scan.from[slot] = cursor.at;
  scan.to[slot] = wordEnd;
  scan.take(slot);
  cursor.at = wordEnd;
}

/** `xxx`, `REDACTED`, `192.168.x.x`, `a.b.c.d`: parts that are numbers, and parts without any digit. */
function isTakenOut(scan: ScanState, bytes: Uint8Array, from: number): boolean {
  const { end } = scan.cursor;
  let digits = 0;
  let others = 0;
  let gone = false;
  for (let at = from; at < end && bytes[at] !== blank; at++) {
    const byte = bytes[at] as number;
    if (byte === 46 || byte === colon) {
      digits = 0;
      others = 0;
      continue;
    }
    if (byte >= 48 && byte <= 57) digits++;
    else if (isMask(byte)) others++;
    else return false;
    if (digits > 0 && others > 0) return false;
    if (others > 0) gone = true;
  }
  return gone;
}

/** Letters and `* # - _`. */
function isMask(byte: number): boolean {
  const letter = byte | 32;
  return (letter >= 97 && letter <= 122) || byte === 42 || byte === 35 || byte === 45 || byte === 95;
}
