// Matches and statements -> the words of one nft rule, so that the rule means what the tree says and no more.
import assert from 'node:assert/strict';
import { canonicalValues, isMatch } from '../model/canonical-match.ts';
import { exactly, type Field, type FieldType, fieldTypes, type NumberRange, type Value } from '../model/field.ts';
import {
  type CtState,
  type FieldMatch,
  field,
  type LimitMatch,
  type Match,
  type TcpFlagsMatch,
} from '../model/match.ts';
import type { Expression, Statement, TableFamily, Verdict } from '../model/ruleset.ts';
import { ctStates, logLevels, portProtocols, tcpFlags } from '../model/symbols.ts';
import { unreachable } from '../model/unreachable.ts';
import { etherTypeOf, fieldsOf, onlyValue, protocolOf, readsPorts } from './layers.ts';
import { printName, printOpaque, printPrefix } from './names.ts';
import { printValue } from './values.ts';

export function printBody(body: readonly Expression[], family: TableFamily): string {
  assert(body.length > 0, 'nft has no rule without an expression');
  assertPorts(body);
  assertEffectsLast(body);
  const negated = body.filter(isNegatedHeader).length;
  return withGuards(body, family)
    .map((one) => (negated > 1 && isNegatedHeader(one) ? printSpread(one) : printExpression(one)))
    .join(' ');
}

/** One value of a packet's header that must not be: what nft loads as a payload and a comparison. */
function isNegatedHeader(expression: Expression): expression is FieldMatch {
  if (expression.kind !== 'field' || !expression.negated) return false;
  return !/^(?:[io]ifname|meta .*)$/.test(expression.field) && canonicalValues(expression.values).length === 1;
}

/**
 * nft 1.0.6 joins neighbouring fields also when both are negated: `th sport != 1 th dport != 2` is loaded as 'not
 * both', and listed as if it were 'neither'. Ranges are not joined, so a range of one value keeps the meaning.
 */
function printSpread({ field: name, values }: FieldMatch): string {
  const type = fieldTypes[name];
  const [value] = canonicalValues(values);
  assert(value !== undefined && typeof value !== 'string');
  const ends = [value.first, value.last].map((end) => printNumeric(type, exactly(end)));
  return `${name} != ${ends.join('-')}`;
}

/** nft reads no range of names. */
function printNumeric(type: FieldType, value: NumberRange): string {
  const named = ['ether_type', 'arp_op', 'inet_proto', 'icmp_type'].includes(type);
  return named ? `${value.first}` : printValue(type, value);
}

/**
 * In the bridge family nft reads `ip saddr` as 'the inner type is IP', which sees through VLAN tags; for the tree a
 * tagged frame lacks the field. So the outer type is asked for, before the first field that needs it.
 */
export function withGuards(body: readonly Expression[], family: TableFamily): readonly Expression[] {
  if (family !== 'bridge' && family !== 'netdev') return body;
  const asked = new Set<bigint>();
  return body.flatMap((expression) => {
    const type = onlyValue(expression, 'ether type');
    if (type !== undefined) asked.add(type);
    const needed = new Set(fieldsOf(expression).flatMap((name) => etherTypeOf(name) ?? []));
    const missing = [...needed].filter((one) => !asked.has(one));
    for (const one of missing) asked.add(one);
    return [...missing.map((one) => field('ether type', exactly(one))), expression];
  });
}

/**
 * nft 1.0.6 joins neighbouring header fields also across a statement: `ether saddr A counter ether daddr B drop` is
 * loaded with the counter in front, and counts every frame. So nothing is asked after the first effect.
 */
function assertEffectsLast(body: readonly Expression[]): void {
  const first = body.findIndex((expression) => expression.kind === 'limit' || !isMatch(expression));
  const late = first === -1 ? [] : body.slice(first).filter((one) => isMatch(one) && one.kind !== 'limit');
  assert(
    late.length === 0,
    `nft may move a match that stands after an effect: ${late.map(({ kind }) => kind).join(', ')}`,
  );
}

/** nft reads ports wherever the transport header begins, ICMP included; for the tree only some protocols have them. */
function assertPorts(body: readonly Expression[]): void {
  let guarded = false;
  for (const expression of body) {
    if (fieldsOf(expression).includes('meta l4proto')) guarded ||= expression.kind !== 'field' || havePorts(expression);
    if (protocolOf(expression) === 6n) guarded = true;
    assert(guarded || !readsPorts(expression), 'ports are asked for before a protocol that has them');
  }
}

function havePorts({ negated, values }: FieldMatch): boolean {
  return !negated && values.every((value) => typeof value !== 'string' && inPortProtocols(value));
}

function inPortProtocols({ first, last }: Exclude<Value, string>): boolean {
  return first === last && portProtocols.includes(Number(first));
}

function printExpression(expression: Expression): string {
  return isMatch(expression) ? printMatch(expression) : printStatement(expression);
}

function printMatch(match: Match): string {
  switch (match.kind) {
    case 'field':
      return `${match.field} ${not(match)}${printValues(match)}`;
    case 'lookup':
      return `${printFields(match.fields)} ${not(match)}@${printName(match.set)}`;
    case 'ct-state':
      return printCtState(match);
    case 'tcp-flags':
      return printTcpFlags(match);
    case 'limit':
      return printLimit(match);
    case 'opaque':
      return printOpaque(match.text);
    case 'physdev':
    case 'physdev-is':
      return assert.fail(`nft has no ${match.kind}; in the bridge family iifname and oifname are the ports`);
    default:
      return unreachable(match);
  }
}

function not({ negated }: { readonly negated: boolean }): string {
  return negated ? '!= ' : '';
}

function printFields(fields: readonly Field[]): string {
  assert(fields.length > 0, 'a look-up without fields');
  return fields.join(' . ');
}

/** One value stands alone, several in an anonymous set, where nft joins ranges that touch: so they are joined here. */
function printValues(match: FieldMatch): string {
  const type = fieldTypes[match.field];
  const values = canonicalValues(match.values);
  assert(values.length > 0, `${match.field}: nft has no empty set in a rule`);
  if (type === 'ifname') assertApart(values);
  const printed = values.map((value) => printValue(type, value));
  return printed.length === 1 ? `${printed[0]}` : `{ ${printed.join(', ')} }`;
}

/**
 * nft 1.0.6 joins neighbours also among names ("vk3*" and "vk4*"), loads the right range, and then cannot list it:
 * `nft -j list ruleset` dies. A named set with `flags interval` has no such fault.
 */
function assertApart(names: readonly Value[]): void {
  const ranges = names.map((name) => nameBytes(`${name}`)).toSorted((a, b) => (a.first < b.first ? -1 : 1));
  for (const [index, { first }] of ranges.entries()) {
    assert(first - 1n !== ranges[index - 1]?.last, `nft cannot list these in one rule, use a set: ${names.join(', ')}`);
  }
}

/** A name as the 16 bytes that nft compares. */
function nameBytes(name: string): { readonly first: bigint; readonly last: bigint } {
  const stem = Buffer.from(name.replace(/\*$/, '')).toString('hex');
  const isPrefix = name.endsWith('*');
  return { first: BigInt(`0x${stem.padEnd(32, '0')}`), last: BigInt(`0x${stem.padEnd(32, isPrefix ? 'f' : '0')}`) };
}

/** A state is one bit: the negation asks for none of them, without a set. */
function printCtState({ states, negated }: Extract<Match, { kind: 'ct-state' }>): string {
  const known: readonly CtState[] = ctStates.filter((state) => states.includes(state));
  assert(known.length > 0, 'ct state without a state');
  return negated ? `ct state & ${bits(known)} == 0x0` : `ct state ${known.join(',')}`;
}

function printTcpFlags({ mask, flags, negated }: TcpFlagsMatch): string {
  assert(mask.length > 0, 'tcp flags without a mask');
  const inOrder = (some: TcpFlagsMatch['mask']) => tcpFlags.filter((flag) => some.includes(flag));
  return `tcp flags & ${bits(inOrder(mask))} ${negated ? '!=' : '=='} ${bits(inOrder(flags))}`;
}

function bits(names: readonly string[]): string {
  if (names.length === 0) return '0x0';
  return names.length === 1 ? `${names[0]}` : `(${names.join(' | ')})`;
}

function printLimit({ packets, per, burst }: LimitMatch): string {
  for (const number of [packets, burst]) {
    assert(
      Number.isInteger(number) && number > 0 && number < 2 ** 32,
      `not a limit: ${packets}/${per}, burst ${burst}`,
    );
  }
  return `limit rate ${packets}/${per} burst ${burst} packets`;
}

function printStatement(statement: Statement): string {
  switch (statement.kind) {
    case 'log':
      return printLog(statement);
    case 'counter':
      return 'counter';
    case 'verdict':
      return printVerdict(statement.verdict);
    case 'vmap':
      return `${printFields(statement.fields)} vmap @${printName(statement.map)}`;
    case 'opaque-statement':
      return printOpaque(statement.text);
    default:
      return unreachable(statement);
  }
}

function printLog({ prefix, level }: Extract<Statement, { kind: 'log' }>): string {
  const name = logLevels[level];
  assert(name !== undefined, `not a log level: ${level}`);
  return prefix === '' ? `log level ${name}` : `log prefix ${printPrefix(prefix)} level ${name}`;
}

export function printVerdict(verdict: Verdict): string {
  switch (verdict.kind) {
    case 'jump':
    case 'goto':
      return `${verdict.kind} ${printName(verdict.chain)}`;
    case 'reject':
      return printReject(verdict.with);
    case 'accept':
    case 'drop':
    case 'return':
      return verdict.kind;
    default:
      return unreachable(verdict);
  }
}

/** `tcp reset`, or a kind of ICMP and its code's name: `icmp host-unreachable`. */
function printReject(answer: string | undefined): string {
  if (answer === undefined) return 'reject';
  const [, kind, code] = /^(icmp|icmpv6|icmpx) ([a-z-]+)$/.exec(answer) ?? [];
  assert(kind !== undefined || answer === 'tcp reset', `nothing to reject with: ${JSON.stringify(answer)}`);
  return kind === undefined ? 'reject with tcp reset' : `reject with ${kind} type ${code}`;
}
