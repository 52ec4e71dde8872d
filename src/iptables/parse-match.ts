// One match extension of iptables-save (`-m name` and its options) -> matches of the model.
import { exactly, type Field, type NumberRange } from '../model/field.ts';
import { parseIp } from '../model/ip.ts';
import { parseMac } from '../model/mac.ts';
import { type CtState, type FieldMatch, field, type LimitMatch, type Match, type TcpFlag } from '../model/match.ts';
import { ctStates, isInterfacePattern, tcpFlags } from '../model/symbols.ts';

/** An option with its values; `negated` by the `!` before it. */
export type Option = { readonly name: string; readonly negated: boolean; readonly values: readonly string[] };

/** The options of each extension that we know, with the number of their values. */
export const extensions: ReadonlyMap<string, ReadonlyMap<string, number>> = new Map(
  Object.entries({
    physdev: {
      '--physdev-in': 1,
      '--physdev-out': 1,
      '--physdev-is-in': 0,
      '--physdev-is-out': 0,
      '--physdev-is-bridged': 0,
    },
    tcp: { '--sport': 1, '--dport': 1, '--tcp-flags': 2 },
    udp: { '--sport': 1, '--dport': 1 },
    icmp: { '--icmp-type': 1 },
    multiport: { '--sports': 1, '--dports': 1 },
    iprange: { '--src-range': 1, '--dst-range': 1 },
    mac: { '--mac-source': 1 },
    mark: { '--mark': 1 },
    conntrack: { '--ctstate': 1 },
    state: { '--state': 1 },
    limit: { '--limit': 1, '--limit-burst': 1 },
    comment: { '--comment': 1 },
  }).map(([name, options]) => [name, new Map(Object.entries(options))]),
);

/** Undefined when a value is none of ours: then the extension as a whole is opaque. */
export function matchesOf(extension: string, options: readonly Option[]): readonly Match[] | undefined {
  if (extension === 'limit') return limitOf(options);
  // a bare `-m tcp` still asks for a header of its protocol, as a port range that holds every port does
  if (options.length === 0) return ['tcp', 'udp'].includes(extension) ? [field('th dport', allPorts)] : undefined;
  const matches = options.map(matchOf);
  return matches.every((match) => match !== undefined) ? matches.flat() : undefined;
}

const allPorts: NumberRange = { first: 0n, last: 0xffffn };

function matchOf({ name, negated, values: [text = '', more = ''] }: Option): readonly Match[] | undefined {
  switch (name) {
    case '--physdev-in':
    case '--physdev-out':
      return physdevOf(name === '--physdev-in' ? 'in' : 'out', negated, text);
    case '--physdev-is-in':
      return [{ kind: 'physdev-is', what: 'in', negated }];
    case '--physdev-is-out':
      return [{ kind: 'physdev-is', what: 'out', negated }];
    case '--physdev-is-bridged':
      return [{ kind: 'physdev-is', what: 'bridged', negated }];
    case '--sport':
    case '--sports':
      return fieldOf('th sport', negated, portsOf(text));
    case '--dport':
    case '--dports':
      return fieldOf('th dport', negated, portsOf(text));
    case '--tcp-flags':
      return tcpFlagsOf(negated, flagsOf(text), flagsOf(more));
    case '--icmp-type':
      return icmpOf(negated, text);
    case '--src-range':
      return fieldOf('ip saddr', negated, addressesOf(text));
    case '--dst-range':
      return fieldOf('ip daddr', negated, addressesOf(text));
    case '--mac-source':
      return fieldOf('ether saddr', negated, one(parseMac(text)));
    case '--mark':
      return fieldOf('meta mark', negated, one(numberOf(text.replace(/\/0xffffffff$/, ''), 0xffff_ffff)));
    case '--ctstate':
    case '--state':
      return statesOf(negated, text);
    default:
      return undefined;
  }
}

function fieldOf(
  name: Field,
  negated: boolean,
  values: readonly NumberRange[] | undefined,
): readonly FieldMatch[] | undefined {
  return values === undefined ? undefined : [{ kind: 'field', field: name, negated, values }];
}

function one(number: number | undefined): readonly NumberRange[] | undefined {
  return number === undefined ? undefined : [exactly(number)];
}

/** Decimal or hexadecimal, as both tools write numbers. */
export function numberOf(text: string, largest: number): number | undefined {
  const number = /^(?:\d{1,10}|0x[0-9a-fA-F]{1,8})$/.test(text) ? Number(text) : undefined;
  return number !== undefined && number <= largest ? number : undefined;
}

/** `vk+` for every name that begins so. */
export function interfaceOf(text: string): string | undefined {
  const name = text.replace(/\+$/, '*');
  return isInterfacePattern(name) && !text.endsWith('*') ? name : undefined;
}

function physdevOf(end: 'in' | 'out', negated: boolean, text: string): readonly Match[] | undefined {
  const name = interfaceOf(text);
  return name === undefined ? undefined : [{ kind: 'physdev', end, negated, name }];
}

/** `80`, `80:90`, or a list of these. */
function portsOf(text: string): readonly NumberRange[] | undefined {
  const ranges = text.split(',').map((part) => {
    const [first, last = first] = part.split(':').map((port) => numberOf(port, 0xffff));
    return first === undefined || last === undefined || first > last
      ? undefined
      : { first: BigInt(first), last: BigInt(last) };
  });
  return ranges.every((range) => range !== undefined) ? ranges : undefined;
}

function addressesOf(text: string): readonly NumberRange[] | undefined {
  const [first, last] = text.split('-').map(parseIp);
  if (first?.family !== 4 || last?.family !== 4 || first.bits > last.bits) return undefined;
  return [{ first: first.bits, last: last.bits }];
}

/** `8`, `8/0` or `any`; the negation of type and code together is no two negations. */
function icmpOf(negated: boolean, text: string): readonly Match[] | undefined {
  if (text === 'any') return negated ? undefined : [];
  const [type, code, ...more] = text.split('/').map((part) => numberOf(part, 255));
  if (type === undefined || type === 255 || more.length > 0) return undefined;
  const asked: FieldMatch = { ...field('icmp type', exactly(type)), negated };
  if (!text.includes('/')) return [asked];
  return code === undefined || negated ? undefined : [asked, field('icmp code', exactly(code))];
}

function tcpFlagsOf(
  negated: boolean,
  mask: readonly TcpFlag[] | undefined,
  flags: readonly TcpFlag[] | undefined,
): readonly Match[] | undefined {
  if (mask === undefined || flags === undefined || mask.length === 0) return undefined;
  return [{ kind: 'tcp-flags', negated, mask, flags }];
}

const sixFlags: readonly TcpFlag[] = tcpFlags.slice(0, 6);

function flagsOf(text: string): readonly TcpFlag[] | undefined {
  if (text === 'NONE') return [];
  if (text === 'ALL') return sixFlags;
  const flags = text.split(',').map((name) => sixFlags.find((flag) => flag.toUpperCase() === name));
  return flags.every((flag) => flag !== undefined) ? flags : undefined;
}

/** SNAT and DNAT are states of iptables' own and make the match opaque. */
function statesOf(negated: boolean, text: string): readonly Match[] | undefined {
  const states = text
    .split(',')
    .map((name) => ctStates.find((state): state is CtState => state.toUpperCase() === name));
  return states.every((state) => state !== undefined) ? [{ kind: 'ct-state', negated, states }] : undefined;
}

const units: ReadonlyMap<string, LimitMatch['per']> = new Map([
  ['sec', 'second'],
  ['second', 'second'],
  ['min', 'minute'],
  ['minute', 'minute'],
  ['hour', 'hour'],
  ['day', 'day'],
]);

/** libxt_limit.c: a burst of 5 is not listed. */
function limitOf(options: readonly Option[]): readonly LimitMatch[] | undefined {
  const given = (name: string) => options.find((option) => option.name === name)?.values[0];
  const [rate = '', unit = ''] = given('--limit')?.split('/') ?? [];
  const packets = numberOf(rate, 10_000 * 86_400);
  const per = units.get(unit);
  const burst = numberOf(given('--limit-burst') ?? '5', 10_000);
  if (!packets || per === undefined || !burst || options.some(({ negated }) => negated)) return undefined;
  return [{ kind: 'limit', packets, per, burst }];
}
