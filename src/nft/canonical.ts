// The form in which a printed tree and the kernel's listing of it are equal: `canonical(printed)` equals
// `canonical(listed)` for every tree that printNft accepts. What is changed, and why, stands at each function.
import { canonicalMatch, canonicalValues, isMatch, isPure, sortedMatches } from '../model/canonical-match.ts';
import type { Field } from '../model/field.ts';
import type { Match } from '../model/match.ts';
import type {
  Chain,
  Element,
  Expression,
  NamedSet,
  Ruleset,
  Table,
  TableFamily,
  Verdict,
  VerdictMap,
} from '../model/ruleset.ts';
import { etherTypeOf, fieldsOf, onlyValue, protocolOf } from './layers.ts';
import { elementKey } from './values.ts';

/** Before a change and after it the same rulesets are compared again and again, and large ones take long. */
const known = new WeakMap<Ruleset, Ruleset>();

/** Tables, sets, maps and chains by name: their order means nothing, and the kernel's need not be ours. */
export function canonical(ruleset: Ruleset): Ruleset {
  const made = known.get(ruleset) ?? canonicalRuleset(ruleset);
  known.set(ruleset, made);
  return made;
}

function canonicalRuleset(ruleset: Ruleset): Ruleset {
  const tables = ruleset.tables.map(canonicalTable);
  return { ...ruleset, tables: tables.toSorted((a, b) => compare(`${a.family} ${a.name}`, `${b.family} ${b.name}`)) };
}

function canonicalTable(table: Table): Table {
  return {
    ...table,
    sets: byName(table.sets.map(canonicalSet)),
    maps: byName(table.maps.map(canonicalMap)),
    chains: byName(table.chains.map((chain) => canonicalChain(chain, table.family))),
  };
}

function byName<T extends { readonly name: string }>(things: readonly T[]): readonly T[] {
  return things.toSorted((a, b) => compare(a.name, b.name));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

/** Elements in order and once: hash sets have no order. Ranges of one dimension are joined, as the printer does. */
function canonicalSet(set: NamedSet): NamedSet {
  const merged = set.interval && set.types.length === 1;
  const elements = merged ? canonicalValues(set.elements.flat()).map((value) => [value]) : set.elements;
  const keyed = new Map(elements.map((element) => [elementKey(element), shortNames(element)]));
  return { ...set, elements: inKeyOrder(keyed) };
}

function canonicalMap(map: VerdictMap): VerdictMap {
  const keyed = new Map(map.elements.map(({ key, verdict }) => [elementKey(key), { key: shortNames(key), verdict }]));
  return { ...map, elements: inKeyOrder(keyed) };
}

function shortNames(element: Element): Element {
  return element.map((value) => canonicalValues([value])[0] ?? value);
}

function inKeyOrder<T>(keyed: ReadonlyMap<string, T>): readonly T[] {
  return [...keyed].toSorted(([a], [b]) => compare(a, b)).map(([, value]) => value);
}

function canonicalChain(chain: Chain, family: TableFamily): Chain {
  return { ...chain, rules: chain.rules.map((rule) => ({ ...rule, body: canonicalBody(rule.body, family) })) };
}

/**
 * Matches without memory are sorted between the things that have effects: nft joins neighbouring payload loads and
 * lists their parts in the order of the header (`icmp code 0 icmp type 8` comes back turned round).
 */
function canonicalBody(body: readonly Expression[], family: TableFamily): readonly Expression[] {
  let protocol: bigint | undefined;
  return segmentsOf(body).flatMap((segment) => {
    const matches = withoutImplied(segment, protocol).map(canonicalMatch);
    protocol = protocolAfter(segment) ?? protocol;
    return [...sortedMatches(matches), ...(segment.end === undefined ? [] : [canonicalEnd(segment.end, family)])];
  });
}

/** Matches that may change places, and what stops them: a statement, a limit, something that we do not understand. */
type Segment = { readonly matches: readonly Match[]; readonly end?: Expression };

function segmentsOf(body: readonly Expression[]): readonly Segment[] {
  const segments: Segment[] = [];
  let matches: Match[] = [];
  for (const expression of body) {
    if (isMatch(expression) && isPure(expression)) {
      matches.push(expression);
    } else {
      segments.push({ matches, end: expression });
      matches = [];
    }
  }
  return matches.length === 0 ? segments : [...segments, { matches }];
}

/**
 * nft lists `ether type ip ip saddr ...` as `ip saddr ...`, `meta l4proto icmp icmp type ...` as `icmp type ...` and
 * `meta l4proto tcp` before `tcp flags` or `reject with tcp reset` not at all, as long as no statement stands between;
 * and it lists a lone `ip saddr` in the same way. The printer always writes the outer type, so nothing is lost but the
 * redundant match. `ether type ip meta l4proto icmp` is listed without its first half too, which does lose something.
 * parse-json writes `tcp dport` as `meta l4proto tcp th dport`, also where the protocol was known.
 */
function withoutImplied(segment: Segment, known: bigint | undefined): readonly Match[] {
  const all = expressionsOf(segment);
  const types = new Set([
    ...all.flatMap(fieldsOf).map(etherTypeOf),
    ...all.map((one) => impliedTypes.get(onlyValue(one, protocolField))),
  ]);
  const protocols = new Set([...impliedProtocols(segment), ...(known === undefined ? [] : [known])]);
  return segment.matches.filter((match) => {
    const type = onlyValue(match, 'ether type');
    const protocol = onlyValue(match, protocolField);
    return !(type !== undefined && types.has(type)) && !(protocol !== undefined && protocols.has(protocol));
  });
}

const protocolField: Field = 'meta l4proto';

/** ICMP stands for IPv4 in a listing, and ICMPv6 for IPv6. */
const impliedTypes: ReadonlyMap<bigint | undefined, bigint> = new Map([
  [1n, 0x0800n],
  [58n, 0x86ddn],
]);

function expressionsOf({ matches, end }: Segment): readonly Expression[] {
  return end === undefined ? matches : [...matches, end];
}

function impliedProtocols(segment: Segment): readonly bigint[] {
  const { end } = segment;
  const resets = end?.kind === 'verdict' && end.verdict.kind === 'reject' && end.verdict.with === 'tcp reset';
  return [...expressionsOf(segment).flatMap((one) => protocolOf(one) ?? []), ...(resets ? [6n] : [])];
}

function protocolAfter(segment: Segment): bigint | undefined {
  return expressionsOf(segment)
    .map((one) => protocolOf(one) ?? onlyValue(one, protocolField))
    .find((protocol) => protocol !== undefined);
}

function canonicalEnd(end: Expression, family: TableFamily): Expression {
  return end.kind === 'verdict' ? { ...end, verdict: canonicalVerdict(end.verdict, family) } : end;
}

/** The listing does not tell `reject` from the answer that it gives when none is named. */
function canonicalVerdict(verdict: Verdict, family: TableFamily): Verdict {
  if (verdict.kind !== 'reject') return verdict;
  const usual = { ip: 'icmp', ip6: 'icmpv6', inet: 'icmpx', bridge: 'icmpx', arp: '', netdev: 'icmpx' }[family];
  return verdict.with === `${usual} port-unreachable` ? { kind: 'reject' } : verdict;
}
