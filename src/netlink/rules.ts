// A rule of the tree -> the expressions that the kernel runs, as nft makes them of its text (Linux include/uapi/linux/netfilter/nf_tables.h).
// It knows what the rules of single guests are made of; for everything else there is nft.
import { canonicalValues } from '../model/canonical-match.ts';
import { type Field, fieldTypes, type NumberRange } from '../model/field.ts';
import type { CtStateMatch, FieldMatch, LookupMatch, TcpFlagsMatch } from '../model/match.ts';
import type { Expression, KernelRule, Statement, TableFamily } from '../model/ruleset.ts';
import { tcpFlags } from '../model/symbols.ts';
import { unreachable } from '../model/unreachable.ts';
import { etherTypeOf, fieldsOf, onlyValue, protocolOf } from '../nft/layers.ts';
import { withGuards } from '../nft/print-expression.ts';
import {
  compare,
  counter,
  immediate,
  inSet,
  limit,
  loadCtState,
  loadMeta,
  loadPayload,
  log,
  register,
  underMask,
} from './expressions.ts';
import { type Attribute, concatenated, encodeText, hostOrder } from './message.ts';
import { encodeNumber, encodeValue, widths } from './values.ts';

/** NFTA_RULE_ */
const rule = { expressions: 4, userData: 7 } as const;

/** The attributes of its expressions and of its comment. Undefined when that takes nft. */
export function encodeRule({ body, comment }: KernelRule, family: TableFamily): readonly Attribute[] | undefined {
  const guarded = withGuards(body, family);
  if (!guarded.every((one, at) => hasItsLayer(one, guarded.slice(0, at), family))) return undefined;
  const encoded = guarded.map(encodeExpression);
  if (!encoded.every((one) => one !== undefined)) return undefined;
  return [
    { type: rule.expressions, value: encoded.flat() },
    ...(comment === undefined ? [] : [{ type: rule.userData, value: commentOctets(comment) }]),
  ];
}

/** Where nft would put a condition of its own before it. */
function hasItsLayer(expression: Expression, before: readonly Expression[], family: TableFamily): boolean {
  const protocol = protocolOf(expression);
  if (protocol !== undefined && !before.some((one) => onlyValue(one, 'meta l4proto') === protocol)) return false;
  return family === 'bridge' || fieldsOf(expression).every((field) => isOwnLayer(field, family));
}

function isOwnLayer(field: Field, family: TableFamily): boolean {
  if (field.startsWith('ether ')) return false;
  return etherTypeOf(field) === undefined || (family === 'ip' && etherTypeOf(field) === 0x0800n);
}

function encodeExpression(expression: Expression): readonly Attribute[] | undefined {
  switch (expression.kind) {
    case 'field':
      return encodeField(expression);
    case 'lookup':
      return encodeLookup(expression);
    case 'ct-state':
      return encodeCtState(expression);
    case 'tcp-flags':
      return encodeTcpFlags(expression);
    case 'limit':
      return [limit(expression.packets, seconds[expression.per], expression.burst)];
    case 'log':
    case 'counter':
    case 'verdict':
      return encodeStatement(expression);
    // sets without a name, other families' answers, and what others wrote
    case 'vmap':
    case 'opaque':
    case 'opaque-statement':
    case 'physdev':
    case 'physdev-is':
      return undefined;
    default:
      return unreachable(expression);
  }
}

/** One value, or one range. */
function encodeField({ field, negated, values }: FieldMatch): readonly Attribute[] | undefined {
  const [value, ...more] = canonicalValues(values);
  if (value === undefined || more.length > 0) return undefined;
  const type = fieldTypes[field];
  const only = encodeValue(type, value);
  if (only !== undefined) return [load(field), compare(negated ? 'unequal' : 'equal', only)];
  return typeof value === 'string' ? undefined : encodeRange(field, value, negated);
}

function encodeRange(field: Field, { first, last }: NumberRange, negated: boolean): readonly Attribute[] | undefined {
  const type = fieldTypes[field];
  if (type === 'ipv4_addr') {
    const length = prefixLength(first, last);
    if (length !== undefined) return encodePrefix(field, first, length, negated);
  }
  // of a network of these nft makes a mask, too
  if (negated || type === 'mark' || type === 'ipv6_addr') return undefined;
  return [load(field), compare('atLeast', encodeNumber(type, first)), compare('atMost', encodeNumber(type, last))];
}

/** In bits; undefined when the range is no network. */
function prefixLength(first: bigint, last: bigint): number | undefined {
  const inside = first ^ last;
  const isNetwork = (inside & (inside + 1n)) === 0n && (first & inside) === 0n;
  return isNetwork ? 32 - inside.toString(2).length : undefined;
}

/** Whole octets are compared by themselves, others under a mask. */
function encodePrefix(
  field: Field,
  network: bigint,
  length: number,
  negated: boolean,
): readonly Attribute[] | undefined {
  const octets = encodeNumber('ipv4_addr', network);
  const how = negated ? 'unequal' : 'equal';
  if (length === 0) return undefined;
  if (length % 8 === 0) return [load(field, undefined, length / 8), compare(how, octets.subarray(0, length / 8))];
  const mask = encodeNumber('ipv4_addr', (0xffffffffn << BigInt(32 - length)) & 0xffffffffn);
  return [load(field), underMask(mask), compare(how, octets)];
}

function encodeLookup({ fields, negated, set }: LookupMatch): readonly Attribute[] {
  return [...loads(fields), inSet(set, negated)];
}

/** The parts of a concatenation stand one behind the other, each filling up words of four octets. */
function loads(fields: readonly Field[]): readonly Attribute[] {
  let word = 0;
  return fields.map((field) => {
    const loaded = load(field, register(word));
    word += Math.ceil(widths[fieldTypes[field]] / 4);
    return loaded;
  });
}

type Source =
  /** NFT_META_ */
  | { readonly meta: number }
  /** NFT_PAYLOAD_ for the beginning, and octets from there. */
  | { readonly base: 0 | 1 | 2; readonly offset: number };

/** Where the kernel has what a field names. */
const sources: Readonly<Record<Field, Source>> = {
  iifname: { meta: 6 },
  oifname: { meta: 7 },
  'meta mark': { meta: 3 },
  'meta l4proto': { meta: 16 },
  'ether daddr': { base: 0, offset: 0 },
  'ether saddr': { base: 0, offset: 6 },
  'ether type': { base: 0, offset: 12 },
  'arp operation': { base: 1, offset: 6 },
  'arp saddr ether': { base: 1, offset: 8 },
  'arp saddr ip': { base: 1, offset: 14 },
  'arp daddr ether': { base: 1, offset: 18 },
  'arp daddr ip': { base: 1, offset: 24 },
  'ip saddr': { base: 1, offset: 12 },
  'ip daddr': { base: 1, offset: 16 },
  'ip6 saddr': { base: 1, offset: 8 },
  'ip6 daddr': { base: 1, offset: 24 },
  'th sport': { base: 2, offset: 0 },
  'th dport': { base: 2, offset: 2 },
  'icmp type': { base: 2, offset: 0 },
  'icmp code': { base: 2, offset: 1 },
};

function load(field: Field, into?: number, octets = widths[fieldTypes[field]]): Attribute {
  const source = sources[field];
  return 'meta' in source ? loadMeta(source.meta, into) : loadPayload(source.base, source.offset, octets, into);
}

/** A state is one bit, in the order of the machine. */
function encodeCtState({ negated, states }: CtStateMatch): readonly Attribute[] {
  const mask = hostOrder(states.reduce((sum, state) => sum | stateBits[state], 0));
  return [loadCtState(), underMask(mask), compare(negated ? 'equal' : 'unequal', hostOrder(0))];
}

/** NF_CT_STATE_BIT */
const stateBits = { invalid: 1, established: 2, related: 4, new: 8, untracked: 64 } as const;

/** The octet behind the fields that th_off begins (RFC 9293 section 3.1). */
function encodeTcpFlags({ negated, mask, flags }: TcpFlagsMatch): readonly Attribute[] {
  const bits = (some: TcpFlagsMatch['mask']): Uint8Array =>
    Uint8Array.of(some.reduce((sum, flag) => sum | (1 << tcpFlags.indexOf(flag)), 0));
  return [loadPayload(2, 13, 1), underMask(bits(mask)), compare(negated ? 'unequal' : 'equal', bits(flags))];
}

const seconds = { second: 1, minute: 60, hour: 3_600, day: 86_400 } as const;

function encodeStatement(
  statement: Extract<Statement, { kind: 'log' | 'counter' | 'verdict' }>,
): readonly Attribute[] | undefined {
  switch (statement.kind) {
    case 'log':
      return [log(statement.prefix, statement.level)];
    case 'counter':
      return [counter()];
    case 'verdict':
      return statement.verdict.kind === 'reject' ? undefined : [immediate(statement.verdict)];
    default:
      return unreachable(statement);
  }
}

/** As nft keeps a comment: its kind, its length in an octet, and a zero at its end. */
function commentOctets(comment: string): Uint8Array {
  const text = encodeText(comment);
  return concatenated([Uint8Array.of(0, text.length), text]);
}
