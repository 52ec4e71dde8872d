// MAC= and TUNNEL=: the header of the link layer.
import { words } from './grammar.ts';
import type { ScanState } from './scan-state.ts';
import { hexPair, macAt, startsWith } from './scan-values.ts';

const unread = -1;
const colon = 58;

/** Octets as they are: Ethernet has 14, tunnels and others more or none. */
export function readMacHeader(scan: ScanState, bytes: Uint8Array, _word: number, slot: number): void {
  const { cursor } = scan;
  const { at, end } = cursor;
  const octets = readEthernet(scan, bytes, at, end) ? 14 : octetsAt(bytes, at, end);
  // every octet but the last has a colon behind it
  cursor.at = octets === 0 ? at : at + octets * 3 - 1;
  scan.from[slot] = at;
  scan.to[slot] = cursor.at;
  scan.octets = octets;
  scan.keep(bytes, slot, mayBeHeader(octets) ? octets : unread);
}

/** Whether there are 14 octets and no more. */
function readEthernet({ macs, value }: ScanState, bytes: Uint8Array, at: number, end: number): boolean {
  if (at + 41 > end || (at + 41 < end && bytes[at + 41] === colon)) return false;
  const destination = macAt(bytes, at, end);
  const source = macAt(bytes, at + 18, end);
  const type = (hexPair(bytes, at + 36) << 8) | hexPair(bytes, at + 39);
  const isDivided = bytes[at + 17] === colon && bytes[at + 35] === colon && bytes[at + 38] === colon;
  if (destination < 0 || source < 0 || type < 0 || !isDivided) return false;
  macs[words.macDestination] = destination;
  macs[words.macSource] = source;
  value[words.macType] = type;
  return true;
}

/** How many pairs of digits there are, with colons between them. */
function octetsAt(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at + 1 < end && hexPair(bytes, at) >= 0) {
    at += 3;
    if (at > end || bytes[at - 1] !== colon) return (at - from) / 3;
  }
  return (at - from) / 3;
}

/** No device has fewer octets than Ethernet, but for PPP's 4 and FireWire's 10: some were lost. */
function mayBeHeader(octets: number): boolean {
  return octets >= 14 || octets === 0 || octets === 4 || octets === 10;
}

export function readTunnel(scan: ScanState, bytes: Uint8Array, _word: number, slot: number): void {
  const { cursor } = scan;
  const from = cursor.ip4(bytes);
  const isArrow = from !== unread && startsWith(bytes, cursor.at, cursor.end, '->');
  if (isArrow) cursor.at += 2;
  const to = isArrow ? cursor.ip4(bytes) : unread;
  scan.tunnelTo = to;
  scan.keep(bytes, slot, to === unread ? unread : from);
}
