// Values of fields and sets <-> nft's spelling of them (nft(8), DATA TYPES), one row for each type.
import assert from 'node:assert/strict';
import { exactly, type FieldType, type NumberRange, type Value, valueKey } from '../model/field.ts';
import { parseIp, printIp } from '../model/ip.ts';
import { printRange } from '../model/ip-set.ts';
import { parseMac, printMac } from '../model/mac.ts';
import { ipProtocols, isInterfacePattern, shortInterfacePattern } from '../model/symbols.ts';

type NumberType = Exclude<FieldType, 'ifname'>;

type Spelling = {
  readonly bits: number;
  readonly print: (bits: bigint) => string;
  readonly parse: (text: string) => bigint | undefined;
};

const etherTypes = new Map(Object.entries({ ip: 0x0800, arp: 0x0806, ip6: 0x86dd, '8021q': 0x8100, '8021ad': 0x88a8 }));
const arpOperations = new Map(
  Object.entries({ request: 1, reply: 2, rrequest: 3, rreply: 4, inrequest: 8, inreply: 9, nak: 10 }),
);
const icmpTypes = new Map(
  Object.entries({
    'echo-reply': 0,
    'destination-unreachable': 3,
    'source-quench': 4,
    redirect: 5,
    'echo-request': 8,
    'router-advertisement': 9,
    'router-solicitation': 10,
    'time-exceeded': 11,
    'parameter-problem': 12,
    'timestamp-request': 13,
    'timestamp-reply': 14,
    'info-request': 15,
    'info-reply': 16,
    'address-mask-request': 17,
    'address-mask-reply': 18,
  }),
);
const icmpCodes = new Map(
  Object.entries({
    'net-unreachable': 0,
    'host-unreachable': 1,
    'prot-unreachable': 2,
    'port-unreachable': 3,
    'frag-needed': 4,
    'net-prohibited': 9,
    'host-prohibited': 10,
    'admin-prohibited': 13,
  }),
);

const spellings: Readonly<Record<NumberType, Spelling>> = {
  ether_addr: { bits: 48, print: (bits) => printMac(Number(bits)), parse: macBits },
  ipv4_addr: { bits: 32, print: (bits) => printIp({ family: 4, bits }), parse: (text) => ipBits(4, text) },
  ipv6_addr: { bits: 128, print: (bits) => printIp({ family: 6, bits }), parse: (text) => ipBits(6, text) },
  ether_type: { bits: 16, print: (bits) => nameOf(etherTypes, bits) ?? hex(bits, 4), parse: named(etherTypes) },
  arp_op: { bits: 16, print: (bits) => nameOf(arpOperations, bits) ?? `${bits}`, parse: named(arpOperations) },
  // the three that nft's grammar knows without /etc/protocols
  inet_proto: { bits: 8, print: (bits) => nameOf(ownProtocols, bits) ?? `${bits}`, parse: named(ipProtocols) },
  inet_service: { bits: 16, print: decimal, parse: integer },
  icmp_type: { bits: 8, print: (bits) => nameOf(icmpTypes, bits) ?? `${bits}`, parse: named(icmpTypes) },
  // a code's name fits one type only ('net-unreachable' is the 0 of every echo request), so numbers are printed
  icmp_code: { bits: 8, print: decimal, parse: named(icmpCodes) },
  mark: { bits: 32, print: (bits) => hex(bits, 1), parse: integer },
};

const ownProtocols = new Map(Object.entries({ icmp: 1, tcp: 6, udp: 17 }));

/** @throws AssertionError when the value is not of the type: a bug of ours, as no user's text comes here unchecked */
export function printValue(type: FieldType, value: Value): string {
  if (type === 'ifname') return printInterface(value);
  assert(typeof value !== 'string', `'${value}' is no ${type}`);
  const { bits, print } = spellings[type];
  const { first, last } = value;
  assert(0n <= first && first <= last && last >> BigInt(bits) === 0n, `${first}-${last} is no range of ${type}`);
  if (first === last) return print(first);
  if (type === 'ipv4_addr') return printRange({ family: 4, first, last });
  if (type === 'ipv6_addr') return printRange({ family: 6, first, last });
  // names may hold hyphens themselves (`echo-request`), and nft reads no range of names
  return type === 'ether_addr' ? `${print(first)}-${print(last)}` : `${first}-${last}`;
}

/** @throws AssertionError for names outside of the pattern: they could end nft's quotes, which know no escapes */
function printInterface(value: Value): string {
  assert(typeof value === 'string' && isInterfacePattern(value), `not an interface name: ${printable(value)}`);
  return `"${shortInterfacePattern(value)}"`;
}

function printable(value: Value): string {
  return typeof value === 'string' ? JSON.stringify(value) : `${value.first}-${value.last}`;
}

/** One number or name of a type, without range or prefix; undefined if it is none. */
export function parseNumber(type: NumberType, text: string): bigint | undefined {
  const { bits, parse } = spellings[type];
  const value = parse(text);
  return value !== undefined && value >> BigInt(bits) === 0n ? value : undefined;
}

/** A number, `first-last` or `address/length`. */
export function parseNumberRange(type: NumberType, text: string): NumberRange | undefined {
  const whole = parseNumber(type, text);
  if (whole !== undefined) return exactly(whole);
  const [address = '', length] = text.split('/');
  if (length !== undefined) return prefixBounds(type, address, length);
  const dash = text.indexOf('-', 1);
  return dash === -1 ? undefined : rangeBetween(type, text.slice(0, dash), text.slice(dash + 1));
}

export function rangeBetween(type: NumberType, from: string, to: string): NumberRange | undefined {
  const first = parseNumber(type, from);
  const last = parseNumber(type, to);
  return first !== undefined && last !== undefined && first <= last ? { first, last } : undefined;
}

export function prefixBounds(type: NumberType, address: string, length: string): NumberRange | undefined {
  const bits = parseNumber(type, address);
  const width = spellings[type].bits;
  if (bits === undefined || !/^\d{1,3}$/.test(length) || Number(length) > width) return undefined;
  const host = BigInt(width - Number(length));
  const first = (bits >> host) << host;
  return { first, last: first + (1n << host) - 1n };
}

/** The largest number of a type. */
export function lastOf(type: NumberType): bigint {
  return (1n << BigInt(spellings[type].bits)) - 1n;
}

function decimal(bits: bigint): string {
  return `${bits}`;
}

function hex(bits: bigint, digits: number): string {
  return `0x${bits.toString(16).padStart(digits, '0')}`;
}

function integer(text: string): bigint | undefined {
  return /^(?:0|[1-9]\d{0,9}|0x[0-9a-fA-F]{1,16})$/.test(text) ? BigInt(text) : undefined;
}

function named(names: ReadonlyMap<string, number>): (text: string) => bigint | undefined {
  return (text) => {
    const number = names.get(text);
    return number === undefined ? integer(text) : BigInt(number);
  };
}

function nameOf(names: ReadonlyMap<string, number>, bits: bigint): string | undefined {
  return [...names].find(([, number]) => BigInt(number) === bits)?.[0];
}

function macBits(text: string): bigint | undefined {
  const mac = parseMac(text);
  return mac === undefined ? undefined : BigInt(mac);
}

function ipBits(family: 4 | 6, text: string): bigint | undefined {
  const ip = parseIp(text);
  return ip?.family === family ? ip.bits : undefined;
}

/** A text that two elements share exactly when they are equal. */
export function elementKey(element: readonly Value[]): string {
  return element.map(valueKey).join(' . ');
}
