// What a single word of a policy or host file may be: names, interface names, MACs, addresses. Each reader gives the
// value or the fault, so that shapes (which want the fault) and builders (which want the value) cannot disagree.
import { type Diagnostic, type DiagnosticCode, error, type Span } from '../model/diagnostic.ts';
import { type Ip, ipWidth, networkOf, type Prefix, parseIp, parsePrefix, printIp, printPrefix } from '../model/ip.ts';
import { type IpRange, prefixRange } from '../model/ip-set.ts';
import { isGroupMac, type Mac, parseMac } from '../model/mac.ts';
import { quoted } from './quoted.ts';

export type Fault = { readonly code: DiagnosticCode; readonly message: string; readonly hint?: string };

export type Read<T> = { readonly value: T } | { readonly fault: Fault };

export function wrong(code: DiagnosticCode, message: string, hint?: string): { readonly fault: Fault } {
  return { fault: hint === undefined ? { code, message } : { code, message, hint } };
}

export function diagnosticOf({ code, message, hint }: Fault, span: Span): Diagnostic {
  return error(code, message, span, hint === undefined ? {} : { hint });
}

/** The value as a list of one, or of none. */
export function valuesOf<T>(read: Read<T>): readonly T[] {
  return 'value' in read ? [read.value] : [];
}

export const namePattern = '^[A-Za-z0-9_.-]{1,64}$';

export const interfacePattern = '^(?!\\.{1,2}$)[A-Za-z0-9_.-]{1,15}$';

/** For editors; readMac decides. */
export const macPattern = '^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$';

const validName = new RegExp(namePattern);
const validInterface = new RegExp(interfacePattern);

/** A name that JavaScript objects, and so zod's records, do not keep like others. */
const unsafe = '__proto__';

/** Names of guests, machines and groups: they become part of rule ids, comments and set names. */
export function readName(text: string): Read<string> {
  if (validName.test(text) && text !== unsafe) return { value: text };
  return wrong('bad-name', `${quoted(text)} cannot be a name`, 'a name is 1 to 64 of A-Z a-z 0-9 _ . -');
}

/** The kernel would take more (dev_valid_name in net/core/dev.c), but not every tool could quote it. */
export function readInterface(text: string): Read<string> {
  if (validInterface.test(text) && text !== unsafe) return { value: text };
  return wrong('bad-interface', `${quoted(text)} cannot be an interface name`, 'it is 1 to 15 of A-Z a-z 0-9 _ . -');
}

/** An interface name, or the beginning of names with a trailing `*`. */
export function readInterfacePattern(text: string): Read<string> {
  const name = text.endsWith('*') ? text.slice(0, -1) : text;
  if (validInterface.test(name) && name !== unsafe) return { value: text };
  const hint = "it is 1 to 15 of A-Z a-z 0-9 _ . -, and may end in '*'";
  return wrong('bad-interface', `${quoted(text)} cannot be an interface name or pattern`, hint);
}

/** The MAC of one network card. */
export function readMac(text: string): Read<Mac> {
  const mac = parseMac(text);
  if (mac === undefined) return wrong('bad-mac', `${quoted(text)} is not a MAC address`, macHint(text));
  if (mac === 0) return wrong('bad-mac', `no network card has the MAC address ${text}`);
  if (!isGroupMac(mac)) return { value: mac };
  return wrong('bad-mac', `${text} is a group (multicast) address, which no network card has`);
}

function macHint(text: string): string {
  const digits = text.replace(/[-.:]/g, '');
  if (!/^[0-9a-f]{12}$/i.test(digits)) return 'it is six pairs of hexadecimal digits: 52:54:00:b1:5d:1f';
  return `write ${digits.toLowerCase().replace(/..(?!$)/g, '$&:')}`;
}

/** One address that a machine can have. */
export function readAddress(text: string): Read<Ip> {
  const ip = parseIp(text);
  if (ip === undefined) return wrong('bad-address', `${quoted(text)} is not an IP address`, addressHint(text));
  const kind = specialKind(ip);
  if (kind === undefined) return { value: ip };
  return wrong('bad-address', `${text} is ${kind} address, which no machine on a bridge can have`);
}

function addressHint(text: string): string | undefined {
  const [address = '', ...rest] = text.split(/[/%]|\s*-\s*/);
  if (rest.length > 0 && parseIp(address) !== undefined) {
    if (text.includes('%')) return `leave the zone out: write ${address}`;
    return text.includes('/') ? `one address is wanted here: write ${address}` : 'list the addresses: [a, b]';
  }
  if (text.includes(',')) return 'list the addresses: [a, b]';
  return zerosHint(text);
}

/** Some programs read a leading zero as octal, so 010.0.0.1 may be 8.0.0.1 or 10.0.0.1: neither is guessed. */
function zerosHint(text: string): string | undefined {
  const [address = '', length] = text.split('/');
  const stripped = address.replace(/(?<=^|\.)0+(?=\d)/g, '');
  if (stripped === address || parseIp(stripped) === undefined) return undefined;
  return `leave out leading zeros, which may be read as octal: write ${length === undefined ? stripped : `${stripped}/${length}`}`;
}

const specialBlocks: readonly (readonly [prefix: string, kind: string])[] = [
  ['0.0.0.0/8', "a 'this network'"],
  ['127.0.0.0/8', 'a loopback'],
  ['224.0.0.0/4', 'a multicast'],
  ['255.255.255.255', 'the broadcast'],
  ['::', 'the unspecified'],
  ['::1', 'the loopback'],
  ['ff00::/8', 'a multicast'],
];

const specialRanges = specialBlocks.flatMap(([prefix, kind]) => {
  const parsed = parsePrefix(prefix);
  return parsed === undefined ? [] : [{ range: prefixRange(parsed), kind }];
});

function specialKind({ family, bits }: Ip): string | undefined {
  return specialRanges.find(({ range }) => range.family === family && range.first <= bits && bits <= range.last)?.kind;
}

/** An address with the length of its network's prefix, as an interface has it; host bits are kept. */
export function readPrefix(text: string): Read<Prefix> {
  const prefix = parsePrefix(text);
  if (prefix !== undefined) return { value: prefix };
  return wrong('bad-address', `${quoted(text)} is not an address with a prefix length`, prefixHint(text));
}

function prefixHint(text: string): string | undefined {
  const [address = '', length] = text.split('/');
  const ip = parseIp(address);
  if (ip === undefined) return zerosHint(text) ?? addressHint(address);
  return length === undefined ? undefined : `the length is a number from 0 to ${ipWidth[ip.family]}`;
}

/** One address, a whole network (`10.0.0.0/8`), or a range (`10.0.0.1-10.0.0.9`). */
export function readAddresses(text: string): Read<IpRange> {
  if (text.includes('/')) {
    const read = readNetwork(text);
    return 'fault' in read ? read : { value: prefixRange(read.value) };
  }
  const [from = '', to, ...rest] = text.split('-').map((part) => part.trim());
  if (to !== undefined && rest.length === 0) return readRange(text, parseIp(from), parseIp(to));
  const read = readAddress(text);
  if ('fault' in read) return read;
  const { family, bits } = read.value;
  return { value: { family, first: bits, last: bits } };
}

/** A prefix without host bits. */
function readNetwork(text: string): Read<Prefix> {
  const read = readPrefix(text);
  if ('fault' in read) return read;
  const network = networkOf(read.value);
  if (network.bits === read.value.bits) return read;
  const hint = `write ${printPrefix(network)} for the network, or ${printIp(read.value)} for the one machine`;
  return wrong('bad-address', `${quoted(text)} is an address in a network, not the network`, hint);
}

function readRange(text: string, from: Ip | undefined, to: Ip | undefined): Read<IpRange> {
  if (from === undefined || to === undefined || from.family !== to.family) {
    return wrong('bad-address', `${quoted(text)} is not a range of IP addresses`, 'write it as 10.0.0.1-10.0.0.9');
  }
  if (from.bits > to.bits) return wrong('bad-address', `the range ${quoted(text)} ends before it begins`);
  return { value: { family: from.family, first: from.bits, last: to.bits } };
}

/** Where a route leads: a network, one address, or `default`. */
export function readDestination(text: string): Read<Prefix> {
  if (text === 'default') return { value: { family: 4, bits: 0n, length: 0 } };
  if (parsePrefix(text) !== undefined) return readNetwork(text);
  const hint = prefixHint(text) ?? 'write default, or a network such as 10.0.0.0/8';
  return wrong('bad-address', `${quoted(text)} is not a destination`, hint);
}

/** A name under /proc/sys with dots, as sysctl(8) takes it. */
export function readSysctl(text: string): Read<string> {
  const valid = /^[A-Za-z0-9_*@-]+(?:[./][A-Za-z0-9_*@-]+)+$/.test(text) && text.length <= 128;
  if (valid) return { value: text };
  return wrong('bad-name', `${quoted(text)} is not the name of a sysctl`, 'write it as net.ipv4.ip_forward');
}

export function readSysctlValue(text: string): Read<string> {
  if (/^[\t\x20-\x7e]{1,128}$/.test(text)) return { value: text };
  return wrong('wrong-type', `${quoted(text)} cannot be the value of a sysctl`);
}
