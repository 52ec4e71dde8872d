// RuleList -> two nft tables. `bridge bk` binds addresses and ARP to ports: one look-up accepts what no DENY rule can
// match; everything else goes to a small chain of its port: at a guest's to what its denial is, at another to what may pass
// there and the numbered checks in the list's order.
// `ip bk` decides connections, services and the host's own traffic. Hot-plugging a guest changes elements.

import { exactly } from '../model/field.ts';
import { printIpSet, unionIps } from '../model/ip-set.ts';
import { field, lookup, notLookup } from '../model/match.ts';
import { type Ground, type GroundPort, type ListRule, type RuleList, rulesOf } from '../model/rule-list.ts';
import { ruleComment } from '../model/rule-prefix.ts';
import { accept, count, drop, goTo, jump, type KernelRule, type Ruleset, type VerdictMap } from '../model/ruleset.ts';
import { type ArpChecks, announcement, arpChain, arpRule } from './arp.ts';
import { borderPorts } from './border-ports.ts';
import { bridgeSets, deviceMacs, isMute } from './bridge-sets.ts';
import { type GuestPorts, guestPorts } from './guest-ports.ts';
import { ipTable } from './lower-ip.ts';
import { acceptIp, base, type Has, isArp, isIp, plainDatagrams, portChain, ruleChain } from './parts.ts';
import { denyChain, inChain, outChain } from './port-chains.ts';

export type NftOptions = { readonly arp: ArpChecks };

export function lowerNft(list: RuleList, options: NftOptions): Ruleset {
  return { backend: 'nft', tables: [bridgeTable(list, options), ipTable(list)] };
}

function bridgeTable(list: RuleList, options: NftOptions): Ruleset['tables'][number] {
  const rules = rulesOf(list);
  const ports = list.ground.bridges.flatMap((bridge) => bridge.ports);
  const guestIps = unionIps(...ports.map(({ own }) => own?.ips ?? []));
  const atPort = Map.groupBy(rules, ({ place }) => (place.kind === 'port' ? `${place.direction} ${place.port}` : ''));
  const rest = rules.find(({ check, place }) => place.kind === 'everywhere' && check.kind === 'everything');
  const sets = bridgeSets(list.ground, guestIps);
  const has = (name: string) => sets.some((set) => set.name === name);
  const rulesAt = (direction: 'in' | 'out', port: GroundPort) => atPort.get(`${direction} ${port.name}`) ?? [];
  const guests = guestPorts(ports, rulesAt);
  const borders = borderPorts(list.ground.bridges, guestIps);
  const others = ports.filter((port) => !guests.has(port));
  // what goes to a closed port ends before the rules of the list are asked
  const open = others.filter(({ kind }) => kind !== 'closed');
  const early = broadcasts(rules);
  const toEarly = early.length === 0 ? [] : [{ body: [isIp, jump('broadcasts')] }];
  const about = { borders, broadcasts: toEarly, rest, arp: options.arp };
  const ruled = { in: byName(others), out: byName(open) };
  const portOf = ({ place }: ListRule): GroundPort | undefined =>
    place.kind === 'port' ? ruled[place.direction].get(place.port) : undefined;
  const atHosts = rules.filter(({ place }) => place.kind === 'host');
  const denying = [...rules.filter((rule) => portOf(rule) !== undefined), ...atHosts].filter(
    ({ verdict }) => verdict === 'deny',
  );
  const atHost = (bridge: string, what: string) => atHosts.find(({ id }) => id === `host/${bridge}/${what}`);
  const patterns = list.ground.patterns;
  return {
    family: 'bridge',
    name: 'bk',
    sets: [...sets, ...borders.sets, ...guests.sets],
    maps: [
      portMap('in_ports', others, 'in'),
      portMap('out_ports', open, 'out'),
      ...guests.maps,
      ...hostArpMap(list.ground, atHost, options),
    ],
    chains: [
      ...[...denying, ...(rest === undefined ? [] : [rest])].map((rule) => denyChain(rule, portOf(rule))),
      ...(options.arp === 'bound' ? [arpChain(has)] : []),
      ...others.map((port) => inChain(port, rulesAt('in', port), about)),
      ...open.map((port) => outChain(port, rulesAt('out', port), about)),
      ...guests.chains,
      ...(early.length === 0 ? [] : [{ name: 'broadcasts', rules: early }]),
      { name: 'strangers', rules: strangers(rest) },
      { name: 'leave', rules: leaveRules(toEarly, guests, patterns, rest) },
      base('prerouting', 'prerouting', -300, prerouting(guests, has, options, patterns, rest)),
      base('forward', 'forward', -200, forward),
      base('output', 'output', -200, outputRules(toEarly, list.ground, has, options, rest)),
      base('input', 'input', -200, inputRules(list.ground, atHost, has, rest)),
    ],
  };
}

function byName(ports: readonly GroundPort[]): ReadonlyMap<string, GroundPort> {
  return new Map(ports.map((port) => [port.name, port]));
}

/**
 * Before the bridge learns the sender's MAC and before connection tracking: a forged frame must not reach either. A guest's
 * packet passes by the first look-up; what comes in by another port is decided in this port's chain.
 */
function prerouting(
  guests: GuestPorts,
  has: Has,
  { arp }: NftOptions,
  patterns: readonly string[],
  rest: ListRule | undefined,
): readonly KernelRule[] {
  const sources = [
    lookup('own_mac', 'iifname', 'ether saddr', 'ip saddr'),
    lookup('own_free', 'iifname', 'ip saddr'),
  ].filter(({ set }) => has(set));
  return [
    ...sources.map((match) => ({ body: acceptIp(match) })),
    { body: [{ kind: 'vmap', fields: ['iifname'], map: 'in_ports' }] },
    arpRule(arp),
    announcement(lookup('station', 'iifname', 'ether saddr')),
    ...guests.into,
    ...closedPatterns('iifname', patterns, rest),
    otherFrames('iifname', rest),
  ];
}

type AtHost = (bridge: string, what: string) => ListRule | undefined;

/** The host's own frames: nothing by a bridge on which it has no address, and ARP in its own name only. */
function outputRules(
  early: readonly KernelRule[],
  { bridges, patterns }: Ground,
  has: Has,
  options: NftOptions,
  rest: ListRule | undefined,
): readonly KernelRule[] {
  // where the host speaks by no bridge device nothing of ours leaves here, and what asks for guests need not be there twice
  if (isMute(bridges)) {
    const mute = { body: [lookup('ports', 'oifname'), count, drop] };
    return [mute, { body: [isArp, accept] }, ...early, ...closedPatterns('oifname', patterns, rest)];
  }
  const mute = { body: [lookup('mute', 'oifname'), count, drop] };
  const honest = [
    lookup('arp_host', 'oifname', 'arp saddr ether', 'arp saddr ip'),
    lookup('arp_host_free', 'oifname', 'arp saddr ip'),
    lookup('arp_host_free_net', 'oifname', 'arp saddr ip'),
  ].filter(({ set }) => has(set));
  const arp: readonly KernelRule[] = [
    ...honest.map((match) => ({ body: [isArp, match, accept] })),
    { body: [isArp, { kind: 'vmap', fields: ['oifname'], map: 'host_arp' }] },
  ];
  return [mute, ...(honest.length > 0 && options.arp === 'bound' ? arp : []), { body: [jump('leave')] }];
}

/** Where a lie of the host in ARP ends: with the rule about the sources of its bridge device. */
function hostArpMap({ bridges }: Ground, atHost: AtHost, { arp }: NftOptions): readonly VerdictMap[] {
  if (arp === 'unchecked') return [];
  const elements = bridges.flatMap(({ name, ports, device }) => {
    const rule = atHost(name, 'out/source');
    if (device === undefined || rule === undefined) return [];
    return ports.map((port) => ({ key: [port.name], verdict: { kind: 'goto', chain: ruleChain(rule) } as const }));
  });
  const speaking = bridges.some(({ device }) => device !== undefined);
  return speaking ? [{ name: 'host_arp', types: ['ifname'], interval: false, elements }] : [];
}

/**
 * What is sent to a bridge device's own MAC comes by a port that is known, and must be for the host, or for whom it routes
 * to: else it is redirected. By the MAC, as not every kernel can say which bridge a port is on.
 */
function inputRules({ bridges }: Ground, atHost: AtHost, has: Has, rest: ListRule | undefined): readonly KernelRule[] {
  const target = rest === undefined ? drop : goTo(ruleChain(rest));
  const notUp = ['up', 'up_net'].filter(has).map((set) => notLookup(set, 'ether daddr', 'ip daddr'));
  return bridges.flatMap(({ name, device }) => {
    const rule = atHost(name, 'in/destination');
    const macs = deviceMacs(device).map(exactly);
    if (rule === undefined || macs.length === 0) return [];
    return [
      { body: [field('ether daddr', ...macs), notLookup('ports', 'iifname'), target], comment: 'stranger' },
      { body: [isIp, field('ether daddr', ...macs), ...notUp, goTo(ruleChain(rule))], comment: ruleComment(rule.id) },
    ];
  });
}

/** Interface names match before the interface exists: between a guest's start and its rules nothing slips through. */
function closedPatterns(
  end: 'iifname' | 'oifname',
  patterns: readonly string[],
  rest: ListRule | undefined,
): readonly KernelRule[] {
  const target = rest === undefined ? drop : goTo(ruleChain(rest));
  return patterns.map((pattern) => ({ body: [field(end, pattern), target] }));
}

/**
 * No other kind of frame passes at a guest's port. Of those at other ports none comes here; but a frame that sees a map
 * between two generations of it must not find the policy of the chain, which lets pass what is none of ours.
 */
function otherFrames(end: 'iifname' | 'oifname', rest: ListRule | undefined): KernelRule {
  return { body: [lookup('ports', end), rest === undefined ? drop : goTo(ruleChain(rest))], comment: 'other-frame' };
}

/**
 * One way leads to the chain behind which the chains of all guests are: whenever one of them comes, older kernels follow
 * every way to its end.
 */
const forward: readonly KernelRule[] = [
  { body: [notLookup('ports', 'iifname'), jump('strangers')] },
  { body: [notLookup('ports', 'oifname'), jump('strangers')] },
  { body: [jump('leave')] },
];

/**
 * A port that appeared on a managed bridge after the rules were loaded: nothing goes from it to ours, or from ours to it. What
 * passes between two that nobody knows goes on, as one of them may have a guest port's name.
 */
function strangers(rest: ListRule | undefined): readonly KernelRule[] {
  const target = rest === undefined ? drop : goTo(ruleChain(rest));
  return (['iifname', 'oifname'] as const).map((end) => ({
    body: [lookup('ports', end), target],
    comment: 'stranger',
  }));
}

function leaveRules(
  early: readonly KernelRule[],
  guests: GuestPorts,
  patterns: readonly string[],
  rest: ListRule | undefined,
): readonly KernelRule[] {
  return [
    { body: acceptIp(lookup('own', 'oifname', 'ip daddr'), notLookup('own', 'oifname', 'ip saddr')) },
    { body: [{ kind: 'vmap', fields: ['oifname'], map: 'out_ports' }] },
    { body: [lookup('closed', 'oifname'), count, drop] },
    // senders were proved where the frame came in
    { body: [isArp, accept] },
    ...early,
    ...guests.out,
    ...closedPatterns('oifname', patterns, rest),
    otherFrames('oifname', rest),
  ];
}

/** DHCP's exceptions stand before every check; port and sender were proved where the frame came in. */
function broadcasts(rules: readonly ListRule[]): readonly KernelRule[] {
  const checks = rules.findIndex(({ verdict }) => verdict === 'deny');
  const kept = new Map<string, KernelRule>();
  for (const { check } of rules.slice(0, checks < 0 ? rules.length : checks)) {
    if (check.kind !== 'datagrams') continue;
    const { mac: _proved, ...rest } = check;
    kept.set(`${rest.sport} ${printIpSet(rest.source)}`, {
      body: acceptIp(...plainDatagrams(rest)),
      comment: 'dhcp',
    });
  }
  return [...kept.values()];
}

function portMap(name: string, ports: readonly GroundPort[], direction: 'in' | 'out'): VerdictMap {
  const elements = ports.map((port) => ({
    key: [port.name],
    verdict: { kind: 'goto', chain: portChain(direction, port) } as const,
  }));
  return { name, types: ['ifname'], interval: false, elements };
}
