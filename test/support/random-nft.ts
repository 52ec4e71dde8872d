// Random trees that nft can say: for the tests that print, load and read them back.
import fc from 'fast-check';
import { exactly, type Field, type FieldType } from '../../src/model/field.ts';
import { field, type Match } from '../../src/model/match.ts';
import type {
  Chain,
  Expression,
  NamedSet,
  Ruleset,
  Statement,
  Table,
  TableFamily,
  VerdictMap,
} from '../../src/model/ruleset.ts';
import { tcpFlags } from '../../src/model/symbols.ts';
import {
  counter,
  ctState,
  exact,
  exactValue,
  fieldMatch,
  interfaceName,
  limit,
  log,
  plain,
  ruleOf,
  span,
  tcpFlagsOf,
  verdict,
} from './random-parts.ts';

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

function nftBody(family: TableFamily): fc.Arbitrary<readonly Expression[]> {
  const effects = fc.array(fc.oneof(fc.constant(counter), log, limit), { maxLength: 2 });
  const ends: fc.Arbitrary<readonly Statement[]> = fc.oneof(
    verdict(family === 'ip').map((one): readonly Statement[] => [{ kind: 'verdict', verdict: one }]),
    fc.constant<readonly Statement[]>([{ kind: 'vmap', fields: ['iifname'], map: 'ports' }]),
    fc.constant<readonly Statement[]>([counter]),
  );
  return fc.tuple(nftMatches(family), effects, ends).map((parts) => parts.flat());
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
