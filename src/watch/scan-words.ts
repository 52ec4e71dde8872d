// What follows the key of a word: one reader for each kind.
import { kindOf, kinds, mostOf, slotOf, words } from './grammar.ts';
import { readAddress } from './scan-address.ts';
import { readMacHeader, readTunnel } from './scan-mac.ts';
import { readIcmpCode, readProtocol } from './scan-protocol.ts';
import {
  readArp,
  readClose,
  readFragment,
  readFragmentId,
  readIncomplete,
  readOptions,
  readTruncated,
  readUnknownHeader,
} from './scan-rare.ts';
import type { ScanState } from './scan-state.ts';

/** The cursor stands behind the key. `slot` is the place of the value. */
type Reader = (scan: ScanState, bytes: Uint8Array, word: number, slot: number) => void;

const readerOf: Readonly<Record<keyof typeof kinds, Reader>> = {
  number: readNumber,
  flag: readFlag,
  hex: readHex,
  address: readAddress,
  protocol: readProtocol,
  header: readMacHeader,
  name: readName,
  mac: readMac,
  options: readOptions,
  block: (scan) => scan.openBlock(),
  incomplete: readIncomplete,
  truncated: readTruncated,
  fragment: readFragment,
  close: readClose,
  tunnel: readTunnel,
  arp: readArp,
  unknownHeader: readUnknownHeader,
  fragmentId: readFragmentId,
  icmpCode: readIcmpCode,
  firstHex: readFirstHex,
};

/** By number of the kind. */
const readers: Reader[] = [];
for (const [kind, number] of Object.entries(kinds)) readers[number] = readerOf[kind as keyof typeof kinds];

/** Takes the value of a word whose key has just been passed. */
export function readWord(scan: ScanState, bytes: Uint8Array, word: number): void {
  const slot = (slotOf[word] as number) + scan.layer.base;
  (readers[kindOf[word] as number] as Reader)(scan, bytes, word, slot);
}

function readNumber(scan: ScanState, bytes: Uint8Array, word: number, slot: number): void {
  scan.keep(bytes, slot, scan.cursor.decimal(bytes, mostOf[word] as number));
}

function readHex(scan: ScanState, bytes: Uint8Array, word: number, slot: number): void {
  scan.keep(bytes, slot, scan.cursor.hex(bytes, mostOf[word] as number));
}

function readFirstHex(scan: ScanState, bytes: Uint8Array, word: number, slot: number): void {
  const number = scan.cursor.hex(bytes, mostOf[word] as number);
  if (scan.has(slot) && number >= 0) scan.leaveWord(bytes);
  else scan.keep(bytes, slot, number);
}

function readMac(scan: ScanState, bytes: Uint8Array, _word: number, slot: number): void {
  const mac = scan.cursor.mac(bytes);
  scan.macs[slot] = mac;
  // in 32 bits there is no room for it
  scan.keep(bytes, slot, mac < 0 ? mac : 0);
}

function readFlag(scan: ScanState, _bytes: Uint8Array, word: number, slot: number): void {
  scan.take(slot);
  scan.cursor.at--;
  if (word >= words.flagAe && word <= words.flagFin) scan.layer.flags |= 1 << (words.flagFin - word);
}

/** Names of interfaces may hold anything but a blank. */
function readName(scan: ScanState, bytes: Uint8Array, _word: number, slot: number): void {
  const { cursor } = scan;
  scan.from[slot] = cursor.at;
  cursor.at = scan.wordEnd(bytes, cursor.at);
  scan.to[slot] = cursor.at;
  scan.take(slot);
}
