// A rule of the tree -> the expressions that the kernel runs, as nft makes them of its text (Linux include/uapi/linux/netfilter/nf_tables.h).
// It knows what the rules of single guests are made of; for everything else there is nft.
import { canonicalValues } from '../model/canonical-match.ts';
import { type Field, fieldTypes, type NumberRange } from '../model/field.ts';
import type { CtStateMatch, FieldMatch, LimitMatch, LookupMatch, TcpFlagsMatch } from '../model/match.ts';
import type { Expression, KernelRule, Statement, TableFamily, Verdict } from '../model/ruleset.ts';
import { tcpFlags } from '../model/symbols.ts';
import { unreachable } from '../model/unreachable.ts';
import { etherTypeOf, fieldsOf, onlyValue, protocolOf } from '../nft/layers.ts';
import { withGuards } from '../nft/print-expression.ts';
import { type Attribute, concatenated, encodeText } from './message.ts';
import { networkOrder } from './nf-tables.ts';
import { encodeNumber, encodeValue, widths } from './values.ts';

/** NFTA_RULE_ */
const rule = { expressions: 4, userData: 7 } as const;
/** NFTA_LIST_ELEM, NFTA_EXPR_ */
const listed = 1;
const named = { name: 1, data: 2 } as const;
/** NFTA_DATA_, NFTA_VERDICT_ */
const data = { value: 1, verdict: 2 } as const;
const verdictPart = { code: 1, chain: 2 } as const;
/** NFT_ and NF_ */
const verdictCode = { drop: 0, accept: 1, jump: -3, goto: -4, return: -5 } as const;
/** NFT_CMP_ */
const comparison = { equal: 0, unequal: 1, atMost: 3, atLeast: 5 } as const;

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
      return [encodeLimit(expression)];
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

function expressionOf(name: string, attributes: readonly Attribute[]): Attribute {
  return {
    type: listed,
    value: [
      { type: named.name, value: encodeText(name) },
      { type: named.data, value: attributes },
    ],
  };
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
  if (negated || type === 'mark') return undefined;
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
  if (length % 8 === 0) return [load(field, 1, length / 8), compare(how, octets.subarray(0, length / 8))];
  const mask = encodeNumber('ipv4_addr', (0xffffffffn << BigInt(32 - length)) & 0xffffffffn);
  return [load(field), underMask(mask), compare(how, octets)];
}

function encodeLookup({ fields, negated, set }: LookupMatch): readonly Attribute[] {
  return [
    ...loads(fields),
    expressionOf('lookup', [
      { type: 2, value: networkOrder(firstRegister) },
      { type: 1, value: encodeText(set) },
      ...(negated ? [{ type: 5, value: networkOrder(1) }] : []),
    ]),
  ];
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

/** NFT_REG_1, which nft begins with. */
const firstRegister = 1;

/** Registers of 16 octets are counted from 1, those of four from 8; nft names the larger ones where it can. */
function register(word: number): number {
  return word % 4 === 0 ? firstRegister + word / 4 : 8 + word;
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

function load(field: Field, into = firstRegister, octets = widths[fieldTypes[field]]): Attribute {
  const source = sources[field];
  const target = { type: 1, value: networkOrder(into) };
  return 'meta' in source
    ? expressionOf('meta', [{ type: 2, value: networkOrder(source.meta) }, target])
    : payload(source.base, source.offset, octets, into);
}

function payload(base: number, offset: number, octets: number, into = firstRegister): Attribute {
  return expressionOf(
    'payload',
    [into, base, offset, octets].map((value, at) => ({ type: at + 1, value: networkOrder(value) })),
  );
}

function compare(how: keyof typeof comparison, octets: Uint8Array): Attribute {
  return expressionOf('cmp', [
    { type: 1, value: networkOrder(firstRegister) },
    { type: 2, value: networkOrder(comparison[how]) },
    { type: 3, value: dataOf(octets) },
  ]);
}

function underMask(mask: Uint8Array): Attribute {
  return expressionOf('bitwise', [
    { type: 1, value: networkOrder(firstRegister) },
    { type: 2, value: networkOrder(firstRegister) },
    { type: 3, value: networkOrder(mask.length) },
    { type: 4, value: dataOf(mask) },
    { type: 5, value: dataOf(new Uint8Array(mask.length)) },
  ]);
}

/** A state is one bit, in the order of the machine. */
function encodeCtState({ negated, states }: CtStateMatch): readonly Attribute[] {
  const bits = states.reduce((sum, state) => sum | stateBits[state], 0);
  const mask = encodeNumber('mark', BigInt(bits));
  return [
    expressionOf('ct', [
      { type: 2, value: networkOrder(0) },
      { type: 1, value: networkOrder(firstRegister) },
    ]),
    underMask(mask),
    compare(negated ? 'equal' : 'unequal', new Uint8Array(4)),
  ];
}

/** NF_CT_STATE_BIT */
const stateBits = { invalid: 1, established: 2, related: 4, new: 8, untracked: 64 } as const;

/** The octet behind the fields that th_off begins (RFC 9293 section 3.1). */
function encodeTcpFlags({ negated, mask, flags }: TcpFlagsMatch): readonly Attribute[] {
  const bits = (some: TcpFlagsMatch['mask']): Uint8Array =>
    Uint8Array.of(some.reduce((sum, flag) => sum | (1 << tcpFlags.indexOf(flag)), 0));
  return [payload(2, 13, 1), underMask(bits(mask)), compare(negated ? 'unequal' : 'equal', bits(flags))];
}

const seconds = { second: 1, minute: 60, hour: 3_600, day: 86_400 } as const;

function encodeLimit({ packets, per, burst }: LimitMatch): Attribute {
  return expressionOf('limit', [
    { type: 1, value: networkOrder(packets, 8) },
    { type: 2, value: networkOrder(seconds[per], 8) },
    { type: 3, value: networkOrder(burst) },
    // packets, and true while some are left
    { type: 4, value: networkOrder(0) },
    { type: 5, value: networkOrder(0) },
  ]);
}

function encodeStatement(
  statement: Extract<Statement, { kind: 'log' | 'counter' | 'verdict' }>,
): readonly Attribute[] | undefined {
  switch (statement.kind) {
    case 'log': {
      const prefix = statement.prefix === '' ? [] : [{ type: 2, value: encodeText(statement.prefix) }];
      return [expressionOf('log', [...prefix, { type: 5, value: networkOrder(statement.level) }])];
    }
    case 'counter':
      return [
        expressionOf('counter', [
          { type: 1, value: new Uint8Array(8) },
          { type: 2, value: new Uint8Array(8) },
        ]),
      ];
    case 'verdict': {
      if (statement.verdict.kind === 'reject') return undefined;
      const verdict = encodeVerdict(statement.verdict);
      return [
        expressionOf('immediate', [
          { type: 1, value: networkOrder(0) },
          { type: 2, value: verdict },
        ]),
      ];
    }
    default:
      return unreachable(statement);
  }
}

/** @throws RangeError for a reject, which is no verdict of the kernel's */
export function encodeVerdict(verdict: Verdict): readonly Attribute[] {
  if (verdict.kind === 'reject') throw new RangeError('reject is an expression of its own');
  const chain = 'chain' in verdict ? [{ type: verdictPart.chain, value: encodeText(verdict.chain) }] : [];
  const code = { type: verdictPart.code, value: networkOrder(verdictCode[verdict.kind]) };
  return [{ type: data.verdict, value: [code, ...chain] }];
}

export function dataOf(octets: Uint8Array): readonly Attribute[] {
  return [{ type: data.value, value: octets }];
}

/** As nft keeps a comment: its kind, its length in an octet, and a zero at its end. */
function commentOctets(comment: string): Uint8Array {
  const text = encodeText(comment);
  return concatenated([Uint8Array.of(0, text.length), text]);
}
