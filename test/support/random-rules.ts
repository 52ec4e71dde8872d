// Random trees that a back end can say: for the tests that print, load and read them back.
import fc from 'fast-check';
import {
  exactly,
  type Field,
  type FieldType,
  fieldTypes,
  type NumberRange,
  type Value,
} from '../../src/model/field.ts';
import { type FieldMatch, field, type Match } from '../../src/model/match.ts';
import type {
  Chain,
  Expression,
  KernelRule,
  NamedSet,
  Ruleset,
  Statement,
  Table,
  TableFamily,
  Verdict,
  VerdictMap,
} from '../../src/model/ruleset.ts';
import { ctStates, tcpFlags } from '../../src/model/symbols.ts';

/** Records with an ordinary prototype, so that deepEqual compares them with ours. */
function plain<T extends object>(model: { readonly [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record<T>(model as { [K in keyof T]: fc.Arbitrary<T[K]> }, { noNullPrototype: true });
}

const interfaceName = fc.oneof(
  fc.constantFrom('vk63', 'vk42', 'vethb-1', 'br0.100', 'abcdefghijklmno', '-x', 'a', 'lo', '0'),
  fc.stringMatching(/^[A-Za-z0-9_.-]{1,15}$/),
);

/** No name can be the next after these: nft cannot list neighbours in one rule. */
const namePattern = fc.oneof(
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

function exact(bits: number): fc.Arbitrary<NumberRange> {
  return number(bits).map(exactly);
}

function span(bits: number): fc.Arbitrary<NumberRange> {
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

function exactValue(type: FieldType): fc.Arbitrary<Value> {
  return type === 'ifname' ? interfaceName : exact(widths[type]);
}

const comment = fc
  .string({ unit: 'grapheme', minLength: 0, maxLength: 30 })
  .filter((text) => !/["\p{Cc}]/u.test(text) && text.isWellFormed() && Buffer.byteLength(text) <= 128);

const prefix = fc.stringMatching(/^[ !#%-~]{0,29}$/);

const log: fc.Arbitrary<Statement> = plain({
  kind: fc.constant('log'),
  prefix,
  level: fc.integer({ min: 0, max: 7 }),
});

const limit: fc.Arbitrary<Match> = plain({
  kind: fc.constant('limit'),
  packets: fc.integer({ min: 1, max: 10_000 }),
  per: fc.constantFrom('second', 'minute'),
  burst: fc.integer({ min: 1, max: 500 }),
});

const counter: Statement = { kind: 'counter' };

export const ctState: fc.Arbitrary<Match> = plain({
  kind: fc.constant('ct-state'),
  negated: fc.boolean(),
  states: fc.subarray([...ctStates], { minLength: 1 }),
});

function tcpFlagsOf(known: typeof tcpFlags): fc.Arbitrary<Match> {
  return plain({
    kind: fc.constant('tcp-flags'),
    negated: fc.boolean(),
    mask: fc.subarray([...known], { minLength: 1 }),
    flags: fc.subarray([...known]),
  });
}

function verdict(reject: boolean): fc.Arbitrary<Verdict> {
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

function fieldMatch(name: Field, maxValues: number): fc.Arbitrary<FieldMatch> {
  return plain({
    kind: fc.constant('field'),
    field: fc.constant(name),
    negated: fc.boolean(),
    values: fc.array(someValue(fieldTypes[name]), { minLength: 1, maxLength: maxValues }),
  });
}

// ---- nft ----

/** Fields that can stand in one rule: nft refuses a rule that asks for two protocols at once. */
type Layers = {
  readonly network: readonly Field[];
  readonly etherType?: number;
  readonly protocol?: readonly number[];
  readonly transport: 'ports' | 'tcp' | 'icmp' | 'none';
};

const ip4Fields: readonly Field[] = ['ip saddr', 'ip daddr'];
const ip6Fields: readonly Field[] = ['ip6 saddr', 'ip6 daddr'];
const arpFields: readonly Field[] = [
  'arp operation',
  'arp saddr ether',
  'arp saddr ip',
  'arp daddr ether',
  'arp daddr ip',
];

function layersOf(family: TableFamily): fc.Arbitrary<Layers> {
  const over4 = fc.constantFrom<Layers>(
    { network: ip4Fields, etherType: 0x800, transport: 'none' },
    { network: ip4Fields, etherType: 0x800, protocol: [6], transport: 'tcp' },
    { network: ip4Fields, etherType: 0x800, protocol: [17], transport: 'ports' },
    { network: ip4Fields, etherType: 0x800, protocol: [132], transport: 'ports' },
    { network: ip4Fields, etherType: 0x800, protocol: [6, 17], transport: 'ports' },
    { network: ip4Fields, etherType: 0x800, protocol: [1], transport: 'icmp' },
    { network: ip4Fields, etherType: 0x800, transport: 'icmp' },
  );
  if (family !== 'bridge') return over4;
  return fc.oneof(
    { weight: 3, arbitrary: over4 },
    fc.constantFrom<Layers>(
      { network: ip6Fields, etherType: 0x86dd, transport: 'none' },
      { network: ip6Fields, etherType: 0x86dd, protocol: [6], transport: 'tcp' },
      { network: arpFields, etherType: 0x806, transport: 'none' },
      { network: [], transport: 'none' },
    ),
  );
}

const portFields: readonly Field[] = ['th sport', 'th dport'];
const icmpFields: readonly Field[] = ['icmp type', 'icmp code'];
const linkFields: readonly Field[] = ['ether saddr', 'ether daddr'];

function nftMatches(family: TableFamily): fc.Arbitrary<readonly Match[]> {
  return layersOf(family).chain((layers) => {
    const free: Field[] = ['iifname', 'oifname', 'meta mark', ...layers.network];
    if (family === 'bridge') free.push(...linkFields);
    const upper = { ports: portFields, tcp: portFields, icmp: icmpFields, none: [] }[layers.transport];
    const lower = fc.array(fc.oneof(...free.map((name) => fieldMatch(name, 3)), ...lookupsOf(layers, family)), {
      maxLength: 4,
    });
    const withTcp = layers.transport === 'tcp' ? [tcpFlagsOf(tcpFlags)] : [];
    const above =
      upper.length === 0
        ? fc.constant([])
        : fc.array(fc.oneof(...upper.map((name) => fieldMatch(name, 3)), ...withTcp), { maxLength: 3 });
    const asked = fc
      .boolean()
      .map((wanted) =>
        wanted && layers.etherType !== undefined && family === 'bridge'
          ? [field('ether type', exactly(layers.etherType))]
          : [],
      );
    const protocol = layers.protocol === undefined ? [] : [field('meta l4proto', ...layers.protocol.map(exactly))];
    const states = family === 'ip' ? fc.array(ctState, { maxLength: 1 }) : fc.constant([]);
    return fc.tuple(asked, lower, above, states, fc.nat()).map(([type, some, more, state, cut]) => {
      const at = some.length === 0 ? 0 : cut % (some.length + 1);
      return [...some.slice(0, at), ...type, ...protocol, ...some.slice(at), ...more, ...state];
    });
  });
}

function lookupsOf(layers: Layers, family: TableFamily): readonly fc.Arbitrary<Match>[] {
  if (layers.etherType !== 0x800) return [];
  const own: readonly Field[] = family === 'bridge' ? ['iifname', 'ether saddr', 'ip saddr'] : ['iifname', 'ip saddr'];
  return [
    fc.boolean().map((negated): Match => ({ kind: 'lookup', negated, fields: own, set: `own_${own.length}` })),
    fc.boolean().map((negated): Match => ({ kind: 'lookup', negated, fields: ['ip daddr'], set: 'nets' })),
  ];
}

/** Effects stand anywhere between the matches, and end what nft joins and hides. */
function nftBody(family: TableFamily): fc.Arbitrary<readonly Expression[]> {
  const effects = fc.array(fc.tuple(fc.oneof(fc.constant(counter), log, limit), fc.nat()), { maxLength: 2 });
  const ends: fc.Arbitrary<readonly Statement[]> = fc.oneof(
    verdict(family === 'ip').map((one): readonly Statement[] => [{ kind: 'verdict', verdict: one }]),
    fc.constant<readonly Statement[]>([{ kind: 'vmap', fields: ['iifname'], map: 'ports' }]),
    fc.constant<readonly Statement[]>([counter]),
  );
  return fc.tuple(nftMatches(family), effects, ends).map(([matches, some, end]) => {
    const body: Expression[] = [...matches];
    for (const [effect, at] of some) body.splice(at % (body.length + 1), 0, effect);
    return [...body, ...end];
  });
}

function ruleOf(body: fc.Arbitrary<readonly Expression[]>): fc.Arbitrary<KernelRule> {
  return fc
    .tuple(body, fc.option(comment))
    .map(([its, said]) => (said === null ? { body: its } : { body: its, comment: said }));
}

function hashSet(name: string, types: readonly FieldType[]): fc.Arbitrary<NamedSet> {
  const element = fc.tuple(...types.map(exactValue));
  return fc.array(element, { maxLength: 20 }).map((elements) => ({ name, types, interval: false, elements }));
}

const nets: fc.Arbitrary<NamedSet> = fc
  .array(span(32), { maxLength: 8 })
  .map((some) => ({ name: 'nets', types: ['ipv4_addr'], interval: true, elements: some.map((one) => [one]) }));

/** The names differ, so that no two elements of a concatenation overlap, which the kernel refuses. */
const namedNets: fc.Arbitrary<NamedSet> = fc
  .uniqueArray(fc.tuple(interfaceName, span(32)), { maxLength: 8, selector: ([name]) => name })
  .map((elements) => ({ name: 'named_nets', types: ['ifname', 'ipv4_addr'], interval: true, elements }));

const marks: fc.Arbitrary<NamedSet> = fc
  .array(fc.tuple(exact(32), exact(16), exact(8), exact(8), exact(8)), { maxLength: 5 })
  .map((elements) => ({
    name: 'marks',
    types: ['mark', 'ether_type', 'inet_proto', 'icmp_type', 'icmp_code'],
    interval: false,
    elements,
  }));

const ports: fc.Arbitrary<VerdictMap> = fc
  .uniqueArray(fc.tuple(interfaceName, verdict(false)), { maxLength: 8, selector: ([name]) => name })
  .map((some) => ({
    name: 'ports',
    types: ['ifname'],
    interval: false,
    elements: some.map(([name, one]) => ({ key: [name], verdict: one })),
  }));

function nftTable(family: TableFamily): fc.Arbitrary<Table> {
  const rules = fc.array(ruleOf(nftBody(family)), { maxLength: 6 });
  const sets = fc.tuple(
    hashSet('own_3', ['ifname', 'ether_addr', 'ipv4_addr']),
    hashSet('own_2', ['ifname', 'ipv4_addr']),
    nets,
    namedNets,
    marks,
  );
  const base = plain({
    type: fc.constant('filter'),
    hook: fc.constantFrom('forward', 'input', 'output'),
    priority: fc.integer({ min: -300, max: 300 }),
    policy: fc.constantFrom('accept', 'drop'),
  });
  return plain({
    family: fc.constant(family),
    name: fc.constant('random_1'),
    sets,
    maps: fc.tuple(ports),
    chains: fc.tuple(rules, base).map(([its, hook]): readonly Chain[] => [
      { name: 'first', base: hook, rules: its },
      { name: 'other_1', rules: [] },
      { name: 'other-2.x', rules: [{ body: [counter] }] },
    ]),
  });
}

export const nftRuleset: fc.Arbitrary<Ruleset> = fc
  .tuple(nftTable('bridge'), nftTable('ip'))
  .map((tables) => ({ backend: 'nft', tables }));

// ---- iptables ----

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
