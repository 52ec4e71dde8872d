// A LogEvent -> the columns by which events are searched, and addresses to bytes and back. Everything else is parsed
// again from the text, which is always kept.
import type { Ip } from '../../model/ip.ts';
import type { LogEvent } from '../../model/log-event.ts';

export type Column = string | number | bigint | null | Uint8Array;

export const searchColumns = [
  'status',
  'prefix',
  'action',
  'rule',
  'iif',
  'oif',
  'physin',
  'physout',
  'smac',
  'dmac',
  'src',
  'dst',
  'protocol',
  'sport',
  'dport',
] as const;

/** In the order of `searchColumns`. Never anything from the packet inside of an ICMP error. */
export function searchValues(event: LogEvent): readonly Column[] {
  const { status, prefix, action, rule, iif, oif, physin, physout, mac, arp, packet } = event;
  return [
    status,
    prefix,
    action,
    rule ?? null,
    iif,
    oif,
    physin ?? null,
    physout ?? null,
    mac?.source ?? arp?.senderMac ?? null,
    mac?.destination ?? arp?.targetMac ?? null,
    addressBytes(packet?.src ?? arp?.senderIp),
    addressBytes(packet?.dst ?? arp?.targetIp),
    packet?.protocol ?? null,
    packet?.sport ?? null,
    packet?.dport ?? null,
  ];
}

/** Network order, so that the addresses of a prefix stand together. */
export function addressBytes(ip: Ip | null | undefined): Uint8Array | null {
  if (ip === null || ip === undefined) return null;
  if (ip.family === 4) {
    const bytes = Buffer.allocUnsafe(4);
    bytes.writeUInt32BE(Number(ip.bits));
    return bytes;
  }
  const bytes = Buffer.allocUnsafe(16);
  bytes.writeBigUInt64BE(ip.bits >> 64n);
  bytes.writeBigUInt64BE(ip.bits & 0xffff_ffff_ffff_ffffn, 8);
  return bytes;
}

export function addressOf(bytes: Uint8Array): Ip {
  const bits = bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  return { family: bytes.length === 4 ? 4 : 6, bits };
}

/** Of a column that may be empty. */
export function numberOf(value: Column | undefined): number | undefined {
  return value === null || value === undefined ? undefined : Number(value);
}
