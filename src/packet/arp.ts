// ARP for IPv4 over Ethernet (RFC 826): 28 octets, sender and target each with MAC and IP.
import type { Ip } from '../model/ip.ts';
import type { Mac } from '../model/mac.ts';
import { etherType } from './ethernet.ts';
import { readIp4, readMac, viewOf, writeIp4, writeMac } from './octets.ts';

/** ARP for IPv4 over Ethernet (RFC 826); other hardware or protocol types stay bytes. */
export type Arp = {
  readonly operation: number;
  readonly senderMac: Mac;
  readonly senderIp: Ip;
  readonly targetMac: Mac;
  readonly targetIp: Ip;
};

const at = {
  hardware: 0,
  protocol: 2,
  lengths: 4,
  operation: 6,
  senderMac: 8,
  senderIp: 14,
  targetMac: 18,
  targetIp: 24,
} as const;

const arpLength = 28;

const ethernetHardware = 1;

/** The MAC's 6 octets and the IP address's 4, as one 16-bit field. */
const lengths = 0x0604;

export const arpOperation = { request: 1, reply: 2 } as const;

/** What follows the 28 octets is padding and dropped, as the kernel does. */
export function decodeArp(bytes: Uint8Array): Arp | undefined {
  if (bytes.length < arpLength) return undefined;
  const view = viewOf(bytes);
  if (view.getUint16(at.hardware) !== ethernetHardware) return undefined;
  if (view.getUint16(at.protocol) !== etherType.ip || view.getUint16(at.lengths) !== lengths) return undefined;
  return {
    operation: view.getUint16(at.operation),
    senderMac: readMac(view, at.senderMac),
    senderIp: readIp4(view, at.senderIp),
    targetMac: readMac(view, at.targetMac),
    targetIp: readIp4(view, at.targetIp),
  };
}

export function encodeArp(arp: Arp): Uint8Array {
  const bytes = new Uint8Array(arpLength);
  const view = viewOf(bytes);
  view.setUint16(at.hardware, ethernetHardware);
  view.setUint16(at.protocol, etherType.ip);
  view.setUint16(at.lengths, lengths);
  view.setUint16(at.operation, arp.operation);
  writeMac(view, at.senderMac, arp.senderMac);
  writeIp4(view, at.senderIp, arp.senderIp);
  writeMac(view, at.targetMac, arp.targetMac);
  writeIp4(view, at.targetIp, arp.targetIp);
  return bytes;
}
