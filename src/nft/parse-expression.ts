// The words of one nft rule -> matches and statements; what we do not print ourselves is kept as opaque text.
import { type Field, fieldTypes, type Value } from '../model/field.ts';
import type { CtState, LimitMatch, Match, TcpFlag, TcpFlagsMatch } from '../model/match.ts';
import type { Expression, KernelRule, Verdict } from '../model/ruleset.ts';
import { ctStates, isInterfacePattern, logLevels, tcpFlags, warnLevel } from '../model/symbols.ts';
import type { Cursor } from './cursor.ts';
import { parseNumberRange } from './values.ts';

export function readRule(cursor: Cursor): KernelRule {
  const body: Expression[] = [];
  while (!cursor.atLineEnd) {
    if (cursor.take('comment')) {
      const comment = cursor.string('a comment');
      if (!cursor.atLineEnd) cursor.fail('the end of the rule');
      return { body, comment };
    }
    body.push(readExpression(cursor));
  }
  return { body };
}

function readExpression(cursor: Cursor): Expression {
  const fields = fieldHere(cursor);
  if (fields !== undefined && !isSetting(cursor, fields)) return readFields(cursor);
  for (const [words, read] of readers) if (cursor.take(...words.split(' '))) return read(cursor);
  return readOpaque(cursor);
}

const readers: readonly (readonly [words: string, read: (cursor: Cursor) => Expression])[] = [
  ['ct state', readCtState],
  ['tcp flags &', readTcpFlags],
  ['limit rate', readLimit],
  ['log', readLog],
  ['counter', () => ({ kind: 'counter' })],
  ['accept', () => ({ kind: 'verdict', verdict: { kind: 'accept' } })],
  ['drop', () => ({ kind: 'verdict', verdict: { kind: 'drop' } })],
  ['return', () => ({ kind: 'verdict', verdict: { kind: 'return' } })],
  ['jump', (cursor) => ({ kind: 'verdict', verdict: { kind: 'jump', chain: cursor.word('a chain') } })],
  ['goto', (cursor) => ({ kind: 'verdict', verdict: { kind: 'goto', chain: cursor.word('a chain') } })],
  ['reject', (cursor) => ({ kind: 'verdict', verdict: readReject(cursor) })],
];

const fieldWords = (Object.keys(fieldTypes) as Field[]).map((field) => ({ field, words: field.split(' ') }));

function fieldHere(cursor: Cursor): (typeof fieldWords)[number] | undefined {
  return fieldWords.find(({ words }) => cursor.isHere(...words));
}

/** `meta mark set 1` changes the packet; it is no question about it. */
function isSetting(cursor: Cursor, { words }: { readonly words: readonly string[] }): boolean {
  return cursor.peek(words.length).text === 'set';
}

function readFields(cursor: Cursor): Expression {
  const fields = [readField(cursor)];
  while (cursor.take('.')) fields.push(readField(cursor));
  if (cursor.take('vmap', '@')) return { kind: 'vmap', fields, map: cursor.word('the name of a map') };
  const negated = cursor.take('!=');
  if (cursor.take('@')) return { kind: 'lookup', fields, negated, set: cursor.word('the name of a set') };
  const [field, ...more] = fields;
  if (field === undefined || more.length > 0) return cursor.fail("'@'");
  return { kind: 'field', field, negated, values: readValues(cursor, field) };
}

function readField(cursor: Cursor): Field {
  const found = fieldHere(cursor);
  if (found === undefined) return cursor.fail('a field');
  cursor.take(...found.words);
  return found.field;
}

function readValues(cursor: Cursor, field: Field): readonly Value[] {
  const type = fieldTypes[field];
  if (!cursor.take('{')) return [readValue(cursor, type)];
  const values = [readValue(cursor, type)];
  while (cursor.take(',')) values.push(readValue(cursor, type));
  cursor.expect('}');
  return values;
}

export function readValue(cursor: Cursor, type: (typeof fieldTypes)[Field]): Value {
  const { kind, text } = cursor.peek();
  if (type === 'ifname') {
    if (kind === 'string' && isInterfacePattern(text)) return cursor.next().text;
    return cursor.fail('an interface name in quotes');
  }
  const range = kind === 'word' ? parseNumberRange(type, text) : undefined;
  if (range === undefined) return cursor.fail(`a value of type ${type}`);
  cursor.next();
  return range;
}

function readCtState(cursor: Cursor): Match {
  const negated = cursor.take('&');
  const states = negated ? readBits(cursor, ctStates) : readCommaList(cursor);
  if (negated) cursor.expect('==', '0x0');
  return { kind: 'ct-state', negated, states };
}

function readCommaList(cursor: Cursor): readonly CtState[] {
  const states = [readOneOf(cursor, ctStates)];
  while (cursor.take(',')) states.push(readOneOf(cursor, ctStates));
  return states;
}

/** `0x0`, `syn` or `(fin | syn)`. */
function readBits<T extends string>(cursor: Cursor, names: readonly T[]): readonly T[] {
  if (cursor.take('0x0')) return [];
  if (!cursor.take('(')) return [readOneOf(cursor, names)];
  const bits = [readOneOf(cursor, names)];
  while (cursor.take('|')) bits.push(readOneOf(cursor, names));
  cursor.expect(')');
  return bits;
}

function readOneOf<T extends string>(cursor: Cursor, names: readonly T[]): T {
  const found = names.find((name) => cursor.isHere(name));
  if (found === undefined) return cursor.fail(`one of ${names.join(', ')}`);
  cursor.next();
  return found;
}

function readTcpFlags(cursor: Cursor): TcpFlagsMatch {
  const mask: readonly TcpFlag[] = readBits(cursor, tcpFlags);
  const negated = cursor.take('!=');
  if (!negated) cursor.expect('==');
  return { kind: 'tcp-flags', negated, mask, flags: readBits(cursor, tcpFlags) };
}

function readLimit(cursor: Cursor): LimitMatch {
  const [, packets, per] = /^([1-9]\d{0,9})\/(second|minute|hour|day)$/.exec(cursor.peek().text) ?? [];
  if (packets === undefined) return cursor.fail('a rate');
  cursor.next();
  cursor.expect('burst');
  const burst = readInteger(cursor);
  cursor.expect('packets');
  return { kind: 'limit', packets: Number(packets), per: per as LimitMatch['per'], burst };
}

export function readInteger(cursor: Cursor): number {
  if (!/^-?\d{1,10}$/.test(cursor.peek().text)) return cursor.fail('a number');
  return Number(cursor.next().text);
}

function readLog(cursor: Cursor): Expression {
  const prefix = cursor.take('prefix') ? cursor.string('a log prefix') : '';
  const level = cursor.take('level') ? logLevels.indexOf(readOneOf(cursor, logLevels)) : warnLevel;
  return { kind: 'log', prefix, level };
}

function readReject(cursor: Cursor): Verdict {
  if (!cursor.take('with')) return { kind: 'reject' };
  if (cursor.take('tcp', 'reset')) return { kind: 'reject', with: 'tcp reset' };
  const kind = readOneOf(cursor, ['icmp', 'icmpv6', 'icmpx']);
  cursor.expect('type');
  return { kind: 'reject', with: `${kind} ${cursor.word('the name of a code')}` };
}

const statementWords =
  'counter snat dnat masquerade redirect queue notrack quota dup fwd flow tproxy synproxy continue last add update set';
const statementHeads = new RegExp(`^(?:\\S+ \\S+ set|${statementWords.replaceAll(' ', '|')})\\b`);

/** Up to the next thing that we know, or the end of the line. */
function readOpaque(cursor: Cursor): Expression {
  const { from } = cursor.peek();
  const field = fieldHere(cursor);
  let { to } = field === undefined ? cursor.next() : takeAll(cursor, field.words);
  while (!cursor.atLineEnd && !startsKnown(cursor)) ({ to } = cursor.next());
  const text = cursor.source.slice(from, to);
  return statementHeads.test(text) ? { kind: 'opaque-statement', text } : { kind: 'opaque', text };
}

function takeAll(cursor: Cursor, words: readonly string[]): { readonly to: number } {
  const { to } = cursor.peek(words.length - 1);
  cursor.take(...words);
  return { to };
}

function startsKnown(cursor: Cursor): boolean {
  return (
    cursor.isHere('comment') ||
    fieldHere(cursor) !== undefined ||
    readers.some(([words]) => cursor.isHere(...words.split(' ')))
  );
}
