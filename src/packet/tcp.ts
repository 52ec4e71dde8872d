// TCP (RFC 9293): header with options, then data.
import type { TcpFlag } from '../model/match.ts';
import { checksumAt, type Ends, pseudoHeader } from './checksum.ts';
import { ipProtocol } from './ip4.ts';
import { viewOf } from './octets.ts';

/** RFC 9293. Header length and checksum are worked out by the encoder. */
export type Tcp = {
  readonly sport: number;
  readonly dport: number;
  readonly sequence: number;
  readonly acknowledgement: number;
  /** In the order of `tcpFlags`. */
  readonly flags: readonly TcpFlag[];
  /** The four bits behind the header length, only where they are not zero; the lowest is AE (RFC 9768). */
  readonly reserved?: number;
  readonly window: number;
  readonly urgent: number;
  /** Options as they are, padded to a multiple of 4 octets. */
  readonly options: Uint8Array;
  readonly data: Uint8Array;
  /** Only where it is not the one that the encoder works out: a wrong one, or that of a fragmented segment. */
  readonly checksum?: number;
};

const at = {
  sport: 0,
  dport: 2,
  sequence: 4,
  acknowledgement: 8,
  header: 12,
  flags: 13,
  window: 14,
  checksum: 16,
  urgent: 18,
  options: 20,
} as const;

/** From the lowest bit of the flags octet to its highest. */
export const tcpFlags: readonly TcpFlag[] = ['fin', 'syn', 'rst', 'psh', 'ack', 'urg', 'ecn', 'cwr'];

/** `undefined` when the header is cut short or says of itself that it is too short. */
export function decodeTcp(bytes: Uint8Array, ends: Ends): Tcp | undefined {
  if (bytes.length < at.options) return undefined;
  const view = viewOf(bytes);
  const header = (view.getUint8(at.header) >> 4) * 4;
  if (header < at.options || bytes.length < header) return undefined;
  const reserved = view.getUint8(at.header) & 15;
  const found = view.getUint16(at.checksum);
  return {
    sport: view.getUint16(at.sport),
    dport: view.getUint16(at.dport),
    sequence: view.getUint32(at.sequence),
    acknowledgement: view.getUint32(at.acknowledgement),
    flags: tcpFlags.filter((_, bit) => (view.getUint8(at.flags) >> bit) & 1),
    ...(reserved !== 0 && { reserved }),
    window: view.getUint16(at.window),
    urgent: view.getUint16(at.urgent),
    options: bytes.subarray(at.options, header),
    data: bytes.subarray(header),
    ...(found !== tcpChecksum(bytes, ends) && { checksum: found }),
  };
}

export function encodeTcp(tcp: Tcp, ends: Ends): Uint8Array {
  const header = at.options + tcp.options.length;
  const bytes = new Uint8Array(header + tcp.data.length);
  const view = viewOf(bytes);
  view.setUint16(at.sport, tcp.sport);
  view.setUint16(at.dport, tcp.dport);
  view.setUint32(at.sequence, tcp.sequence);
  view.setUint32(at.acknowledgement, tcp.acknowledgement);
  view.setUint8(at.header, ((header / 4) << 4) | (tcp.reserved ?? 0));
  view.setUint8(at.flags, flagBits(tcp.flags));
  view.setUint16(at.window, tcp.window);
  view.setUint16(at.urgent, tcp.urgent);
  bytes.set(tcp.options, at.options);
  bytes.set(tcp.data, header);
  view.setUint16(at.checksum, tcp.checksum ?? tcpChecksum(bytes, ends));
  return bytes;
}

function flagBits(flags: readonly TcpFlag[]): number {
  return flags.reduce((bits, flag) => bits | (1 << tcpFlags.indexOf(flag)), 0);
}

function tcpChecksum(bytes: Uint8Array, ends: Ends): number {
  return checksumAt(at.checksum, bytes, pseudoHeader(ends, ipProtocol.tcp, bytes.length));
}
