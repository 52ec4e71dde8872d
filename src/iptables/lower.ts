// RuleList -> the numbered list in iptables, in its own order, in chains of our own that INPUT, FORWARD and OUTPUT jump
// to for managed interfaces only. No chain with a physdev-out test is reached from OUTPUT: the kernel refuses that.
import { field, type Match } from '../model/match.ts';
import { type ListRule, type Place, type RuleList, rulesOf } from '../model/rule-list.ts';
import { logLimit, logPrefix, ruleComment } from '../model/rule-prefix.ts';
import {
  accept,
  type Chain,
  drop,
  jump,
  type KernelRule,
  log,
  type Ruleset,
  type Statement,
} from '../model/ruleset.ts';
import { unreachable } from '../model/unreachable.ts';
import { Chains } from './chains.ts';
import { checkBranches } from './lower-check.ts';
import { portTree } from './port-tree.ts';

type BaseName = 'INPUT' | 'FORWARD' | 'OUTPUT';

const ours = { INPUT: 'bk-input', FORWARD: 'bk-forward', OUTPUT: 'bk-output' } as const;

export type IptablesOptions = {
  /** From so many ports on they are found by a tree of names instead of one after the other. */
  readonly manyPorts: number;
  /** From so many destinations on the rules of all ports share one list of them. */
  readonly manyDestinations: number;
};

const usual: IptablesOptions = { manyPorts: 32, manyDestinations: 16 };

export function lowerIptables(list: RuleList, options: IptablesOptions = usual): Ruleset {
  const chains = new Chains(Object.values(ours), options.manyDestinations);
  const firstDeny = rulesOf(list).find(({ verdict }) => verdict === 'deny');
  for (const base of ['INPUT', 'FORWARD'] as const) {
    for (const kernelRule of strangers('in', list, chains)) chains.append(ours[base], kernelRule);
  }
  for (const [index, run] of runsOf(rulesOf(list)).entries()) {
    if (firstDeny !== undefined && run.includes(firstDeny)) {
      for (const kernelRule of strangers('out', list, chains)) chains.append(ours.FORWARD, kernelRule);
    }
    const ports = new Set(run.map(({ place }) => (place.kind === 'port' ? place.port : '')));
    if (ports.size < options.manyPorts) appendInTurn(run, list, chains);
    else appendTree(run, index, chains);
  }
  const bases = (['INPUT', 'FORWARD', 'OUTPUT'] as const).map((base) => baseChain(base, list));
  return {
    backend: 'iptables',
    tables: [{ family: 'ip', name: 'filter', sets: [], maps: [], chains: [...bases, ...chains.all()] }],
  };
}

/** Neighbours in the list that look at ports in one direction: a packet has one port there, so their order is free. */
function runsOf(rules: readonly ListRule[]): readonly (readonly ListRule[])[] {
  const runs: ListRule[][] = [];
  for (const rule of rules) {
    const last = runs.at(-1);
    if (last?.[0] !== undefined && direction(last[0]) === direction(rule)) last.push(rule);
    else runs.push([rule]);
  }
  return runs;
}

/** Rules that may not change places with their neighbours have none. */
function direction({ place, id }: ListRule): string {
  return place.kind === 'port' ? place.direction : id;
}

function appendInTurn(run: readonly ListRule[], list: RuleList, chains: Chains): void {
  for (const rule of run) {
    for (const base of basesOf(rule.place)) {
      const place = placeMatches(rule.place, base, list);
      for (const kernelRule of kernelRules(rule, place, chains)) chains.append(ours[base], kernelRule);
    }
  }
}

/** A chain for each port of the run, and a tree that leads to it. */
function appendTree(run: readonly ListRule[], index: number, chains: Chains): void {
  const [first] = run;
  if (first?.place.kind !== 'port') throw new Error('only ports are found by a tree');
  const { direction: end } = first.place;
  const byPort = Map.groupBy(run, ({ place }) => (place.kind === 'port' ? place.port : ''));
  const names = new Map([...byPort.keys()].map((port) => [port, `bk-${index}-${end}-${port}`]));
  for (const [port, rules] of byPort) {
    chains.add({ name: names.get(port) ?? '', rules: rules.flatMap((rule) => kernelRules(rule, [], chains)) });
  }
  const tree = portTree(end, names, `bk-${index}-${end}`);
  for (const chain of tree.chains) chains.add(chain);
  const bridged: readonly Match[] = end === 'out' ? [{ kind: 'physdev-is', what: 'bridged', negated: false }] : [];
  for (const base of basesOf(first.place)) chains.append(ours[base], { body: [...bridged, jump(tree.root)] });
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
 * Ports that appear on a managed bridge while the rules are loaded stay closed: nothing comes from there, in no
 * connection state, and nothing goes there but what the exceptions send to everybody.
 */
function strangers(end: 'in' | 'out', list: RuleList, chains: Chains): readonly KernelRule[] {
  const rest = rulesOf(list).find(({ place, check }) => place.kind === 'everywhere' && check.kind === 'everything');
  if (rest === undefined) return [];
  const comment = ruleComment(rest.id);
  const denied = chains.once(`bk-strange-${end}`, () => [{ body: [targetOf(rest, chains)], comment }]);
  const known = chains.once(`bk-known-${end}`, () => []);
  const present: Match = { kind: 'physdev-is', what: end === 'in' ? 'in' : 'bridged', negated: false };
  return list.ground.bridges.map(({ name, ports }) => {
    const names = new Map(ports.map((port) => [port.name, known]));
    const tree = portTree(end, names, `bk-${end}-${name}`, denied);
    for (const chain of tree.chains) chains.add(chain);
    return { body: [field(end === 'in' ? 'iifname' : 'oifname', name), present, jump(tree.root)], comment };
  });
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

function kernelRules(rule: ListRule, place: readonly Match[], chains: Chains): readonly KernelRule[] {
  const comment = ruleComment(rule.id);
  const target = targetOf(rule, chains);
  return checkBranches(rule, target, chains).map(({ matches, statement }) => ({
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
