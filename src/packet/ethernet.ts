// Ethernet II header (RFC 894): 14 octets, without preamble, padding and frame check sequence.
import type { Mac } from '../model/mac.ts';
import { readMac, viewOf, writeMac } from './octets.ts';

export type Ethernet = {
  readonly destination: Mac;
  readonly source: Mac;
  /** The type of the outer header: 0x8100 on a tagged frame. Below 0x600 it is an 802.3 length. */
  readonly type: number;
};

const at = { destination: 0, source: 6, type: 12 } as const;

export const ethernetLength = 14;

/** Types by their names in linux/if_ether.h. */
export const etherType = {
  ip: 0x0800,
  arp: 0x0806,
  rarp: 0x8035,
  vlan: 0x8100,
  ip6: 0x86dd,
  pppoeSession: 0x8864,
  vlanService: 0x88a8,
} as const;

/** The header at the start of a frame; `undefined` below 14 octets. */
export function decodeEthernet(bytes: Uint8Array): Ethernet | undefined {
  if (bytes.length < ethernetLength) return undefined;
  const view = viewOf(bytes);
  return {
    destination: readMac(view, at.destination),
    source: readMac(view, at.source),
    type: view.getUint16(at.type),
  };
}

export function encodeEthernet(ether: Ethernet): Uint8Array {
  const bytes = new Uint8Array(ethernetLength);
  const view = viewOf(bytes);
  writeMac(view, at.destination, ether.destination);
  writeMac(view, at.source, ether.source);
  view.setUint16(at.type, ether.type);
  return bytes;
}
