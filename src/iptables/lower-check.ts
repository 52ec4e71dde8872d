// What a rule of the list asks, as iptables matches: the readers of the closed union of checks.
import { exactly } from '../model/field.ts';
import { type IpSet, ofFamily, prefixRange, setPrefixes } from '../model/ip-set.ts';
import { ctState, field, type Match, type notField } from '../model/match.ts';
import type { Check, Flow, ListRule } from '../model/rule-list.ts';
import { ruleComment } from '../model/rule-prefix.ts';
import { jump, returnToCaller, type Statement } from '../model/ruleset.ts';
import { protocolNumbers, serviceMatches } from '../model/service.ts';
import { unreachable } from '../model/unreachable.ts';
import type { Chains } from './chains.ts';

/** What follows the place: matches, and where they lead. */
export type Branch = { readonly matches: readonly Match[]; readonly statement: Statement };

export function checkBranches(rule: ListRule, target: Statement, chains: Chains): readonly Branch[] {
  const { check } = rule;
  const toTarget = (...matches: readonly Match[]): Branch => ({ matches, statement: target });
  switch (check.kind) {
    case 'destination-not':
      return guarded('ip saddr', check.source, notAmong(rule, [{ name: 'ip daddr', ips: check.ips }], target, chains));
    case 'source-is':
      return addressMatches('ip saddr', check.ips).map((matches) => toTarget(...matches));
    case 'source-not':
      return guarded('ip daddr', check.destination, sourceNot(rule, check, target, chains));
    case 'new-flows':
      return check.flows.flatMap((flow, index) => flowBranches(rule, flow, index, target, chains));
    case 'datagrams':
      return crossed(check).map((matches) => toTarget(...matches));
    case 'known-flow':
      return [toTarget(ctState('established', 'related'))];
    case 'everything':
      return [toTarget()];
    default:
      return unreachable(check);
  }
}

/** The same branches for each of the addresses in the guard; without a guard, for all. */
function guarded(
  name: 'ip saddr' | 'ip daddr',
  ips: IpSet | undefined,
  branches: readonly Branch[],
): readonly Branch[] {
  if (ips === undefined) return branches;
  return addressMatches(name, ips).flatMap((guard) =>
    branches.map(({ matches, statement }) => ({ matches: [...guard, ...matches], statement })),
  );
}

type Among = { readonly name: 'ip saddr' | 'ip daddr'; readonly ips: IpSet; readonly mac?: number };

function sourceNot(
  rule: ListRule,
  { own }: Extract<Check, { kind: 'source-not' }>,
  target: Statement,
  chains: Chains,
): readonly Branch[] {
  return notAmong(rule, [{ name: 'ip saddr', ...own }], target, chains);
}

/** One address needs no chain; several become a chain that returns for each of them and ends in the target. */
function notAmong(rule: ListRule, [among]: readonly [Among], target: Statement, chains: Chains): readonly Branch[] {
  const alternatives = addressMatches(among.name, among.ips);
  const mac = among.mac === undefined ? [] : [field('ether saddr', exactly(among.mac))];
  const [only] = alternatives;
  if (alternatives.length === 1 && only !== undefined) {
    const negated = [...only, ...mac].map((match) => ({ matches: [{ ...match, negated: true }], statement: target }));
    return only.length === 0 && mac.length === 0 ? [] : negated;
  }
  const comment = ruleComment(rule.id);
  const name = chains.once(`bk-check-${rule.number ?? 0}`, () => [
    ...alternatives.map((matches) => ({ body: [...matches, ...mac, returnToCaller], comment })),
    { body: [target], comment },
  ]);
  return [{ matches: [], statement: jump(name) }];
}

function flowBranches(rule: ListRule, flow: Flow, index: number, target: Statement, chains: Chains): readonly Branch[] {
  const services = serviceMatches(flow.service).map((matches) => [...matches, ctState('new')]);
  const sources = addressMatches('ip saddr', flow.source);
  const destinations = addressMatches('ip daddr', flow.destination);
  const to = (statement: Statement, further: readonly (readonly Match[])[]): readonly Branch[] =>
    sources.flatMap((source) =>
      further.flatMap((destination) =>
        services.map((service) => ({ matches: [...source, ...destination, ...service], statement })),
      ),
    );
  const comment = ruleComment(rule.id);
  if (destinations.length >= chains.manyDestinations && rule.place.kind === 'port') {
    const decision = { body: [target], comment };
    return to(jump(chains.towards(rule.place.port, flow.destination, destinations, decision)), [[]]);
  }
  if (sources.length === 1 || destinations.length === 1) return to(target, destinations);
  const name = chains.once(`bk-to-${rule.number ?? 0}-${index}`, () =>
    destinations.map((matches) => ({ body: [...matches, target], comment })),
  );
  return to(jump(name), [[]]);
}

/** Source and destination, each with each. */
function crossed({
  source,
  destination,
  mac,
  sport,
  dport,
}: Extract<Check, { kind: 'datagrams' }>): readonly (readonly Match[])[] {
  const rest = [
    ...(mac === undefined ? [] : [field('ether saddr', exactly(mac))]),
    field('meta l4proto', exactly(protocolNumbers.udp)),
    field('th sport', exactly(sport)),
    field('th dport', exactly(dport)),
  ];
  return addressMatches('ip saddr', source).flatMap((from) =>
    addressMatches('ip daddr', destination).map((to) => [...from, ...to, ...rest]),
  );
}

type AddressMatches = readonly (readonly ReturnType<typeof notField>[])[];

/** The rules of all guests share one set of destinations: its prefixes are worked out once, not for each of them. */
const knownMatches = {
  'ip saddr': new WeakMap<IpSet, AddressMatches>(),
  'ip daddr': new WeakMap<IpSet, AddressMatches>(),
};

/** One list of matches for each prefix; a set that holds every address needs none. */
function addressMatches(name: 'ip saddr' | 'ip daddr', ips: IpSet): AddressMatches {
  const known = knownMatches[name].get(ips);
  if (known !== undefined) return known;
  const matches = setPrefixes(ofFamily(ips, 4)).map((prefix) =>
    prefix.length === 0 ? [] : [field(name, prefixRange(prefix))],
  );
  knownMatches[name].set(ips, matches);
  return matches;
}
