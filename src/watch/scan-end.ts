// What the end of a line tells: whether the packet is whole, cut short by whoever copied it, or damaged.
import { keyBytes, keyLength, keyRoom, kindOf, kinds, order, type Section, wordCount, words } from './grammar.ts';
import { conclude } from './scan-complete.ts';
import type { ScanState } from './scan-state.ts';

/** Types of Ethernet whose packets the kernel prints behind the header. */
const printed: readonly number[] = [0x0800, 0x86dd, 0x0806, 0x8035];

export function concludeLine(scan: ScanState, bytes: Uint8Array): void {
  const { place, outer } = scan;
  const { section } = place;
  const isFull = place.got === section.full4 && place.next > section.lastNeed;
  if (isFull && scan.oddEnd < 0 && endsAsUsual(scan, section)) return;
  let whole = leftBlock(scan);
  if (scan.hasBody()) whole = conclude(scan) && whole;
  else if (lacksPacket(scan) || endsInHeader(scan)) whole = false;
  if (!whole && !scan.lost) scan.cut = true;
  if (outer.truncated) scan.partial = true;
  if (scan.oddEnd >= 0) judgeEnd(scan, bytes);
  else if (scan.cut && scan.trimmed) refuseLast(scan);
}

/** The usual ends of lines: of TCP, and of UDP. Only the outer packet has these sections. */
function endsAsUsual({ seen, line, outer }: ScanState, section: Section): boolean {
  if (section === outer.sections.udp) return seen[words.uid] !== line;
  if (section !== outer.sections.tcp || seen[words.urgp] !== line || seen[words.res] !== line) return false;
  return (seen[words.seq] === line) === (seen[words.ack] === line) && seen[words.uid] !== line;
}

/** `false` when the line ended inside of the block. */
function leftBlock(scan: ScanState): boolean {
  if (scan.layer === scan.outer) return true;
  conclude(scan);
  scan.leaveBlock();
  return false;
}

/** A header that says IP or ARP, and nothing behind it. */
function lacksPacket(scan: ScanState): boolean {
  const hasType = scan.octets === 14 || scan.has(words.macType);
  return hasType ? printed.includes(scan.value[words.macType] as number) : scan.has(words.macSource);
}

/** Behind OUT= stands a blank. */
function endsInHeader({ header, end, trimmed }: ScanState): boolean {
  return trimmed && header.outTo === end;
}

/** A value at the end of a line that is cut may be cut too. */
function refuseLast(scan: ScanState): void {
  const kind = kindOf[scan.lastSlot % wordCount];
  if (kind !== undefined && kind !== 0 && kind !== kinds.flag && kind !== kinds.block) scan.refuse(scan.lastSlot);
}

/** The last word has no blank behind it and cannot be read: cut, if it begins as a word of the grammar. */
function judgeEnd(scan: ScanState, bytes: Uint8Array): void {
  const { next, stop } = scan.place;
  const isPossible = order.subarray(next, stop).some((word) => beginsAs(scan, bytes, word));
  if (scan.cut || scan.isUnread(scan.lastSlot) || isPossible) scan.cut = true;
  else scan.damaged = true;
}

function beginsAs({ oddEnd, end }: ScanState, bytes: Uint8Array, word: number): boolean {
  const length = end - oddEnd;
  if (length >= (keyLength[word] as number)) return false;
  for (let index = 0; index < length; index++) {
    if (bytes[oddEnd + index] !== keyBytes[word * keyRoom + index]) return false;
  }
  return true;
}
