// ICMP (RFC 792): 8 octets of header, then data.
import { checksumAt } from './checksum.ts';
import { viewOf } from './octets.ts';

/** RFC 792: type, code, and the four octets whose meaning depends on the type. */
export type Icmp = {
  readonly type: number;
  readonly code: number;
  /** Octets 4 to 7: identifier and sequence of an echo, gateway of a redirect, MTU of 'fragmentation needed'. */
  readonly rest: number;
  /** What follows: echo data, or the packet that caused the error. */
  readonly data: Uint8Array;
  /** Only where it is not the one that the encoder works out: a wrong one, or that of a fragmented message. */
  readonly checksum?: number;
};

const at = { type: 0, code: 1, checksum: 2, rest: 4, data: 8 } as const;

export const icmpType = {
  echoReply: 0,
  destinationUnreachable: 3,
  sourceQuench: 4,
  redirect: 5,
  echoRequest: 8,
  timeExceeded: 11,
  parameterProblem: 12,
} as const;

export function decodeIcmp(bytes: Uint8Array): Icmp | undefined {
  if (bytes.length < at.data) return undefined;
  const view = viewOf(bytes);
  const found = view.getUint16(at.checksum);
  return {
    type: view.getUint8(at.type),
    code: view.getUint8(at.code),
    rest: view.getUint32(at.rest),
    data: bytes.subarray(at.data),
    ...(found !== checksumAt(at.checksum, bytes) && { checksum: found }),
  };
}

export function encodeIcmp(icmp: Icmp): Uint8Array {
  const bytes = new Uint8Array(at.data + icmp.data.length);
  const view = viewOf(bytes);
  view.setUint8(at.type, icmp.type);
  view.setUint8(at.code, icmp.code);
  view.setUint32(at.rest, icmp.rest);
  bytes.set(icmp.data, at.data);
  view.setUint16(at.checksum, icmp.checksum ?? checksumAt(at.checksum, bytes));
  return bytes;
}
