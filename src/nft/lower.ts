// RuleList -> two nft tables. `bridge bk` binds addresses and ARP to ports: one look-up accepts what no DENY rule can
// match; everything else goes to a small chain of its port: at a guest's to what its denial is, at another to the numbered
// checks in the list's order.
// `ip bk` decides connections, services and the host's own traffic. Hot-plugging a guest changes elements.

import { exactly } from '../model/field.ts';
import { printIpSet } from '../model/ip-set.ts';
import { broadcastMac } from '../model/mac.ts';
import { field, lookup, type Match, notField, notLookup } from '../model/match.ts';
import { type Ground, type GroundPort, type ListRule, type RuleList, rulesOf } from '../model/rule-list.ts';
import { ruleComment } from '../model/rule-prefix.ts';
import {
  accept,
  type Chain,
  count,
  drop,
  goTo,
  jump,
  type KernelRule,
  type Ruleset,
  returnToCaller,
  type VerdictMap,
} from '../model/ruleset.ts';
import { bridgeSets, deviceMacs } from './bridge-sets.ts';
import { type GuestPorts, guestPorts } from './guest-ports.ts';
import { ipTable } from './lower-ip.ts';
import { base, type Has, isArp, isIp, isRarp, plainDatagrams, portChain, ruleChain } from './parts.ts';
import { denyChain, inChain, outChain } from './port-chains.ts';

export type NftOptions = {
  /** `unchecked` lets every ARP frame pass, as a host with iptables alone does; for showing what that means. */
  readonly arp: 'bound' | 'unchecked';
};

export function lowerNft(list: RuleList, options: NftOptions): Ruleset {
  return { backend: 'nft', tables: [bridgeTable(list, options), ipTable(list)] };
}

function bridgeTable(list: RuleList, options: NftOptions): Ruleset['tables'][number] {
  const rules = rulesOf(list);
  const ports = list.ground.bridges.flatMap((bridge) => bridge.ports);
  const atPort = Map.groupBy(rules, ({ place }) => (place.kind === 'port' ? `${place.direction} ${place.port}` : ''));
  const rest = rules.find(({ check, place }) => place.kind === 'everywhere' && check.kind === 'everything');
  const sets = bridgeSets(list.ground);
  const has = (name: string) => sets.some((set) => set.name === name);
  const rulesAt = (direction: 'in' | 'out', port: GroundPort) => atPort.get(`${direction} ${port.name}`) ?? [];
  const guests = guestPorts(ports, rulesAt);
  const others = ports.filter((port) => !guests.has(port));
  const into = others.map((port) => inChain(port, rulesAt('in', port), rest, has));
  const out = others.map((port) => outChain(port, rulesAt('out', port), rest, has));
  const ruled = new Set(others.map(({ name }) => name));
  const denying = rules.filter(
    ({ place, verdict }) =>
      verdict === 'deny' && (place.kind === 'host' || (place.kind === 'port' && ruled.has(place.port))),
  );
  const atHost = (bridge: string, what: string) => rules.find(({ id }) => id === `host/${bridge}/${what}`);
  const patterns = list.ground.patterns;
  return {
    family: 'bridge',
    name: 'bk',
    sets: [...sets, ...guests.sets],
    maps: [
      portMap('in_ports', others, 'in'),
      portMap('out_ports', others, 'out'),
      ...guests.maps,
      ...hostArpMap(list.ground, atHost, options),
    ],
    chains: [
      ...[...denying, ...(rest === undefined ? [] : [rest])].map((rule) => denyChain(rule, rule !== rest)),
      ...(options.arp === 'bound' ? [arpChain(has)] : []),
      ...into,
      ...out,
      ...guests.chains,
      { name: 'leave', rules: leaveRules(rules, guests, has, patterns, rest) },
      base('prerouting', 'prerouting', -300, prerouting(guests, has, options, patterns, rest)),
      base('forward', 'forward', -200, [...strangers(rest), { body: [jump('leave')] }]),
      base('output', 'output', -200, outputRules(rules, list.ground, has, options, rest)),
      base('input', 'input', -200, inputRules(list.ground, atHost, has, rest)),
    ],
  };
}

/** Before the bridge learns the sender's MAC and before connection tracking: a forged frame must not reach either. */
function prerouting(
  guests: GuestPorts,
  has: Has,
  options: NftOptions,
  patterns: readonly string[],
  rest: ListRule | undefined,
): readonly KernelRule[] {
  const sources: readonly Match[][] = [
    [lookup('own_mac', 'iifname', 'ether saddr', 'ip saddr')],
    [lookup('own_free', 'iifname', 'ip saddr')],
    ...crossings('iifname', 'ip saddr', 'ip daddr', has),
  ].filter((matches) => matches.every(({ set }) => has(set)));
  return [
    // nft lists the first one as implied, and would load that as a condition that sees through VLAN tags
    ...sources.map((matches) => ({ body: [isIp, ...matches, isIp, accept] })),
    { body: [isArp, options.arp === 'bound' ? jump('arp_in') : accept] },
    ...(has('station') ? [{ body: [isRarp, toEverybody, lookup('station', 'iifname', 'ether saddr'), accept] }] : []),
    { body: [{ kind: 'vmap', fields: ['iifname'], map: 'in_ports' }] },
    ...guests.into,
    ...closedPatterns('iifname', patterns, rest),
    otherFrames('iifname', rest),
  ];
}

const toEverybody = field('ether daddr', exactly(broadcastMac));

type AtHost = (bridge: string, what: string) => ListRule | undefined;

/** The host's own frames: nothing by a bridge on which it has no address, and ARP in its own name only. */
function outputRules(
  rules: readonly ListRule[],
  { bridges, patterns }: Ground,
  has: Has,
  options: NftOptions,
  rest: ListRule | undefined,
): readonly KernelRule[] {
  const mute = { body: [lookup('mute', 'oifname'), count, drop] };
  // where the host speaks by no bridge device nothing of ours leaves here, and what asks for guests need not be there twice
  if (bridges.every(({ device }) => device === undefined)) {
    return [mute, { body: [isArp, accept] }, ...broadcasts(rules), ...closedPatterns('oifname', patterns, rest)];
  }
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

/** From one side of a border port to the other; ranges live in interval sets, which are slower. */
function crossings(end: 'iifname' | 'oifname', far: 'ip saddr' | 'ip daddr', near: 'ip saddr' | 'ip daddr', has: Has) {
  return ['behind', 'behind_net']
    .filter(has)
    .flatMap((farSet) =>
      ['near', 'near_net'].filter(has).map((nearSet) => [lookup(farSet, end, far), lookup(nearSet, end, near)]),
    );
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

/** The sender of ARP must be who lives there; a probe (RFC 5227) has no sender address and asks for an own one. */
function arpChain(has: Has): Chain {
  const nobody = field('arp saddr ip', exactly(0));
  const senders = (end: 'arp saddr ip' | 'arp daddr ip', guard: readonly Match[]): readonly KernelRule[] =>
    [
      lookup('arp_bound', 'iifname', 'ether saddr', 'arp saddr ether', end),
      lookup('arp_free', 'iifname', end),
      lookup('arp_free_net', 'iifname', end),
    ]
      .filter(({ set }) => has(set))
      .map((match) => ({ body: [...guard, match, accept] }));
  return {
    name: 'arp_in',
    rules: [
      // request and reply (RFC 826); there is no other honest operation
      { body: [notField('arp operation', exactly(1), exactly(2)), returnToCaller] },
      ...senders('arp saddr ip', []),
      ...senders('arp daddr ip', [nobody]),
    ],
  };
}

/** A port that appeared on a managed bridge after the rules were loaded: nothing goes from it to ours, or from ours to it. */
function strangers(rest: ListRule | undefined): readonly KernelRule[] {
  const target = rest === undefined ? drop : goTo(ruleChain(rest));
  const comment = { comment: 'stranger' };
  return [
    { body: [lookup('ports', 'iifname'), notLookup('ports', 'oifname'), target], ...comment },
    { body: [notLookup('ports', 'iifname'), lookup('ports', 'oifname'), target], ...comment },
  ];
}

function leaveRules(
  rules: readonly ListRule[],
  guests: GuestPorts,
  has: Has,
  patterns: readonly string[],
  rest: ListRule | undefined,
): readonly KernelRule[] {
  const crossing = crossings('oifname', 'ip daddr', 'ip saddr', has);
  return [
    { body: [isIp, lookup('own', 'oifname', 'ip daddr'), notLookup('own', 'oifname', 'ip saddr'), accept] },
    ...crossing.map((matches) => ({ body: [isIp, ...matches, accept] })),
    // senders were proved where the frame came in
    { body: [lookup('closed', 'oifname'), count, drop] },
    { body: [isArp, accept] },
    // a migrated guest's announcement is for bridges to learn from, not for other guests
    ...(has('border') ? [{ body: [isRarp, lookup('border', 'oifname'), accept] }] : []),
    ...broadcasts(rules),
    { body: [{ kind: 'vmap', fields: ['oifname'], map: 'out_ports' }] },
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
      body: [isIp, ...plainDatagrams(rest), accept],
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
