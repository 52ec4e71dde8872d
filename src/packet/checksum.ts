// The Internet checksum (RFC 1071) of IPv4, ICMP, TCP and UDP, and the pseudo header of the latter two.
import type { Ip } from '../model/ip.ts';
import { viewOf, writeIp4 } from './octets.ts';

/** The addresses that TCP and UDP checksums cover besides their own octets. */
export type Ends = { readonly source: Ip; readonly destination: Ip };

/** The checksum over all parts; 0 when they hold their right checksum. Only the last part may have an odd length. */
export function checksum(...parts: readonly Uint8Array[]): number {
  return complement(parts.reduce((sum, part) => sum + wordSum(part), 0));
}

/** The checksum that belongs at octet `at` (an even number) of `bytes`, whatever stands there now. */
export function checksumAt(at: number, bytes: Uint8Array, ...before: readonly Uint8Array[]): number {
  const rest = wordSum(bytes) - viewOf(bytes).getUint16(at);
  return complement(before.reduce((sum, part) => sum + wordSum(part), rest));
}

/** RFC 9293 section 3.1: both addresses, a zero, the protocol, and the length of header and data. */
export function pseudoHeader(ends: Ends, protocol: number, length: number): Uint8Array {
  const bytes = new Uint8Array(12);
  const view = viewOf(bytes);
  writeIp4(view, 0, ends.source);
  writeIp4(view, 4, ends.destination);
  view.setUint16(8, protocol);
  view.setUint16(10, length);
  return bytes;
}

function wordSum(bytes: Uint8Array): number {
  const view = viewOf(bytes);
  const even = bytes.length & ~1;
  let sum = 0;
  for (let at = 0; at < even; at += 2) sum += view.getUint16(at);
  return even === bytes.length ? sum : sum + view.getUint8(even) * 256;
}

function complement(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = Math.floor(folded / 0x1_0000) + (folded % 0x1_0000);
  return 0xffff - folded;
}
