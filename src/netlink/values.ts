// Values of fields and sets as the kernel compares them: numbers in the order of the network, but for a mark; names filled up with zeros.
import type { FieldType, Value } from '../model/field.ts';
import type { Element } from '../model/ruleset.ts';
import { concatenated, isLittleEndian } from './message.ts';
import { interfaceNameKey } from './nf-tables.ts';

/** In octets. */
export const widths: Readonly<Record<FieldType, number>> = {
  ifname: 16,
  ether_addr: 6,
  ether_type: 2,
  arp_op: 2,
  ipv4_addr: 4,
  ipv6_addr: 16,
  inet_proto: 1,
  inet_service: 2,
  icmp_type: 1,
  icmp_code: 1,
  mark: 4,
};

/** Undefined for what is more than one value: a range, or the beginning of names. */
export function encodeValue(type: FieldType, value: Value): Uint8Array | undefined {
  if (typeof value === 'string') return type === 'ifname' && !value.endsWith('*') ? interfaceNameKey(value) : undefined;
  return value.first === value.last && type !== 'ifname' ? encodeNumber(type, value.first) : undefined;
}

export function encodeNumber(type: FieldType, bits: bigint): Uint8Array {
  const octets = new Uint8Array(widths[type]);
  for (let at = octets.length - 1, rest = bits; at >= 0; at--, rest >>= 8n) octets[at] = Number(rest & 0xffn);
  return type === 'mark' && isLittleEndian ? octets.reverse() : octets;
}

/** Parts of a concatenation each fill up words of four octets; a value that stands alone does not. */
export function encodeElement(types: readonly FieldType[], element: Element): Uint8Array | undefined {
  const parts = types.map((type, at) => encodeValue(type, element[at] ?? ''));
  if (!parts.every((part) => part !== undefined)) return undefined;
  return parts.length === 1 ? parts[0] : concatenated(parts.map(inWords));
}

function inWords(octets: Uint8Array): Uint8Array {
  const words = new Uint8Array((octets.length + 3) & ~3);
  words.set(octets);
  return words;
}
