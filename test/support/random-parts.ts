// What random trees of both back ends are made of.
import fc from 'fast-check';
import {
  exactly,
  type Field,
  type FieldType,
  fieldTypes,
  type NumberRange,
  type Value,
} from '../../src/model/field.ts';
import type { FieldMatch, Match } from '../../src/model/match.ts';
import type { Expression, KernelRule, Statement, Verdict } from '../../src/model/ruleset.ts';
import { ctStates, type tcpFlags } from '../../src/model/symbols.ts';

/** Records with an ordinary prototype, so that deepEqual compares them with ours. */
export function plain<T extends object>(model: { readonly [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record<T>(model as { [K in keyof T]: fc.Arbitrary<T[K]> }, { noNullPrototype: true });
}

export const interfaceName = fc.oneof(
  fc.constantFrom('vk63', 'vk42', 'vethb-1', 'br0.100', 'abcdefghijklmno', '-x', 'a', 'lo', '0'),
  fc.stringMatching(/^[A-Za-z0-9_.-]{1,15}$/),
);

/** No name can be the next after these: nft cannot list neighbours in one rule. */
export const namePattern = fc.oneof(
  { weight: 3, arbitrary: interfaceName },
  { weight: 1, arbitrary: fc.constantFrom('v_*', 'vk6_*', 'z*', 'abcdefghijklmn_*') },
);

const widths: Readonly<Record<Exclude<FieldType, 'ifname'>, number>> = {
  ether_addr: 48,
  ipv4_addr: 32,
  ipv6_addr: 128,
  ether_type: 16,
  arp_op: 16,
  inet_proto: 8,
  inet_service: 16,
  icmp_type: 8,
  icmp_code: 8,
  mark: 32,
};

function number(bits: number): fc.Arbitrary<bigint> {
  const last = (1n << BigInt(bits)) - 1n;
  return fc.oneof(fc.bigInt(0n, last), fc.bigInt(0n, 20n), fc.constantFrom(0n, 1n, last));
}

export function exact(bits: number): fc.Arbitrary<NumberRange> {
  return number(bits).map(exactly);
}

export function span(bits: number): fc.Arbitrary<NumberRange> {
  const ends = fc.tuple(number(bits), number(bits));
  const prefix = fc.tuple(number(bits), fc.integer({ min: 0, max: bits })).map(([base, host]) => {
    const first = (base >> BigInt(host)) << BigInt(host);
    return { first, last: first + (1n << BigInt(host)) - 1n };
  });
  return fc.oneof(
    ends.map(([a, b]) => (a < b ? { first: a, last: b } : { first: b, last: a })),
    prefix,
    exact(bits),
  );
}

function someValue(type: FieldType): fc.Arbitrary<Value> {
  return type === 'ifname' ? namePattern : span(widths[type]);
}

export function exactValue(type: FieldType): fc.Arbitrary<Value> {
  return type === 'ifname' ? interfaceName : exact(widths[type]);
}

const comment = fc
  .string({ unit: 'grapheme', minLength: 0, maxLength: 30 })
  .filter((text) => !/["\p{Cc}]/u.test(text) && text.isWellFormed() && Buffer.byteLength(text) <= 128);

const prefix = fc.stringMatching(/^[ !#%-~]{0,29}$/);

export const log: fc.Arbitrary<Statement> = plain({
  kind: fc.constant('log'),
  prefix,
  level: fc.integer({ min: 0, max: 7 }),
});

export const limit: fc.Arbitrary<Match> = plain({
  kind: fc.constant('limit'),
  packets: fc.integer({ min: 1, max: 10_000 }),
  per: fc.constantFrom('second', 'minute'),
  burst: fc.integer({ min: 1, max: 500 }),
});

export const counter: Statement = { kind: 'counter' };

export const ctState: fc.Arbitrary<Match> = plain({
  kind: fc.constant('ct-state'),
  negated: fc.boolean(),
  states: fc.subarray([...ctStates], { minLength: 1 }),
});

export function tcpFlagsOf(known: typeof tcpFlags): fc.Arbitrary<Match> {
  return plain({
    kind: fc.constant('tcp-flags'),
    negated: fc.boolean(),
    mask: fc.subarray([...known], { minLength: 1 }),
    flags: fc.subarray([...known]),
  });
}

export function verdict(reject: boolean): fc.Arbitrary<Verdict> {
  return fc.oneof(
    fc.constantFrom<Verdict>({ kind: 'accept' }, { kind: 'drop' }, { kind: 'return' }),
    fc.constantFrom<Verdict>({ kind: 'jump', chain: 'other_1' }, { kind: 'goto', chain: 'other-2.x' }),
    ...(reject
      ? [
          fc.constantFrom<Verdict>(
            { kind: 'reject' },
            { kind: 'reject', with: 'icmp host-unreachable' },
            { kind: 'reject', with: 'icmp port-unreachable' },
          ),
        ]
      : []),
  );
}

export function fieldMatch(name: Field, maxValues: number): fc.Arbitrary<FieldMatch> {
  return plain({
    kind: fc.constant('field'),
    field: fc.constant(name),
    negated: fc.boolean(),
    values: fc.array(someValue(fieldTypes[name]), { minLength: 1, maxLength: maxValues }),
  });
}

export function ruleOf(body: fc.Arbitrary<readonly Expression[]>): fc.Arbitrary<KernelRule> {
  return fc
    .tuple(body, fc.option(comment))
    .map(([its, said]) => (said === null ? { body: its } : { body: its, comment: said }));
}
