// What few lines have: options, fragments, cut headers, ARP -> values, and where the kernel stopped.
import { sections, words } from './grammar.ts';
import type { ScanState } from './scan-state.ts';
import { hexDigit as digits, startsWith } from './scan-values.ts';

const hexDigit = digits;
const unread = -1;
const blank = 32;
const parenthesis = 41;

/** `OPT (0204…) `, `OPT (TRUNCATED)`, and in IPv6 `OPT ( ` with words of its own up to `) `. */
export function readOptions(scan: ScanState, bytes: Uint8Array, word: number, slot: number): void {
  const { cursor } = scan;
  const { end } = cursor;
  let { at } = cursor;
  if (word === words.options && at < end && bytes[at] === blank && scan.familyOf(scan.layer) === 6) {
    scan.openExtension();
    return;
  }
  if (word === words.tcpOptions && startsWith(bytes, at, end, 'TRUNCATED)')) {
    cursor.at = at + 10;
    endTruncated(scan, bytes);
    return;
  }
  while (at < end && (hexDigit[bytes[at] as number] as number) >= 0) at++;
  const length = at - cursor.at;
  scan.from[slot] = cursor.at;
  scan.to[slot] = at;
  const closed = at < end && bytes[at] === parenthesis;
  cursor.at = closed ? at + 1 : at;
  scan.keep(bytes, slot, closed && length > 0 && length % 2 === 0 ? length / 2 : unread);
}

export function readTruncated(scan: ScanState, bytes: Uint8Array, _word: number, _slot: number): void {
  scan.layer.present = true;
  endTruncated(scan, bytes);
}

function endTruncated(scan: ScanState, bytes: Uint8Array): void {
  scan.layer.truncated = true;
  scan.endPacket();
  scan.leaveWord(bytes);
}

/** `INCOMPLETE [9 bytes] `; bare, behind a fragment's offset, it says that more fragments follow. */
export function readIncomplete(scan: ScanState, bytes: Uint8Array, word: number, slot: number): void {
  const { cursor, layer } = scan;
  const { end } = cursor;
  const from = cursor.at;
  if (!startsWith(bytes, from, end, ' [')) {
    readMore(scan, bytes, slot);
    return;
  }
  cursor.at = from + 2;
  const octets = cursor.decimal(bytes, 0xffff_ffff);
  const closed = octets !== unread && startsWith(bytes, cursor.at, end, ' bytes]');
  cursor.at = closed ? cursor.at + 7 : from;
  const isOuter = layer.base === 0;
  const inIp = scan.place.section === sections.line || scan.place.section === sections.inner;
  scan.keep(bytes, slot, closed && !inIp ? octets : unread);
  if (scan.has(slot) && isOuter) scan.partial = true;
  if (scan.has(slot) && word === words.incomplete && scan.layer === layer) goBehind(scan);
}

/** ICMP, AH and ESP have their mark behind it; the others end. */
function goBehind(scan: ScanState): void {
  const { layer, place } = scan;
  if (place.section === sections.extension) return;
  const protocol = scan.value[words.protocol + layer.base];
  if (protocol === 6 || protocol === 17 || protocol === 136 || protocol === 58) scan.endPacket();
  else place.enter(layer.sections.rest);
}

function readMore(scan: ScanState, bytes: Uint8Array, slot: number): void {
  const { layer } = scan;
  const { base } = layer;
  const isMore = layer.family === 6 && scan.has(words.frag + base) && !scan.has(words.protocol + base);
  if (!isMore) {
    scan.keep(bytes, slot, unread);
    return;
  }
  scan.take(words.mf + base);
  scan.leaveWord(bytes);
}

/** `FRAG:16 `, with a blank before the number in some copies, and `FRAG:TRUNCATED `. */
export function readFragment(scan: ScanState, bytes: Uint8Array, _word: number, slot: number): void {
  const { cursor } = scan;
  const { at, end } = cursor;
  if (startsWith(bytes, at, end, 'TRUNCATED')) {
    cursor.at = at + 9;
    endTruncated(scan, bytes);
    return;
  }
  if (at + 1 < end && bytes[at] === blank && isDigit(bytes[at + 1] as number)) cursor.at = at + 1;
  const offset = cursor.decimal(bytes, 0xffff);
  // a second fragment header is read, but the first one counts
  if (scan.has(slot) && offset !== unread) scan.leaveWord(bytes);
  else scan.keep(bytes, slot, offset);
}

function isDigit(byte: number): boolean {
  return byte >= 48 && byte <= 57;
}

/** Another extension header may follow. The first fragment header counts. */
export function readFragmentId(scan: ScanState, bytes: Uint8Array, _word: number, slot: number): void {
  const id = scan.cursor.hex(bytes, 0xffff_ffff);
  const { layer, place } = scan;
  if (!scan.has(slot) || id === unread) scan.keep(bytes, slot, id);
  else scan.leaveWord(bytes);
  if (scan.layer === layer && place.section !== sections.extension) place.next = layer.extensionStart;
}

/** Behind ESP, a cut AH and an AH that is not shown the packet ends, and no blank follows. */
export function readClose(scan: ScanState, bytes: Uint8Array, _word: number, _slot: number): void {
  const { base } = scan.layer;
  const has = (word: number): boolean => scan.has(word + base);
  const ends = has(words.espHeader) || has(words.incomplete) || (has(words.ahHeader) && !has(words.spi));
  scan.closeExtension();
  if (ends) {
    if (base === 0) scan.partial = true;
    scan.endPacket();
  }
  scan.leaveWord(bytes);
}

export function readArp(scan: ScanState, bytes: Uint8Array, _word: number, slot: number): void {
  scan.take(slot);
  scan.place.enter(sections.arp);
  scan.leaveWord(bytes);
}

export function readUnknownHeader(scan: ScanState, bytes: Uint8Array, _word: number, slot: number): void {
  const number = scan.cursor.decimal(bytes, 255);
  const { layer } = scan;
  if (layer.base === 0) scan.partial = true;
  scan.endPacket();
  if (layer === scan.layer) scan.keep(bytes, slot, number);
}
