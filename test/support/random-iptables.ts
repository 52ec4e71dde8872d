// Random trees that iptables can say: for the tests that print, load and read them back.
import fc from 'fast-check';
import { exactly, type Field, type Value } from '../../src/model/field.ts';
import { field, type Match } from '../../src/model/match.ts';
import type { Chain, Expression, Ruleset, Statement } from '../../src/model/ruleset.ts';
import { tcpFlags } from '../../src/model/symbols.ts';
import {
  counter,
  ctState,
  exact,
  limit,
  log,
  namePattern,
  plain,
  ruleOf,
  span,
  tcpFlagsOf,
  verdict,
} from './random-parts.ts';

const prefix4 = span(32).filter(({ first, last }) => first !== 0n || last !== 0xffff_ffffn);

function single(name: Field, value: fc.Arbitrary<Value>): fc.Arbitrary<Match> {
  return fc
    .tuple(value, fc.boolean())
    .map(([one, negated]): Match => ({ kind: 'field', field: name, negated, values: [one] }));
}

function sometimes<T>(value: fc.Arbitrary<T>): fc.Arbitrary<readonly T[]> {
  return fc.option(value).map((one) => (one === null ? [] : [one]));
}

const portRange = span(16).filter(({ first, last }) => first !== 0n || last !== 0xffffn);

function portMatch(name: Field): fc.Arbitrary<Match> {
  const list = fc.array(portRange, { minLength: 1, maxLength: 5 });
  return fc
    .tuple(list, fc.boolean())
    .map(([values, negated]): Match => ({ kind: 'field', field: name, negated, values }))
    .filter(isNarrow);
}

/** Joined, the ranges may hold every port, which the printer refuses when it is negated. */
function isNarrow(match: Match): boolean {
  return (
    match.kind !== 'field' ||
    !match.values.some((value) => typeof value !== 'string' && value.last - value.first > 0x4000n)
  );
}

const sixFlags = tcpFlags.slice(0, 6);

const transport: fc.Arbitrary<readonly Match[]> = fc.oneof(
  fc.constant([]),
  single('meta l4proto', fc.integer({ min: 1, max: 255 }).map(exactly)).map((match) => [match]),
  fc
    .tuple(sometimes(portMatch('th sport')), sometimes(portMatch('th dport')), sometimes(tcpFlagsOf(sixFlags)))
    .map(([sport, dport, some]): readonly Match[] => [...sport, field('meta l4proto', exactly(6)), ...dport, ...some]),
  fc
    .tuple(fc.constantFrom(17, 132), sometimes(portMatch('th sport')), sometimes(portMatch('th dport')))
    .map(([protocol, sport, dport]): readonly Match[] => [
      field('meta l4proto', exactly(protocol)),
      ...sport,
      ...dport,
    ]),
  single('icmp type', fc.integer({ min: 0, max: 254 }).map(exactly)).map((match): readonly Match[] => [
    match,
    field('meta l4proto', exactly(1)),
  ]),
  fc
    .tuple(fc.integer({ min: 0, max: 254 }), fc.integer({ min: 0, max: 255 }))
    .map(([type, code]): readonly Match[] => [
      field('meta l4proto', exactly(1)),
      field('icmp code', exactly(code)),
      field('icmp type', exactly(type)),
    ]),
);

const physdev: fc.Arbitrary<Match> = plain({
  kind: fc.constant('physdev'),
  end: fc.constantFrom('in', 'out'),
  negated: fc.boolean(),
  name: namePattern,
});

const physdevIs: fc.Arbitrary<Match> = plain({
  kind: fc.constant('physdev-is'),
  what: fc.constantFrom('in', 'out', 'bridged'),
  negated: fc.boolean(),
});

const physdevs = fc.uniqueArray(fc.oneof(physdev, physdevIs), {
  maxLength: 3,
  selector: (match) => (match.kind === 'physdev' ? match.end : match.kind === 'physdev-is' ? `is ${match.what}` : ''),
});

const iptablesMatches: fc.Arbitrary<readonly Match[]> = fc
  .tuple(
    fc.array(fc.oneof(single('ip saddr', prefix4), single('ip daddr', prefix4)), { maxLength: 3 }),
    sometimes(single('iifname', namePattern)),
    sometimes(single('oifname', namePattern)),
    transport,
    physdevs,
    fc.array(fc.oneof(ctState, single('ether saddr', exact(48)), single('meta mark', exact(32))), { maxLength: 3 }),
  )
  .chain((parts) => fc.shuffledSubarray(parts.flat(), { minLength: parts.flat().length }));

const iptablesTarget: fc.Arbitrary<Statement> = fc.oneof(
  verdict(true).map((one): Statement => ({ kind: 'verdict', verdict: one })),
  log,
);

const iptablesBody: fc.Arbitrary<readonly Expression[]> = fc
  .tuple(iptablesMatches, sometimes(limit), sometimes(fc.constant(counter)), sometimes(iptablesTarget))
  .map((parts) => parts.flat());

export const iptablesRuleset: fc.Arbitrary<Ruleset> = fc
  .tuple(fc.array(ruleOf(iptablesBody), { maxLength: 8 }), fc.constantFrom<'accept' | 'drop'>('accept', 'drop'))
  .map(([rules, policy]) => {
    const chains: readonly Chain[] = [
      { name: 'other_1', rules: [] },
      { name: 'FORWARD', base: { type: 'filter', hook: 'forward', priority: 0, policy }, rules },
      { name: 'other-2.x', rules: [{ body: [counter] }] },
    ];
    return { backend: 'iptables', tables: [{ family: 'ip', name: 'filter', sets: [], maps: [], chains }] };
  });
