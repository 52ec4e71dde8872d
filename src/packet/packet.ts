// A frame and what is in it, as far as the firewall looks. decode and encode are exact inverses on what they accept.

import { unreachable } from '../model/unreachable.ts';
import { type Arp, decodeArp, encodeArp } from './arp.ts';
import { decodeEthernet, type Ethernet, encodeEthernet, ethernetLength, etherType } from './ethernet.ts';
import { decodeIcmp, encodeIcmp, type Icmp } from './icmp.ts';
import { decodeIp4, encodeIp4, type Ip4, type Ip4Datagram, ipProtocol } from './ip4.ts';
import { joined } from './octets.ts';
import { decodeTcp, encodeTcp, type Tcp } from './tcp.ts';
import { decodeUdp, encodeUdp, type Udp } from './udp.ts';

export type Transport =
  | ({ readonly kind: 'icmp' } & Icmp)
  | ({ readonly kind: 'tcp' } & Tcp)
  | ({ readonly kind: 'udp' } & Udp)
  /** A protocol without a decoder, a later fragment, or a header that is cut short: the bytes as they are. */
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array };

export type Payload =
  | ({ readonly kind: 'arp' } & Arp)
  | { readonly kind: 'ip4'; readonly ip: Ip4; readonly transport: Transport }
  /** Any other ethertype, tags included, and malformed ARP or IPv4. */
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array };

export type Packet = { readonly ether: Ethernet; readonly payload: Payload };

/**
 * Any bytes from 14 up are a packet. Only the padding behind ARP and IPv4 is lost: encoding gives back every other
 * octet. The result does not share memory with `bytes`.
 */
export function decodePacket(bytes: Uint8Array): Packet | undefined {
  const ether = decodeEthernet(bytes);
  if (ether === undefined) return undefined;
  return { ether, payload: decodePayload(ether.type, Uint8Array.from(bytes.subarray(ethernetLength))) };
}

function decodePayload(type: number, bytes: Uint8Array): Payload {
  const arp = type === etherType.arp ? decodeArp(bytes) : undefined;
  if (arp !== undefined) return { kind: 'arp', ...arp };
  const datagram = type === etherType.ip ? decodeIp4(bytes) : undefined;
  if (datagram !== undefined) return { kind: 'ip4', ip: datagram.ip, transport: decodeTransport(datagram) };
  return { kind: 'bytes', bytes };
}

/** A first fragment has its transport header and decodes as such, like the kernel's matches see it. */
function decodeTransport({ ip, payload }: Ip4Datagram): Transport {
  if (ip.fragmentOffset === 0) {
    const icmp = ip.protocol === ipProtocol.icmp ? decodeIcmp(payload) : undefined;
    if (icmp !== undefined) return { kind: 'icmp', ...icmp };
    const tcp = ip.protocol === ipProtocol.tcp ? decodeTcp(payload, ip) : undefined;
    if (tcp !== undefined) return { kind: 'tcp', ...tcp };
    const udp = ip.protocol === ipProtocol.udp ? decodeUdp(payload, ip) : undefined;
    if (udp !== undefined) return { kind: 'udp', ...udp };
  }
  return { kind: 'bytes', bytes: payload };
}

/** With right lengths and checksums, and without padding to Ethernet's least length. */
export function encodePacket(packet: Packet): Uint8Array {
  return joined(encodeEthernet(packet.ether), encodePayload(packet.payload));
}

function encodePayload(payload: Payload): Uint8Array {
  switch (payload.kind) {
    case 'arp':
      return encodeArp(payload);
    case 'ip4':
      return encodeIp4({ ip: payload.ip, payload: encodeTransport(payload.transport, payload.ip) });
    case 'bytes':
      return payload.bytes;
    default:
      return unreachable(payload);
  }
}

function encodeTransport(transport: Transport, ip: Ip4): Uint8Array {
  switch (transport.kind) {
    case 'icmp':
      return encodeIcmp(transport);
    case 'tcp':
      return encodeTcp(transport, ip);
    case 'udp':
      return encodeUdp(transport, ip);
    case 'bytes':
      return transport.bytes;
    default:
      return unreachable(transport);
  }
}
