// IP addresses of both families as numbers. node:net decides what is an address: 010.0.0.1 and 256.1.1.1 are none.
import { isIP } from 'node:net';

export type Family = 4 | 6;

export type Ip = { readonly family: Family; readonly bits: bigint };

export const ipWidth: Readonly<Record<Family, number>> = { 4: 32, 6: 128 };

/** Textual forms of RFC 4291 section 2.2 and dotted quads without leading zeros; zone indices are refused. */
export function parseIp(text: string): Ip | undefined {
  switch (isIP(text)) {
    case 4:
      return { family: 4, bits: BigInt(text.split('.').reduce((bits, octet) => bits * 256 + Number(octet), 0)) };
    case 6:
      return text.includes('%') ? undefined : { family: 6, bits: ip6Bits(text) };
    default:
      return undefined;
  }
}

function ip6Bits(text: string): bigint {
  const [head = '', tail] = text.split('::');
  const before = ip6Groups(head);
  const after = tail === undefined ? [] : ip6Groups(tail);
  const gap = new Array<number>(8 - before.length - after.length).fill(0);
  return [...before, ...gap, ...after].reduce((bits, group) => (bits << 16n) | BigInt(group), 0n);
}

function ip6Groups(text: string): readonly number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)];
    const bits = Number(parseIp(group)?.bits ?? 0n);
    return [Math.floor(bits / 65_536), bits % 65_536];
  });
}

/** Dotted quad, or RFC 5952 text. */
export function printIp(ip: Ip): string {
  if (ip.family === 4) {
    const bits = Number(ip.bits);
    return `${bits >>> 24}.${(bits >>> 16) & 255}.${(bits >>> 8) & 255}.${bits & 255}`;
  }
  return printIp6(ip.bits);
}

function printIp6(bits: bigint): string {
  const groups = Array.from({ length: 8 }, (_, index) => Number((bits >> BigInt(112 - 16 * index)) & 0xffffn));
  const { start, length } = longestZeroRun(groups);
  const hex = groups.map((group) => group.toString(16));
  if (length < 2) return hex.join(':');
  return `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`;
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < groups.length; start++) {
    let end = start;
    while (groups[end] === 0) end++;
    if (end - start > best.length) best = { start, length: end - start };
  }
  return best;
}

export function sameIp(a: Ip, b: Ip): boolean {
  return a.family === b.family && a.bits === b.bits;
}

export type Prefix = { readonly family: Family; readonly bits: bigint; readonly length: number };

/** `address/length`, or a bare address as the longest prefix. Host bits are kept: `192.168.0.19/24` is fine. */
export function parsePrefix(text: string): Prefix | undefined {
  const [address = '', length, ...rest] = text.split('/');
  const ip = parseIp(address);
  if (ip === undefined || rest.length > 0) return undefined;
  if (length === undefined) return { ...ip, length: ipWidth[ip.family] };
  if (!/^(?:0|[1-9]\d{0,2})$/.test(length) || Number(length) > ipWidth[ip.family]) return undefined;
  return { ...ip, length: Number(length) };
}

export function printPrefix(prefix: Prefix): string {
  const address = printIp(prefix);
  return prefix.length === ipWidth[prefix.family] ? address : `${address}/${prefix.length}`;
}

/** The network of a prefix: the same with its host bits cleared. */
export function networkOf(prefix: Prefix): Prefix {
  const shift = BigInt(ipWidth[prefix.family] - prefix.length);
  return { ...prefix, bits: (prefix.bits >> shift) << shift };
}

export function prefixContains(prefix: Prefix, ip: Ip): boolean {
  if (prefix.family !== ip.family) return false;
  const shift = BigInt(ipWidth[prefix.family] - prefix.length);
  return prefix.bits >> shift === ip.bits >> shift;
}
