// RuleList -> table `ip bk`: connections, services and the host's own traffic. Bridged packets come here through
// br_netfilter with the bridge as interface; the port they came in by follows from (bridge, source address), which the
// bridge table has proved.
import type { NumberRange, Value } from '../model/field.ts';
import { everyIp, type IpSet, isSingle, printIpSet } from '../model/ip-set.ts';
import { ctState, field, lookup, type Match, notField, notLookup } from '../model/match.ts';
import { type Check, type Ground, type GroundPort, type ListRule, type RuleList, rulesOf } from '../model/rule-list.ts';
import { logLimit, logPrefix, ruleComment } from '../model/rule-prefix.ts';
import {
  accept,
  type Chain,
  drop,
  goTo,
  jump,
  type KernelRule,
  log,
  type NamedSet,
  type Statement,
  type Table,
  type VerdictMap,
} from '../model/ruleset.ts';
import { serviceMatches } from '../model/service.ts';
import { base, datagramMatches, ruleChain } from './parts.ts';

type Hook = 'input' | 'forward' | 'output';

export function ipTable(list: RuleList): Table {
  const rules = rulesOf(list);
  const addresses = new AddressSets();
  const allowing = rules.filter(({ place, check }) => place.kind === 'port' && check.kind === 'new-flows');
  const atHost = rules.filter(({ place }) => place.kind === 'host');
  const everywhere = rules.filter(({ place }) => place.kind === 'everywhere');
  const portOf = new Map(list.ground.bridges.flatMap(({ ports }) => ports).map((port) => [port.name, port]));
  const entrances = entrancesOf([...new Set(allowing.map(portName))].flatMap((name) => portOf.get(name) ?? []));
  const maps = enterMaps(entrances);
  // the first exceptions stand before the address checks, the others behind them
  const firstDeny = rules.findIndex(({ verdict }) => verdict === 'deny');
  const [early, late] = [rules.slice(0, firstDeny), rules.slice(firstDeny)];
  const logged = rules.filter((rule) => rule.log && (rule.place.kind !== 'port' || rule.verdict === 'accept'));
  const portChains = [...Map.groupBy(allowing, portName)].map(
    ([port, some]): Chain => ({
      name: allowChain(port),
      rules: some.flatMap((rule) => flowRules(rule, addresses)),
    }),
  );
  const hook = (name: Hook): Chain =>
    base(name, name, 0, [
      ...notOurs(name),
      ...exceptions(early, name, list.ground, addresses),
      ...atHost
        .filter(({ verdict }) => verdict === 'deny')
        .flatMap((rule) => hostRules(rule, name, list.ground, addresses)),
      ...exceptions(late, name, list.ground, addresses),
      ...everywhere.filter(({ check }) => check.kind === 'known-flow').map(knownFlow),
      ...(name === 'output'
        ? []
        : maps.map(
            ({ name: map }): KernelRule => ({
              body: [ctState('new'), { kind: 'vmap', fields: ['iifname', 'ip saddr'], map }],
            }),
          )),
      ...atHost
        .filter(({ check }) => check.kind === 'new-flows')
        .flatMap((rule) => hostRules(rule, name, list.ground, addresses)),
      ...everywhere.filter(({ check }) => check.kind === 'everything').map(lastRule),
    ]);
  const chains = [
    ...logged.map(logChain),
    ...portChains,
    ...sharedChains(entrances),
    ...(['input', 'forward', 'output'] as const).map(hook),
  ];
  return { family: 'ip', name: 'bk', sets: [...managedSets(list.ground), ...addresses.sets()], maps, chains };
}

/** Named sets for groups of addresses, each made once. */
class AddressSets {
  readonly #sets = new Map<string, NamedSet>();
  /** Many rules share one set, and spelling it out takes long. */
  readonly #names = new WeakMap<IpSet, string>();

  match(name: 'ip saddr' | 'ip daddr', ips: IpSet, negated: boolean): readonly Match[] {
    const known = this.#names.get(ips);
    if (known !== undefined) return [negated ? notLookup(known, name) : lookup(known, name)];
    const values = ip4Values(ips);
    const [everything] = everyIp(4);
    const [only] = values;
    if (values.length === 1 && only !== undefined) {
      if (only.first === everything?.first && only.last === everything?.last) return [];
      return [negated ? notField(name, only) : field(name, only)];
    }
    const set = this.#named(ips, values);
    return [negated ? notLookup(set, name) : lookup(set, name)];
  }

  #named(ips: IpSet, values: readonly Value[]): string {
    const named = this.#names.get(ips) ?? this.#made(ips, values);
    this.#names.set(ips, named);
    return named;
  }

  #made(ips: IpSet, values: readonly Value[]): string {
    const key = printIpSet(ips);
    const known = this.#sets.get(key);
    if (known !== undefined) return known.name;
    const name = `group_${this.#sets.size + 1}`;
    const interval = !ips.every(isSingle);
    this.#sets.set(key, { name, types: ['ipv4_addr'], interval, elements: values.map((value) => [value]) });
    return name;
  }

  sets(): readonly NamedSet[] {
    return [...this.#sets.values()];
  }
}

function ip4Values(ips: IpSet) {
  return ips.filter(({ family }) => family === 4).map(({ first, last }) => ({ first, last }));
}

function managedSets({ bridges, facing, ruled }: Ground): readonly NamedSet[] {
  const guests = [...new Set([...bridges.map(({ name }) => name), ...facing])];
  const names = (name: string, members: readonly string[]): NamedSet => ({
    name,
    types: ['ifname'],
    interval: false,
    elements: members.map((member) => [member]),
  });
  return [names('managed', guests), names('managed_host', [...new Set([...guests, ...ruled])])];
}

/** What does not touch a managed interface is other people's business. */
function notOurs(hook: Hook): readonly KernelRule[] {
  switch (hook) {
    case 'forward':
      return [{ body: [notLookup('managed', 'iifname'), notLookup('managed', 'oifname'), accept] }];
    case 'input':
      return [{ body: [notLookup('managed_host', 'iifname'), accept] }];
    case 'output':
      return [{ body: [notLookup('managed_host', 'oifname'), accept] }];
  }
}

function portName({ place }: ListRule): string {
  return place.kind === 'port' ? place.port : '';
}

function allowChain(port: string): string {
  return `allow_${port}`;
}

/** Addresses that may come into a bridge as source, and the ports by which they may: mostly one. */
type Entrance = { readonly bridge: string; readonly ip: NumberRange; readonly ports: readonly string[] };

function entrancesOf(ports: readonly GroundPort[]): readonly Entrance[] {
  return [...Map.groupBy(ports, ({ bridge }) => bridge)].flatMap(([bridge, some]) => {
    const claims = some.flatMap(({ name: port, own, behind }) =>
      ip4Values(own?.ips ?? behind).map((ip) => ({ ip, port })),
    );
    return disjoint(claims).map((piece) => ({ bridge, ...piece }));
  });
}

type Claim = { readonly ip: NumberRange; readonly port: string };

/** Maps take no ranges that overlap, as those behind several uplinks do: pieces, each with all of its ports. */
function disjoint(claims: readonly Claim[]): readonly Omit<Entrance, 'bridge'>[] {
  const begins = Map.groupBy(claims, ({ ip }) => ip.first);
  const ends = Map.groupBy(claims, ({ ip }) => ip.last + 1n);
  const cuts = [...new Set([...begins.keys(), ...ends.keys()])].toSorted((a, b) => (a < b ? -1 : 1));
  const open = new Set<string>();
  return cuts.flatMap((first, index) => {
    for (const { port } of ends.get(first) ?? []) open.delete(port);
    for (const { port } of begins.get(first) ?? []) open.add(port);
    const next = cuts[index + 1];
    return open.size === 0 || next === undefined ? [] : [{ ip: { first, last: next - 1n }, ports: [...open] }];
  });
}

/** (bridge, source) -> the chain of the port that the packet came in by. */
function enterMaps(entrances: readonly Entrance[]): readonly VerdictMap[] {
  const numbers = sharedNumbers(entrances);
  const chain = (ports: readonly string[]): string =>
    ports.length === 1 ? allowChain(ports[0] ?? '') : sharedChain(numbers.get(ports.join(' ')));
  const map = (name: string, single: boolean): VerdictMap => ({
    name,
    types: ['ifname', 'ipv4_addr'],
    interval: !single,
    elements: entrances
      .filter(({ ip }) => (ip.first === ip.last) === single)
      .map(({ bridge, ip, ports }) => ({ key: [bridge, ip], verdict: { kind: 'jump', chain: chain(ports) } })),
  });
  return [map('enter', true), map('enter_net', false)].filter((one) => one.elements.length > 0);
}

/**
 * By which of several ports a packet came in, nothing here can tell. Its addresses were proved there, so that each of
 * their chains accepts no more than the right one does; they are asked in turn.
 */
function sharedChains(entrances: readonly Entrance[]): readonly Chain[] {
  return [...sharedNumbers(entrances)].map(([ports, number]) => ({
    name: sharedChain(number),
    rules: ports.split(' ').map((port) => ({ body: [jump(allowChain(port))] })),
  }));
}

function sharedChain(number: number | undefined): string {
  return `enter_${number ?? 0}`;
}

/** Numbers for the groups of ports that share addresses. */
function sharedNumbers(entrances: readonly Entrance[]): ReadonlyMap<string, number> {
  const groups = new Set(entrances.filter(({ ports }) => ports.length > 1).map(({ ports }) => ports.join(' ')));
  return new Map([...groups].map((group, index) => [group, index + 1]));
}

function flowRules(rule: ListRule, addresses: AddressSets): readonly KernelRule[] {
  if (rule.check.kind !== 'new-flows') return [];
  const comment = ruleComment(rule.id);
  const target = targetOf(rule);
  return rule.check.flows.flatMap(({ source, destination, service }) =>
    serviceMatches(service).map((matches) => ({
      body: [
        ...addresses.match('ip saddr', source, false),
        ...addresses.match('ip daddr', destination, false),
        ...matches,
        ctState('new'),
        target,
      ],
      comment,
    })),
  );
}

function targetOf(rule: ListRule): Statement {
  if (rule.log) return goTo(ruleChain(rule));
  return rule.verdict === 'deny' ? drop : accept;
}

/** The host's own interface; a bridge device is in and out of bridged packets too, which are none of the host's. */
function hostRules(rule: ListRule, hook: Hook, ground: Ground, addresses: AddressSets): readonly KernelRule[] {
  if (rule.place.kind !== 'host') return [];
  const { ifname, direction } = rule.place;
  if ((hook === 'input' && direction === 'out') || (hook === 'output' && direction === 'in')) return [];
  const here = field(direction === 'in' ? 'iifname' : 'oifname', ifname);
  const isBridge = ground.bridges.some(({ name }) => name === ifname);
  const routed = isBridge && hook === 'forward' ? [notField(direction === 'in' ? 'oifname' : 'iifname', ifname)] : [];
  if (rule.check.kind === 'new-flows') {
    return flowRules(rule, addresses).map(({ body, ...others }) => ({ body: [here, ...routed, ...body], ...others }));
  }
  return checkMatches(rule.check, addresses).map((matches) => ({
    body: [here, ...routed, ...matches, targetOf(rule)],
    comment: ruleComment(rule.id),
  }));
}

function checkMatches(check: Check, addresses: AddressSets): readonly (readonly Match[])[] {
  switch (check.kind) {
    case 'destination-not': {
      const guard = check.source === undefined ? [] : addresses.match('ip saddr', check.source, false);
      return [[...guard, ...addresses.match('ip daddr', check.ips, true)]];
    }
    case 'source-not': {
      const guard = check.destination === undefined ? [] : addresses.match('ip daddr', check.destination, false);
      return [[...guard, ...addresses.match('ip saddr', check.own.ips, true)]];
    }
    case 'source-is':
      return [addresses.match('ip saddr', check.ips, false)];
    case 'datagrams':
      return [datagramMatches(check)];
    case 'everything':
      return [[]];
    case 'new-flows':
    case 'known-flow':
      return [];
  }
}

/** Of ports first: the bridge table has checked port and MAC of them; here they pass once for all ports of a bridge. */
function exceptions(
  rules: readonly ListRule[],
  hook: Hook,
  ground: Ground,
  addresses: AddressSets,
): readonly KernelRule[] {
  const kept = new Map<string, { readonly matches: readonly Match[]; readonly bridges: Set<string> }>();
  for (const { check, place } of hook === 'output' ? [] : rules) {
    if (check.kind !== 'datagrams' || place.kind !== 'port') continue;
    const { mac: _checked, ...rest } = check;
    const key = `${printIpSet(rest.source)} ${printIpSet(rest.destination)} ${rest.sport} ${rest.dport}`;
    const { bridges } = kept.get(key) ?? { bridges: new Set() };
    kept.set(key, { matches: datagramMatches(rest), bridges: bridges.add(place.bridge) });
  }
  const atPorts = [...kept.values()].map(({ matches, bridges }) => ({
    body: [field('iifname', ...bridges), ...matches, accept],
    comment: 'dhcp',
  }));
  const atHost = rules.filter(({ check, place }) => check.kind === 'datagrams' && place.kind === 'host');
  return [...atPorts, ...atHost.flatMap((rule) => hostRules(rule, hook, ground, addresses))];
}

function knownFlow({ id }: ListRule): KernelRule {
  return { body: [ctState('established', 'related'), accept], comment: ruleComment(id) };
}

function lastRule(rule: ListRule): KernelRule {
  return { body: [goTo(ruleChain(rule))], comment: ruleComment(rule.id) };
}

function logChain(rule: ListRule): Chain {
  const comment = ruleComment(rule.id);
  const verdict = rule.verdict === 'deny' ? drop : accept;
  return {
    name: ruleChain(rule),
    rules: [
      { body: [logLimit, log(logPrefix(rule))], comment },
      { body: [verdict], comment },
    ],
  };
}
