// RuleList -> the numbered list in iptables, in its own order, in chains of our own that INPUT, FORWARD and OUTPUT jump
// to for managed interfaces only. No chain with a physdev-out test is reached from OUTPUT: the kernel refuses that.
import { exactly, valueHolds } from '../model/field.ts';
import { type IpSet, ofFamily, prefixRange, setPrefixes } from '../model/ip-set.ts';
import { ctState, field, type Match, type notField } from '../model/match.ts';
import { type Check, type Flow, type ListRule, type Place, type RuleList, rulesOf } from '../model/rule-list.ts';
import { logLimit, logPrefix, ruleComment } from '../model/rule-prefix.ts';
import {
  accept,
  type Chain,
  drop,
  jump,
  type KernelRule,
  log,
  type Ruleset,
  returnToCaller,
  type Statement,
} from '../model/ruleset.ts';
import { protocolNumbers, serviceMatches } from '../model/service.ts';
import { unreachable } from '../model/unreachable.ts';

type BaseName = 'INPUT' | 'FORWARD' | 'OUTPUT';

const ours = { INPUT: 'bk-input', FORWARD: 'bk-forward', OUTPUT: 'bk-output' } as const;

export function lowerIptables(list: RuleList): Ruleset {
  const chains = new Chains();
  const rules = rulesOf(list);
  const firstDeny = rules.findIndex(({ verdict }) => verdict === 'deny');
  for (const base of ['INPUT', 'FORWARD'] as const) {
    for (const kernelRule of strangers('in', list, chains)) chains.append(ours[base], kernelRule);
  }
  for (const [index, rule] of rules.entries()) {
    if (index === firstDeny) {
      for (const kernelRule of strangers('out', list, chains)) chains.append(ours.FORWARD, kernelRule);
    }
    for (const base of basesOf(rule.place)) {
      for (const kernelRule of kernelRules(rule, base, list, chains)) chains.append(ours[base], kernelRule);
    }
  }
  const bases = (['INPUT', 'FORWARD', 'OUTPUT'] as const).map((base) => baseChain(base, list));
  return {
    backend: 'iptables',
    tables: [{ family: 'ip', name: 'filter', sets: [], maps: [], chains: [...bases, ...chains.all()] }],
  };
}

/** Our chains as they grow: the three of ours, and the small ones that they share. */
class Chains {
  readonly #rules = new Map<string, KernelRule[]>(Object.values(ours).map((name) => [name, []]));

  append(chain: string, rule: KernelRule): void {
    this.#rules.get(chain)?.push(rule);
  }

  /** The chain of this name, made at first use. */
  once(name: string, rules: () => readonly KernelRule[]): string {
    if (!this.#rules.has(name)) this.#rules.set(name, [...rules()]);
    return name;
  }

  all(): readonly Chain[] {
    return [...this.#rules].map(([name, rules]) => ({ name, rules }));
  }
}

function baseChain(base: BaseName, { ground }: RuleList): Chain {
  const bridges = ground.bridges.map(({ name }) => name);
  const facing = ground.facing.filter((name) => !bridges.includes(name));
  const into = [...bridges, ...facing].map((name) => field('iifname', name));
  const out = [...bridges, ...facing].map((name) => field('oifname', name));
  const ruled = ground.ruled.map((name) => field(base === 'INPUT' ? 'iifname' : 'oifname', name));
  const managed = { INPUT: [...into, ...ruled], FORWARD: [...into, ...out], OUTPUT: [...out, ...ruled] }[base];
  const hook = { INPUT: 'input', FORWARD: 'forward', OUTPUT: 'output' } as const;
  return {
    name: base,
    base: { type: 'filter', hook: hook[base], priority: 0, policy: 'accept' },
    rules: managed.map((match) => ({ body: [match, jump(ours[base])] })),
  };
}

/**
 * Ports with names of guest ports that appear while the rules are loaded stay closed: nothing comes from there, in no
 * connection state, and nothing goes there but what the exceptions send to everybody.
 */
function strangers(end: 'in' | 'out', list: RuleList, chains: Chains): readonly KernelRule[] {
  const { bridges, patterns } = list.ground;
  const rest = rulesOf(list).at(-1);
  if (patterns.length === 0 || rest === undefined) return [];
  const at = (name: string): Match => ({ kind: 'physdev', end, negated: false, name });
  const bridged: readonly Match[] = end === 'in' ? [] : [{ kind: 'physdev-is', what: 'bridged', negated: false }];
  const known = bridges
    .flatMap(({ ports }) => ports.map(({ name }) => name))
    .filter((name) => patterns.some((pattern) => valueHolds(pattern, name)));
  const comment = ruleComment(rest.id);
  const chain = chains.once(`bk-strange-${end}`, () => [
    ...known.map((name) => ({ body: [at(name), returnToCaller] })),
    { body: [targetOf(rest, chains)], comment },
  ]);
  return patterns.map((pattern) => ({ body: [...bridged, at(pattern), jump(chain)], comment }));
}

function basesOf(place: Place): readonly BaseName[] {
  switch (place.kind) {
    case 'port':
      return place.direction === 'in' ? ['INPUT', 'FORWARD'] : ['FORWARD'];
    case 'host':
      return place.direction === 'in' ? ['INPUT', 'FORWARD'] : ['OUTPUT', 'FORWARD'];
    case 'everywhere':
      return ['INPUT', 'FORWARD', 'OUTPUT'];
    default:
      return unreachable(place);
  }
}

/** Where a rule looks. A bridge device is -i and -o of bridged frames too, which are not the host's: ask for routed ones. */
function placeMatches(place: Place, base: BaseName, { ground }: RuleList): readonly Match[] {
  switch (place.kind) {
    case 'port':
      return place.direction === 'in'
        ? [{ kind: 'physdev', end: 'in', negated: false, name: place.port }]
        : [
            { kind: 'physdev-is', what: 'bridged', negated: false },
            { kind: 'physdev', end: 'out', negated: false, name: place.port },
          ];
    case 'host': {
      const name = field(place.direction === 'in' ? 'iifname' : 'oifname', place.ifname);
      const isBridge = ground.bridges.some((bridge) => bridge.name === place.ifname);
      return base === 'FORWARD' && isBridge ? [name, { kind: 'physdev-is', what: 'bridged', negated: true }] : [name];
    }
    case 'everywhere':
      return [];
    default:
      return unreachable(place);
  }
}

function kernelRules(rule: ListRule, base: BaseName, list: RuleList, chains: Chains): readonly KernelRule[] {
  const place = placeMatches(rule.place, base, list);
  const comment = ruleComment(rule.id);
  const target = targetOf(rule, chains);
  return checkRules(rule, target, chains).map(({ matches, statement }) => ({
    body: [...place, ...matches, statement],
    comment,
  }));
}

function targetOf(rule: ListRule, chains: Chains): Statement {
  const verdict = rule.verdict === 'deny' ? drop : accept;
  if (!rule.log || rule.number === undefined) return verdict;
  const comment = ruleComment(rule.id);
  const name = chains.once(`bk-rule-${rule.number}`, () => [
    { body: [logLimit, log(logPrefix(rule))], comment },
    { body: [verdict], comment },
  ]);
  return jump(name);
}

/** What follows the place: matches, and where they lead. */
type Branch = { readonly matches: readonly Match[]; readonly statement: Statement };

function checkRules(rule: ListRule, target: Statement, chains: Chains): readonly Branch[] {
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
  if (sources.length > 1 && destinations.length > 1) {
    const comment = ruleComment(rule.id);
    const name = chains.once(`bk-to-${rule.number ?? 0}-${index}`, () =>
      destinations.map((matches) => ({ body: [...matches, target], comment })),
    );
    return sources.flatMap((source) =>
      services.map((service) => ({ matches: [...source, ...service], statement: jump(name) })),
    );
  }
  return sources.flatMap((source) =>
    destinations.flatMap((destination) =>
      services.map((service) => ({ matches: [...source, ...destination, ...service], statement: target })),
    ),
  );
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

/** One list of matches for each prefix; a set that holds every address needs none. */
function addressMatches(
  name: 'ip saddr' | 'ip daddr',
  ips: IpSet,
): readonly (readonly ReturnType<typeof notField>[])[] {
  return setPrefixes(ofFamily(ips, 4)).map((prefix) => (prefix.length === 0 ? [] : [field(name, prefixRange(prefix))]));
}
