// Matches -> the words of one iptables rule: the header that iptables asks first, then its match extensions. Matches
// without memory may change places, so the options of one extension stand together.
import assert from 'node:assert/strict';
import { canonicalValues } from '../model/canonical-match.ts';
import type { Field, NumberRange, Value } from '../model/field.ts';
import { printIp, printPrefix } from '../model/ip.ts';
import { type IpRange, rangePrefixes } from '../model/ip-set.ts';
import { printMac } from '../model/mac.ts';
import type { FieldMatch, LimitMatch, Match, TcpFlagsMatch } from '../model/match.ts';
import {
  ctStates,
  ipProtocols,
  isInterfacePattern,
  isOneLine,
  portProtocols,
  shortInterfacePattern,
  tcpFlags,
} from '../model/symbols.ts';
import { unreachable } from '../model/unreachable.ts';
import { periodOf, unitNames } from './rate.ts';
import { splitSaved, value, type Word } from './words.ts';

const headerFields: readonly Field[] = ['ip saddr', 'ip daddr', 'iifname', 'oifname', 'meta l4proto'];

/** -s, -d, -i, -o, -p, in the order of iptables-save. */
export function headerWords(matches: readonly Match[]): readonly Word[] {
  return headerFields.flatMap((name) => {
    const found = headersOf(matches).filter((match) => match.field === name);
    assert(found.length < 2, `an iptables rule asks once for ${name}`);
    return found.flatMap(headerMatchWords);
  });
}

/** The first prefix of an address goes into the header; ranges and further prefixes into `-m iprange`. */
function headersOf(matches: readonly Match[]): readonly FieldMatch[] {
  const fields = matches.filter((match) => match.kind === 'field');
  const prefixes = fields.filter((match) => isAddress(match) && prefixOf(match) !== undefined);
  const first = headerFields.map((name) => prefixes.find((match) => match.field === name));
  return fields.filter((match) => (isAddress(match) ? first.includes(match) : headerFields.includes(match.field)));
}

function isAddress({ field }: FieldMatch): boolean {
  return field === 'ip saddr' || field === 'ip daddr';
}

function headerMatchWords(match: FieldMatch): readonly Word[] {
  switch (match.field) {
    case 'ip saddr':
      return [...not(match), '-s', value(prefixOf(match) ?? '')];
    case 'ip daddr':
      return [...not(match), '-d', value(prefixOf(match) ?? '')];
    case 'iifname':
      return [...not(match), '-i', interfaceValue(onlyValue(match))];
    case 'oifname':
      return [...not(match), '-o', interfaceValue(onlyValue(match))];
    default:
      return [...not(match), '-p', value(printProtocol(onlyNumber(match)))];
  }
}

function not({ negated }: { readonly negated: boolean }): readonly Word[] {
  return negated ? ['!'] : [];
}

function onlyValue({ field, values }: FieldMatch): Value {
  const [only, ...more] = canonicalValues(values);
  assert(only !== undefined && more.length === 0, `iptables asks ${field} for one value in a rule`);
  return only;
}

function onlyRange(match: FieldMatch, last: bigint): NumberRange {
  const range = onlyValue(match);
  assert(
    typeof range !== 'string' && 0n <= range.first && range.first <= range.last && range.last <= last,
    match.field,
  );
  return range;
}

function onlyNumber(match: FieldMatch, last = 255n): number {
  const range = onlyRange(match, last);
  assert(range.first === range.last, `iptables asks ${match.field} for one number in a rule`);
  return Number(range.first);
}

function interfaceValue(name: Value): Word {
  assert(typeof name === 'string' && isInterfacePattern(name), `not an interface name: ${String(name)}`);
  return value(shortInterfacePattern(name).replace(/\*$/, '+'));
}

function ipRangeOf(match: FieldMatch): IpRange {
  return { family: 4, ...onlyRange(match, 0xffff_ffffn) };
}

/** Not for 'no address at all', which iptables-nft refuses and nobody means. */
function prefixOf(match: FieldMatch): string | undefined {
  const [only, ...more] = rangePrefixes(ipRangeOf(match));
  if (only === undefined || more.length > 0) return undefined;
  assert(!match.negated || only.length > 0, `no packet has no ${match.field}`);
  return only.length === 0 ? '0.0.0.0/0' : printPrefix(only);
}

const protocolNames = new Map([...ipProtocols].filter(([name]) => ['icmp', 'tcp', 'udp'].includes(name)));

function printProtocol(protocol: number): string {
  assert(protocol !== 0, 'iptables takes protocol 0 for all of them');
  return [...protocolNames].find(([, number]) => number === protocol)?.[0] ?? `${protocol}`;
}

/** Everything but the header and limits. */
export function matchWords(matches: readonly Match[]): readonly Word[] {
  const headers = headersOf(matches);
  const rest = matches.filter((match) => match.kind !== 'field' || !headers.includes(match));
  const protocol = headers.find(({ field, negated }) => field === 'meta l4proto' && !negated);
  const number = protocol === undefined ? 0 : onlyNumber(protocol);
  return [
    ...physdevWords(rest.filter((match) => match.kind === 'physdev' || match.kind === 'physdev-is')),
    ...transportWords(rest.filter(isTransport), number),
    ...icmpWords(rest.filter(isIcmp), number),
    ...rest.filter((match) => !isGrouped(match)).flatMap(singleWords),
  ];
}

function isGrouped(match: Match): boolean {
  return match.kind === 'physdev' || match.kind === 'physdev-is' || isTransport(match) || isIcmp(match);
}

type Transport = FieldMatch | TcpFlagsMatch;

function isTransport(match: Match): match is Transport {
  return match.kind === 'tcp-flags' || (match.kind === 'field' && match.field.startsWith('th '));
}

function isIcmp(match: Match): match is FieldMatch {
  return match.kind === 'field' && match.field.startsWith('icmp ');
}

type Physdev = Extract<Match, { kind: 'physdev' | 'physdev-is' }>;

/** In one match: OUTPUT takes `--physdev-out` only where `--physdev-is-bridged` stands beside it (xt_physdev.c). */
function physdevWords(matches: readonly Physdev[]): readonly Word[] {
  if (matches.length === 0) return [];
  const options = matches.map(physdevOption);
  assert(new Set(options).size === options.length, `the same option twice: ${options.join(' ')}`);
  return ['-m', 'physdev', ...matches.flatMap((match) => [...not(match), physdevOption(match), ...physdevName(match)])];
}

function physdevOption(match: Physdev): string {
  return match.kind === 'physdev' ? `--physdev-${match.end}` : `--physdev-is-${match.what}`;
}

function physdevName(match: Physdev): readonly Word[] {
  return match.kind === 'physdev' ? [interfaceValue(match.name)] : [];
}

/** Single ports and flags go into `-m tcp` or `-m udp`, lists of ports into `-m multiport`. */
function transportWords(matches: readonly Transport[], protocol: number): readonly Word[] {
  if (matches.length === 0) return [];
  assert(portProtocols.includes(protocol), 'ports and flags need a protocol that has them (-p)');
  const own = protocol === 6 ? 'tcp' : protocol === 17 ? 'udp' : undefined;
  const inOwn = matches.filter(
    (match) => own !== undefined && (match.kind === 'tcp-flags' || portsOf(match).length === 1),
  );
  const lists = matches.filter((match) => !inOwn.includes(match));
  const words = inOwn.map(ownWords);
  assert(new Set(words.map((word) => word.find(isLong))).size === words.length, 'the same option twice in one match');
  assert(own === 'tcp' || !matches.some(({ kind }) => kind === 'tcp-flags'), 'flags need -p tcp');
  return [
    ...(own !== undefined && words.length > 0 ? ['-m', own, ...words.flat()] : []),
    ...lists.flatMap(multiportWords),
  ];
}

function isLong(word: Word): boolean {
  return typeof word === 'string' && word.startsWith('--');
}

function portsOf(match: FieldMatch): readonly NumberRange[] {
  return canonicalValues(match.values).map((range) => onlyRange({ ...match, values: [range] }, 0xffffn));
}

function ownWords(match: Transport): readonly Word[] {
  if (match.kind === 'tcp-flags') {
    return [...not(match), '--tcp-flags', value(flagList(match.mask)), value(flagList(match.flags))];
  }
  const range = onlyRange(match, 0xffffn);
  // iptables-nft loads `! --dport 0:65535` as a rule that matches everything
  assert(!match.negated || range.last - range.first < 0xffffn, 'no packet has no port');
  return [...not(match), `--${match.field.slice(3)}`, value(printPorts(range))];
}

function flagList(flags: TcpFlagsMatch['mask']): string {
  assert(!flags.includes('ecn') && !flags.includes('cwr'), 'iptables knows neither ECE nor CWR');
  return (
    tcpFlags
      .filter((flag) => flags.includes(flag))
      .join(',')
      .toUpperCase() || 'NONE'
  );
}

function printPorts({ first, last }: NumberRange): string {
  return first === last ? `${first}` : `${first}:${last}`;
}

/** xt_multiport has room for 15 ports, and a range takes two of them. */
function multiportWords(match: Transport): readonly Word[] {
  assert(match.kind === 'field');
  const ranges = portsOf(match);
  const room = ranges.reduce((sum, { first, last }) => sum + (first === last ? 1 : 2), 0);
  assert(room > 0 && room <= 15, `a list of ${room} ports does not fit into one iptables rule`);
  return ['-m', 'multiport', ...not(match), `--${match.field.slice(3)}s`, value(ranges.map(printPorts).join(','))];
}

/** One option for type and code; a code without its type, and a pair that is negated in parts, cannot be said. */
function icmpWords(matches: readonly FieldMatch[], protocol: number): readonly Word[] {
  const [type, ...moreTypes] = matches.filter(({ field }) => field === 'icmp type');
  const [code, ...moreCodes] = matches.filter(({ field }) => field === 'icmp code');
  if (type === undefined && code === undefined) return [];
  assert(protocol === 1, 'ICMP types need -p icmp');
  assert(type !== undefined && moreTypes.length + moreCodes.length === 0, 'iptables asks for one ICMP type in a rule');
  assert(code === undefined || !(type.negated || code.negated), 'iptables negates ICMP type and code only together');
  const number = onlyNumber(type);
  assert(number !== 255, 'iptables takes ICMP type 255 for all of them');
  const typeAndCode = code === undefined ? `${number}` : `${number}/${onlyNumber(code)}`;
  return ['-m', 'icmp', ...not(type), '--icmp-type', value(typeAndCode)];
}

function singleWords(match: Match): readonly Word[] {
  switch (match.kind) {
    case 'field':
      return fieldWords(match);
    case 'ct-state':
      assert(match.states.length > 0, 'no state to ask for');
      return ['-m', 'conntrack', ...not(match), '--ctstate', value(stateList(match.states))];
    case 'opaque':
      return opaqueWords(match.text);
    case 'lookup':
      return assert.fail(`iptables has no sets: ${match.set}`);
    case 'limit':
    case 'tcp-flags':
    case 'physdev':
    case 'physdev-is':
      return assert.fail(`${match.kind} is printed elsewhere`);
    default:
      return unreachable(match);
  }
}

function stateList(states: readonly string[]): string {
  return ctStates
    .filter((state) => states.includes(state))
    .join(',')
    .toUpperCase();
}

function fieldWords(match: FieldMatch): readonly Word[] {
  switch (match.field) {
    case 'ip saddr':
      return ['-m', 'iprange', ...not(match), '--src-range', value(printAddresses(match))];
    case 'ip daddr':
      return ['-m', 'iprange', ...not(match), '--dst-range', value(printAddresses(match))];
    case 'ether saddr':
      return ['-m', 'mac', ...not(match), '--mac-source', value(printMac(onlyNumber(match, 0xffff_ffff_ffffn)))];
    case 'meta mark':
      return ['-m', 'mark', ...not(match), '--mark', value(`0x${onlyNumber(match, 0xffff_ffffn).toString(16)}`)];
    default:
      return assert.fail(`iptables cannot ask for ${match.field}`);
  }
}

function printAddresses(match: FieldMatch): string {
  const { first, last } = ipRangeOf(match);
  return `${printIp({ family: 4, bits: first })}-${printIp({ family: 4, bits: last })}`;
}

/** xt_limit keeps burst times period in 32 bits and refuses more ("Overflow"). */
export function limitWords(limit: LimitMatch): readonly Word[] {
  const { packets, per, burst } = limit;
  const period = periodOf(limit);
  assert(Number.isInteger(packets) && period > 0, `not a rate for iptables: ${packets}/${per}`);
  assert(Number.isInteger(burst) && burst > 0 && burst <= 10_000 && burst * period < 2 ** 32, `not a burst: ${burst}`);
  return ['-m', 'limit', '--limit', value(`${packets}/${unitNames[per]}`), '--limit-burst', value(`${burst}`)];
}

/** Foreign words, as a listing had them: options stay options, everything else is a value. */
export function opaqueWords(text: string): readonly Word[] {
  const words = isOneLine(text) ? splitSaved(text) : undefined;
  assert(words !== undefined && words.length > 0, `cannot be printed for iptables: ${JSON.stringify(text)}`);
  return words.map(({ text: word, quoted }) => (!quoted && /^(?:-{1,2}[a-z]|!$)/.test(word) ? word : value(word)));
}
