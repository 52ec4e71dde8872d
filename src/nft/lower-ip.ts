// RuleList -> table `ip bk`: connections, services and the host's own traffic. Bridged packets come here through
// br_netfilter with the bridge as interface; the port they came in by follows from (bridge, source address), which the
// bridge table has proved.
import { everyIp, type IpSet, isWithin, ofFamily, printIpSet, unionIps } from '../model/ip-set.ts';
import { ctState, field, type Match, notField, notLookup } from '../model/match.ts';
import {
  type Check,
  type Ground,
  type GroundPort,
  type ListRule,
  type NamedIps,
  type RuleList,
  rulesOf,
} from '../model/rule-list.ts';
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
import { allowChain, entrancesOf } from './entrances.ts';
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
  // the first exceptions stand before the address checks, the others behind them
  const firstDeny = rules.findIndex(({ verdict }) => verdict === 'deny');
  const [early, late] = [rules.slice(0, firstDeny), rules.slice(firstDeny)];
  const withLogChain = rules.filter(
    (rule) => rule.log && (rule.place.kind !== 'port' || rule.verdict === 'accept') && !isLoggedInPlace(rule),
  );
  const hostChains = atHost
    .filter(({ check }) => check.kind === 'new-flows')
    .map((rule): Chain => ({ name: hostChain(rule), rules: flowRules(rule, addresses) }));
  const portChains = [...Map.groupBy(allowing, portName)].map(
    ([port, some]): Chain => ({
      name: allowChain(port),
      rules: some.flatMap((rule) => flowRules(rule, addresses, portOf.get(port))),
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
        : entrances.maps.map(
            ({ name: map, types }): KernelRule => ({
              body: [
                ctState('new'),
                { kind: 'vmap', fields: types.length === 1 ? ['iifname'] : ['iifname', 'ip saddr'], map },
              ],
            }),
          )),
      ...atHost
        .filter(({ check }) => check.kind === 'new-flows')
        .flatMap((rule) => hostRules(rule, name, list.ground, addresses)),
      ...everywhere.filter(({ check }) => check.kind === 'everything').map(lastRule),
    ]);
  const chains = [
    ...withLogChain.map(logChain),
    ...portChains,
    ...hostChains,
    ...entrances.chains,
    ...(['input', 'forward', 'output'] as const).map(hook),
  ];
  const sets = [...managedSets(list.ground), ...entrances.sets, ...addresses.sets()];
  return { family: 'ip', name: 'bk', sets, maps: entrances.maps, chains };
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

/**
 * Each condition less is a hundredth of what loading a thousand guests costs: what was asked on the way here is not asked
 * again. To the chain of a port lead new flows only, and to a guest's only those from its own addresses.
 */
function flowRules(rule: ListRule, addresses: AddressSets, port?: GroundPort): readonly KernelRule[] {
  if (rule.check.kind !== 'new-flows') return [];
  const comment = ruleComment(rule.id);
  const target = targetOf(rule);
  const own = ofFamily(port?.own?.ips ?? everyIp(4), 4);
  const alternatives = rule.check.flows.flatMap(({ source, from, to, service }) =>
    serviceMatches(service).map((matches) => [
      ...(from === undefined ? fromOwn(own, source) : addresses.match('ip saddr', from, false)),
      ...addresses.match('ip daddr', to, false),
      ...matches,
      ...(port === undefined ? [ctState('new')] : []),
    ]),
  );
  const [only, ...more] = alternatives;
  if (isLoggedInPlace(rule) && only !== undefined && more.length === 0) return logged(rule, only);
  return alternatives.map((matches) => ({ body: [...matches, ...counted(rule), target], comment }));
}

/** Some of a guest's addresses, if a line of the policy does not mean all of them. */
function fromOwn(own: IpSet, source: IpSet): readonly Match[] {
  return isWithin(own, source) ? [] : [field('ip saddr', ...ofFamily(source, 4))];
}

/** A rule of a port with one condition has its log line beside it: half of all chains would be there for such. */
function isLoggedInPlace({ log: isLogged, place, check }: ListRule): boolean {
  if (!isLogged || place.kind !== 'port' || check.kind !== 'new-flows') return false;
  return check.flows.flatMap(({ service }) => serviceMatches(service)).length === 1;
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
  return checkMatches(rule, addresses).map((matches) => ({
    body: [here, ...routed, ...matches, ...counted(rule), targetOf(rule)],
    comment: ruleComment(rule.id),
  }));
}

function hostChain({ place }: ListRule): string {
  return place.kind === 'host' ? `host_${place.direction}_${place.ifname}` : '';
}

function checkMatches({ check, id }: ListRule, addresses: AddressSets): readonly (readonly Match[])[] {
  const named = (end: string, ips: IpSet): NamedIps => ({ name: `${end} of ${id}`, ips });
  const match = (end: 'ip saddr' | 'ip daddr', ips: IpSet, negated: boolean) =>
    addresses.match(end, named(end, ips), negated);
  switch (check.kind) {
    case 'destination-not': {
      const guard = check.source === undefined ? [] : match('ip saddr', check.source, false);
      return [[...guard, ...match('ip daddr', check.ips, true)]];
    }
    case 'source-not': {
      const guard = check.destination === undefined ? [] : match('ip daddr', check.destination, false);
      return [[...guard, ...match('ip saddr', check.own.ips, true)]];
    }
    case 'source-is':
      return [match('ip saddr', check.ips, false)];
    case 'datagrams':
      return [
        datagramsAmong(
          { source: named('source', check.source), destination: named('destination', check.destination), check },
          addresses,
        ),
      ];
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
  const alike = Map.groupBy(
    atPorts,
    ({ source, destination, check: { sport, dport } }) => `${source.name} ${sport} ${destination.name} ${dport}`,
  );
  const passing = [...alike.values()].flatMap((some) => {
    const [first] = some;
    if (first === undefined) return [];
    const bridges = field('iifname', ...new Set(some.map(({ bridge }) => bridge)));
    return [{ body: [bridges, ...datagramsAmong(first, addresses), accept], comment: 'dhcp' }];
  });
  const atHost = rules.filter(({ check, place }) => check.kind === 'datagrams' && place.kind === 'host');
  return [...passing, ...atHost.flatMap((rule) => hostRules(rule, hook, ground, addresses))];
}

type Datagrams = Extract<Check, { kind: 'datagrams' }>;

type Among = { readonly source: NamedIps; readonly destination: NamedIps; readonly check: Datagrams };

function portDatagrams(check: Check, place: ListRule['place']): readonly (Among & { readonly bridge: string })[] {
  if (check.kind !== 'datagrams' || place.kind !== 'port') return [];
  const { mac: _checked, ...rest } = check;
  const { source = byAddress(check.source), destination = byAddress(check.destination) } = check.whole ?? {};
  return [{ bridge: place.bridge, source, destination, check: rest }];
}

function byAddress(ips: IpSet): NamedIps {
  return { name: printIpSet(ips), ips };
}

/** Every packet passes these rules: the guests among the addresses are elements, so that the rules stay as they are. */
function datagramsAmong({ source, destination, check }: Among, addresses: AddressSets): readonly Match[] {
  const [mac, ports] = datagramMatches(check);
  return [
    ...mac,
    ...addresses.match('ip saddr', source, false),
    ...addresses.match('ip daddr', destination, false),
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
  return { name: ruleChain(rule), rules: logged(rule, []) };
}

function logged(rule: ListRule, matches: readonly Match[]): readonly KernelRule[] {
  const comment = ruleComment(rule.id);
  return [
    { body: [...matches, logLimit, log(logPrefix(rule))], comment },
    { body: [...matches, count, rule.verdict === 'deny' ? drop : accept], comment },
  ];
}
