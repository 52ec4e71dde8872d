// IPv4 (RFC 791): header and payload. What br_validate_ipv4 (net/bridge/br_netfilter_hooks.c) drops is not decoded.
import type { Ip } from '../model/ip.ts';
import { checksum, checksumAt } from './checksum.ts';
import { joined, readIp4, viewOf, writeIp4 } from './octets.ts';

/** RFC 791. Length and checksum are worked out by the encoder. */
export type Ip4 = {
  readonly source: Ip;
  readonly destination: Ip;
  readonly protocol: number;
  readonly ttl: number;
  /** The whole second octet: DSCP and ECN. */
  readonly tos: number;
  readonly id: number;
  readonly dontFragment: boolean;
  readonly moreFragments: boolean;
  /** The flag bit that must be zero, only where it is not; the kernel logs it as `CE`. */
  readonly reserved?: true;
  /** In units of 8 octets, as in the header. */
  readonly fragmentOffset: number;
  /** Options as they are, padded to a multiple of 4 octets. */
  readonly options: Uint8Array;
};

export type Ip4Datagram = { readonly ip: Ip4; readonly payload: Uint8Array };

const at = {
  version: 0,
  tos: 1,
  length: 2,
  id: 4,
  fragment: 6,
  ttl: 8,
  protocol: 9,
  checksum: 10,
  source: 12,
  destination: 16,
  options: 20,
} as const;

const flag = { reserved: 0x8000, dontFragment: 0x4000, moreFragments: 0x2000 } as const;

const offsetMask = 0x1fff;

export const ipProtocol = { icmp: 1, igmp: 2, tcp: 6, udp: 17, esp: 50, ah: 51, udplite: 136 } as const;

/** What follows the total length is padding and dropped; `undefined` where the kernel drops the packet unseen. */
export function decodeIp4(bytes: Uint8Array): Ip4Datagram | undefined {
  if (bytes.length < at.options) return undefined;
  const view = viewOf(bytes);
  const first = view.getUint8(at.version);
  const header = (first & 15) * 4;
  const length = view.getUint16(at.length);
  if (first >> 4 !== 4 || header < at.options || length < header || bytes.length < length) return undefined;
  if (checksum(bytes.subarray(0, header)) !== 0) return undefined;
  return { ip: decodeHeader(view, bytes.subarray(at.options, header)), payload: bytes.subarray(header, length) };
}

function decodeHeader(view: DataView, options: Uint8Array): Ip4 {
  const fragment = view.getUint16(at.fragment);
  return {
    source: readIp4(view, at.source),
    destination: readIp4(view, at.destination),
    protocol: view.getUint8(at.protocol),
    ttl: view.getUint8(at.ttl),
    tos: view.getUint8(at.tos),
    id: view.getUint16(at.id),
    dontFragment: (fragment & flag.dontFragment) !== 0,
    moreFragments: (fragment & flag.moreFragments) !== 0,
    ...((fragment & flag.reserved) !== 0 && { reserved: true }),
    fragmentOffset: fragment & offsetMask,
    options,
  };
}

export function encodeIp4({ ip, payload }: Ip4Datagram): Uint8Array {
  const header = new Uint8Array(at.options + ip.options.length);
  const view = viewOf(header);
  view.setUint8(at.version, 0x40 | (header.length / 4));
  view.setUint8(at.tos, ip.tos);
  view.setUint16(at.length, header.length + payload.length);
  view.setUint16(at.id, ip.id);
  view.setUint16(at.fragment, fragmentField(ip));
  view.setUint8(at.ttl, ip.ttl);
  view.setUint8(at.protocol, ip.protocol);
  writeIp4(view, at.source, ip.source);
  writeIp4(view, at.destination, ip.destination);
  header.set(ip.options, at.options);
  view.setUint16(at.checksum, checksumAt(at.checksum, header));
  return joined(header, payload);
}

function fragmentField(ip: Ip4): number {
  return (
    (ip.reserved ? flag.reserved : 0) |
    (ip.dontFragment ? flag.dontFragment : 0) |
    (ip.moreFragments ? flag.moreFragments : 0) |
    ip.fragmentOffset
  );
}
