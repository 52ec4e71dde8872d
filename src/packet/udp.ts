// UDP (RFC 768): 8 octets of header, then data.
import { checksumAt, type Ends, pseudoHeader } from './checksum.ts';
import { ipProtocol } from './ip4.ts';
import { viewOf } from './octets.ts';

/** RFC 768. Length and checksum are worked out by the encoder. */
export type Udp = {
  readonly sport: number;
  readonly dport: number;
  readonly data: Uint8Array;
  /** Only where it is not that of header and data: a wrong one, or that of a fragmented datagram. */
  readonly length?: number;
  /** Only where it is not the one that the encoder works out; 0 says that the sender made none. */
  readonly checksum?: number;
};

const at = { sport: 0, dport: 2, length: 4, checksum: 6, data: 8 } as const;

export function decodeUdp(bytes: Uint8Array, ends: Ends): Udp | undefined {
  if (bytes.length < at.data) return undefined;
  const view = viewOf(bytes);
  const length = view.getUint16(at.length);
  const found = view.getUint16(at.checksum);
  return {
    sport: view.getUint16(at.sport),
    dport: view.getUint16(at.dport),
    data: bytes.subarray(at.data),
    ...(length !== bytes.length && { length }),
    ...(found !== udpChecksum(bytes, ends) && { checksum: found }),
  };
}

export function encodeUdp(udp: Udp, ends: Ends): Uint8Array {
  const bytes = new Uint8Array(at.data + udp.data.length);
  const view = viewOf(bytes);
  view.setUint16(at.sport, udp.sport);
  view.setUint16(at.dport, udp.dport);
  view.setUint16(at.length, udp.length ?? bytes.length);
  bytes.set(udp.data, at.data);
  view.setUint16(at.checksum, udp.checksum ?? udpChecksum(bytes, ends));
  return bytes;
}

/** A sum of 0 is sent as its other form, since 0 means that there is none. */
function udpChecksum(bytes: Uint8Array, ends: Ends): number {
  return checksumAt(at.checksum, bytes, pseudoHeader(ends, ipProtocol.udp, bytes.length)) || 0xffff;
}
