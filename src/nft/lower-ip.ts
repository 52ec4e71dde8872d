// RuleList -> table `ip bk`: connections, services and the host's own traffic. Bridged packets come here through
// br_netfilter with the bridge as interface; the port they came in by follows from (bridge, source address), which the
// bridge table has proved.
import { type IpSet, printIpSet, unionIps } from '../model/ip-set.ts';
import { ctState, field, type Match, notField, notLookup } from '../model/match.ts';
import { type Check, type Ground, type ListRule, type RuleList, rulesOf } from '../model/rule-list.ts';
import { logLimit, logPrefix, ruleComment } from '../model/rule-prefix.ts';
import {
  accept,
  type Chain,
  count,
  drop,
  goTo,
  jump,
  type KernelRule,
  log,
  type NamedSet,
  type Statement,
  type Table,
} from '../model/ruleset.ts';
import { serviceMatches } from '../model/service.ts';
import { AddressSets } from './address-sets.ts';
import { allowChain, enterMaps, entrancesOf, sharedChains } from './entrances.ts';
import { base, datagramMatches, ruleChain } from './parts.ts';

type Hook = 'input' | 'forward' | 'output';

export function ipTable(list: RuleList): Table {
  const rules = rulesOf(list);
  const allowing = rules.filter(({ place, check }) => place.kind === 'port' && check.kind === 'new-flows');
  const atHost = rules.filter(({ place }) => place.kind === 'host');
  const everywhere = rules.filter(({ place }) => place.kind === 'everywhere');
  const portOf = new Map(list.ground.bridges.flatMap(({ ports }) => ports).map((port) => [port.name, port]));
  const guestIps = unionIps(...list.ground.bridges.flatMap(ownIps));
  const addresses = new AddressSets(guestIps);
  const entrances = entrancesOf(
    [...new Set(allowing.map(portName))].flatMap((name) => portOf.get(name) ?? []),
    guestIps,
  );
  const maps = enterMaps(entrances);
  // the first exceptions stand before the address checks, the others behind them
  const firstDeny = rules.findIndex(({ verdict }) => verdict === 'deny');
  const [early, late] = [rules.slice(0, firstDeny), rules.slice(firstDeny)];
  const logged = rules.filter((rule) => rule.log && (rule.place.kind !== 'port' || rule.verdict === 'accept'));
  const hostChains = atHost
    .filter(({ check }) => check.kind === 'new-flows')
    .map((rule): Chain => ({ name: hostChain(rule), rules: flowRules(rule, addresses) }));
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
    ...hostChains,
    ...sharedChains(entrances),
    ...(['input', 'forward', 'output'] as const).map(hook),
  ];
  return { family: 'ip', name: 'bk', sets: [...managedSets(list.ground), ...addresses.sets()], maps, chains };
}

function ownIps({ ports }: Ground['bridges'][number]): readonly IpSet[] {
  return ports.map(({ own }) => own?.ips ?? []);
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
        ...counted(rule),
        target,
      ],
      comment,
    })),
  );
}

/** What is logged is counted in its log chain. */
function counted({ log: logged }: ListRule): readonly Statement[] {
  return logged ? [] : [count];
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
  // connections change with the policy and its guests, and what every packet passes should not
  if (rule.check.kind === 'new-flows') return [{ body: [here, ...routed, jump(hostChain(rule))] }];
  return checkMatches(rule.check, addresses).map((matches) => ({
    body: [here, ...routed, ...matches, ...counted(rule), targetOf(rule)],
    comment: ruleComment(rule.id),
  }));
}

function hostChain({ place }: ListRule): string {
  return place.kind === 'host' ? `host_${place.direction}_${place.ifname}` : '';
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
      return [datagramsAmong(check, addresses)];
    case 'everything':
      return [[]];
    case 'new-flows':
    case 'known-flow':
      return [];
  }
}

/**
 * Of ports first: the bridge table has checked port and MAC of them; here they pass once for all ports of a bridge, or
 * every packet would be asked about every guest.
 */
function exceptions(
  rules: readonly ListRule[],
  hook: Hook,
  ground: Ground,
  addresses: AddressSets,
): readonly KernelRule[] {
  const atPorts = hook === 'output' ? [] : rules.flatMap(({ check, place }) => portDatagrams(check, place));
  const byBridge = Map.groupBy(atPorts, ({ bridge, check }) => `${bridge} ${datagramsKey(check, false)}`);
  const perBridge = [...byBridge.values()].flatMap(together);
  const alike = Map.groupBy(perBridge, ({ check }) => datagramsKey(check, true));
  const passing = [...alike.values()].flatMap((some) => {
    const [first] = some;
    if (first === undefined) return [];
    const bridges = field('iifname', ...some.map(({ bridge }) => bridge));
    return [{ body: [bridges, ...datagramsAmong(first.check, addresses), accept], comment: 'dhcp' }];
  });
  const atHost = rules.filter(({ check, place }) => check.kind === 'datagrams' && place.kind === 'host');
  return [...passing, ...atHost.flatMap((rule) => hostRules(rule, hook, ground, addresses))];
}

type PortDatagrams = { readonly bridge: string; readonly check: Datagrams };

function portDatagrams(check: Check, place: ListRule['place']): readonly PortDatagrams[] {
  if (check.kind !== 'datagrams' || place.kind !== 'port') return [];
  const { mac: _checked, ...rest } = check;
  return [{ bridge: place.bridge, check: rest }];
}

/** Those of one bridge that differ in their sources only. */
function together(some: readonly PortDatagrams[]): readonly PortDatagrams[] {
  const [first] = some;
  if (first === undefined) return [];
  const source = unionIps(...some.map(({ check }) => check.source));
  return [{ bridge: first.bridge, check: { ...first.check, source } }];
}

function datagramsKey({ source, destination, sport, dport }: Datagrams, whole: boolean): string {
  return `${whole ? printIpSet(source) : ''} ${printIpSet(destination)} ${sport} ${dport}`;
}

type Datagrams = Extract<Check, { kind: 'datagrams' }>;

/** Every packet passes these rules: the guests among the addresses are elements, so that the rules stay as they are. */
function datagramsAmong(check: Datagrams, addresses: AddressSets): readonly Match[] {
  const [mac, ports] = datagramMatches(check);
  return [
    ...mac,
    ...addresses.match('ip saddr', check.source, false),
    ...addresses.match('ip daddr', check.destination, false),
    ...ports,
  ];
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
      { body: [count, verdict], comment },
    ],
  };
}
