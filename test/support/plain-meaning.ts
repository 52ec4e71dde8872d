// The slow obvious version: what a list means, read from its rules alone. At every hop the first rule that matches
// decides. It knows nothing of chains, sets, maps and back ends; both lowered rulesets are held against it.
import type { Ip } from '../../src/model/ip.ts';
import { containsIp, type IpSet } from '../../src/model/ip-set.ts';
import type { Mac } from '../../src/model/mac.ts';
import type { CtState, TcpFlag } from '../../src/model/match.ts';
import type { Service } from '../../src/model/policy.ts';
import {
  type Check,
  type GroundBridge,
  type ListRule,
  type Place,
  type RuleList,
  rulesOf,
} from '../../src/model/rule-list.ts';

/** One visit to a filter, by the names that an administrator would use. */
export type PlainHop =
  /** From port to port of one bridge. */
  | { readonly kind: 'bridged'; readonly bridge: string; readonly in: string; readonly out: string }
  /** To the host itself; `port` when it came over a bridge to the bridge device. */
  | { readonly kind: 'input'; readonly iif: string; readonly port?: string }
  /** Through the host, from one of its interfaces to another, or back by the same. */
  | { readonly kind: 'routed'; readonly iif: string; readonly port?: string; readonly oif: string }
  /** From the host itself. */
  | { readonly kind: 'output'; readonly oif: string };

export type PlainPacket = {
  /** Of the sender's card, and of whose card the frame is for: no rule of the list asks for that one. */
  readonly mac: Mac;
  readonly toMac?: Mac;
  readonly source: Ip;
  readonly destination: Ip;
  readonly protocol: number;
  /** Of TCP and UDP. */
  readonly sport?: number;
  readonly dport?: number;
  /** Of TCP. */
  readonly flags?: readonly TcpFlag[];
  /** Of ICMP. */
  readonly type?: number;
  readonly code?: number;
};

export type PlainDecision = { readonly verdict: 'accept' | 'deny'; readonly rule?: ListRule };

/** Without a rule: the hop touches nothing that is managed. */
export function decidePlainly(list: RuleList, hop: PlainHop, packet: PlainPacket, state: CtState): PlainDecision {
  if (!isManaged(list, hop)) return { verdict: 'accept' };
  const from = isStranger(list, hop, 'in');
  const to = isStranger(list, hop, 'out');
  for (const rule of rulesOf(list)) {
    // behind a port that nobody knows is nobody: it sends nothing, and gets nothing but what the exceptions send to all
    if (from || (to && rule.verdict === 'deny')) return { verdict: 'deny', rule: lastRule(list) };
    if (isAt(rule.place, hop) && holds(rule.check, packet, state)) return { verdict: rule.verdict, rule };
  }
  throw new Error('a list ends in a rule for everything');
}

/**
 * What bridge tables alone can check: a frame that the host itself sends or routes out of a port of one of its bridges.
 * A bridge by which the host takes part in nothing sends nothing.
 */
export function decideLeaving(list: RuleList, bridge: string, port: string, packet: PlainPacket): 'accept' | 'deny' {
  const ground = list.ground.bridges.find(({ name }) => name === bridge);
  const known = ground !== undefined && knows(ground, port);
  if (!known && !isPatterned(list, port)) return 'accept';
  if (known && (ground.device === undefined || isClosed(ground, port))) return 'deny';
  const rules = rulesOf(list);
  const firstDeny = rules.findIndex(({ verdict }) => verdict === 'deny');
  for (const [index, { place, check, verdict }] of rules.entries()) {
    const toEverybody = index < firstDeny && check.kind === 'datagrams';
    const here = place.kind === 'port' && place.direction === 'out' && place.port === port;
    if (toEverybody && holds({ ...check, mac: packet.mac }, packet, 'new')) return verdict;
    if (here && holds(check, packet, 'new')) return verdict;
  }
  return known ? 'accept' : 'deny';
}

function lastRule(list: RuleList): ListRule {
  const last = rulesOf(list).at(-1);
  if (last === undefined) throw new Error('a list is never empty');
  return last;
}

function isManaged({ ground }: RuleList, hop: PlainHop): boolean {
  const guests = [...ground.bridges.map(({ name }) => name), ...ground.facing];
  switch (hop.kind) {
    case 'bridged':
      return guests.includes(hop.bridge);
    case 'input':
      return guests.includes(hop.iif) || ground.ruled.includes(hop.iif);
    case 'routed':
      return guests.includes(hop.iif) || guests.includes(hop.oif);
    case 'output':
      return guests.includes(hop.oif) || ground.ruled.includes(hop.oif);
  }
}

/** A port of a managed bridge that was not there when the list was made. */
function isStranger(list: RuleList, hop: PlainHop, direction: 'in' | 'out'): boolean {
  if (hop.kind === 'output' || (direction === 'out' && hop.kind !== 'bridged')) return false;
  const port = hop.kind === 'bridged' ? hop[direction] : hop.port;
  const bridge = list.ground.bridges.find(({ name }) => name === (hop.kind === 'bridged' ? hop.bridge : hop.iif));
  return port !== undefined && bridge !== undefined && !knows(bridge, port);
}

function knows({ ports }: GroundBridge, port: string): boolean {
  return ports.some(({ name }) => name === port);
}

function isClosed({ ports }: GroundBridge, port: string): boolean {
  return ports.some(({ name, kind }) => name === port && kind === 'closed');
}

function isPatterned({ ground }: RuleList, port: string): boolean {
  return ground.patterns.some((pattern) =>
    pattern.endsWith('*') ? port.startsWith(pattern.slice(0, -1)) : port === pattern,
  );
}

function isAt(place: Place, hop: PlainHop): boolean {
  switch (place.kind) {
    case 'everywhere':
      return true;
    case 'port':
      if (place.direction === 'out') return hop.kind === 'bridged' && hop.out === place.port;
      return hop.kind === 'bridged' ? hop.in === place.port : hop.kind !== 'output' && hop.port === place.port;
    case 'host':
      if (hop.kind === 'bridged') return false;
      if (place.direction === 'in') return hop.kind !== 'output' && hop.iif === place.ifname;
      return hop.kind !== 'input' && hop.oif === place.ifname;
  }
}

function holds(check: Check, packet: PlainPacket, state: CtState): boolean {
  const isFrom = (ips: IpSet) => containsIp(ips, packet.source);
  const isTo = (ips: IpSet) => containsIp(ips, packet.destination);
  switch (check.kind) {
    case 'destination-not':
      return (check.source === undefined || isFrom(check.source)) && !isTo(check.ips);
    case 'source-is':
      return isFrom(check.ips);
    case 'source-not': {
      const { ips, mac } = check.own;
      const own = isFrom(ips) && (mac === undefined || mac === packet.mac);
      return (check.destination === undefined || isTo(check.destination)) && !own;
    }
    case 'new-flows':
      return (
        state === 'new' &&
        check.flows.some(
          ({ source, destination, service }) => isFrom(source) && isTo(destination) && begins(service, packet),
        )
      );
    case 'datagrams':
      return (
        (check.mac === undefined || check.mac === packet.mac) &&
        isFrom(check.source) &&
        isTo(check.destination) &&
        packet.protocol === 17 &&
        packet.sport === check.sport &&
        packet.dport === check.dport
      );
    case 'known-flow':
      return state === 'established' || state === 'related';
    case 'everything':
      return true;
  }
}

/** May the packet be the first of a connection to this service? TCP begins with SYN and without ACK, FIN and RST. */
function begins(service: Service, { protocol, dport = -1, flags = [], type, code }: PlainPacket): boolean {
  const others: readonly TcpFlag[] = ['ack', 'fin', 'rst'];
  const syn = flags.includes('syn') && !others.some((flag) => flags.includes(flag));
  const isPort = (range: { readonly first: number; readonly last: number }) =>
    range.first <= dport && dport <= range.last;
  switch (service.kind) {
    case 'any':
      return protocol !== 6 || syn;
    case 'icmp':
      return protocol === 1 && type === service.type && (service.code === undefined || code === service.code);
    case 'tcp':
      return protocol === 6 && isPort(service.dport) && syn;
    case 'udp':
      return protocol === 17 && isPort(service.dport);
    case 'protocol':
      return protocol === service.protocol;
  }
}
