// Might this connection begin now? The first packet of its tuple, in the direction of the one who opened it, is asked of
// the rules at every hook between the ports that its addresses are behind, by the simulator's own evaluation.
import type { Host } from '../model/host.ts';
import { type Ip, prefixContains, sameIp } from '../model/ip.ts';
import { containsIp } from '../model/ip-set.ts';
import type { Mac } from '../model/mac.ts';
import { type GroundBridge, type GroundPort, type RuleList, rulesOf } from '../model/rule-list.ts';
import type { Ruleset } from '../model/ruleset.ts';
import type { Packet } from '../packet/packet.ts';
import { Firewall } from '../simulate/evaluate.ts';
import { firstPacket, type Seen } from './first-packet.ts';
import { isTranslated, type TrackedFlow } from './tracked-flow.ts';
import { crossing, type Visit } from './visits.ts';

/** Where an address may be, seen from one bridge: behind a port, or up the bridge's own device. */
type End =
  | { readonly kind: 'port'; readonly port: GroundPort; readonly mac: Mac }
  | { readonly kind: 'device'; readonly mac: Mac };

/** A way over one bridge; `into` and `outOf` are the host's interface where it begins or ends at the host. */
type Crossing = { readonly bridge: string; readonly from: End; readonly to: End };

/** `mac` is the sender's, as the host sees it there. */
type HostSide = { readonly ifname: string; readonly mac: Mac; readonly physin?: string };

const nobody: Mac = 0x02_00_00_00_00_01;

/** For many connections and one ruleset: what it found out about addresses is kept. */
export class FlowJudge {
  readonly #list: RuleList;
  readonly #host: Host;
  readonly #firewall: Firewall;
  readonly #managed: ReadonlySet<string>;
  readonly #datagramPorts: ReadonlySet<number>;
  readonly #ends = new Map<bigint, ReadonlyMap<string, readonly End[]>>();
  readonly #known = new Map<string, boolean>();

  constructor({
    ruleset,
    list,
    host,
  }: {
    readonly ruleset: Ruleset;
    readonly list: RuleList;
    readonly host: Host;
  }) {
    this.#list = list;
    this.#host = host;
    this.#firewall = new Firewall(ruleset);
    const { bridges, facing, ruled } = list.ground;
    this.#managed = new Set([...bridges.map(({ name }) => name), ...facing, ...ruled]);
    this.#datagramPorts = new Set(
      rulesOf(list).flatMap(({ check }) => (check.kind === 'datagrams' ? [check.dport] : [])),
    );
  }

  /** True also for what our rules have no say in: it touches no managed bridge and no interface that the policy rules. */
  allows(flow: TrackedFlow): boolean {
    const key = this.#keyOf(flow);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const allowed = this.#decide(flow);
    this.#known.set(key, allowed);
    return allowed;
  }

  /** What the answer depends on: of a client's own port only DHCP's exceptions ask. */
  #keyOf({ protocol, original, reply }: TrackedFlow): string {
    const { source, destination, sport, dport, type, code } = original;
    const own = this.#datagramPorts.has(dport ?? -1) ? sport : '';
    const seen = `${source.bits} ${destination.bits} ${dport} ${type} ${code} ${own}`;
    return `${protocol} ${seen} ${reply.source.bits} ${reply.destination.bits} ${reply.sport}`;
  }

  #decide(flow: TrackedFlow): boolean {
    const { source } = flow.original;
    // where addresses are translated the rules see the destination's own, and the source's as it was
    const destination = flow.reply.source;
    if (isToMany(destination)) return true;
    const [fromHost, toHost] = [this.#isOwn(source), this.#isOwn(destination)];
    if (fromHost && toHost) return true;
    const peer = fromHost ? destination : source;
    if ((fromHost || toHost) && !this.#isManagedWay(peer)) return true;
    const crossings = this.#crossings(source, destination);
    if (crossings.length === 0) return fromHost || toHost ? this.#atHost(flow, []) : !this.#isHere(source, destination);
    // both behind one port: nothing of it crosses this bridge
    const crossed = crossings.filter((some) => !some.some(({ from, to }) => isSameEnd(from, to)));
    const passed = crossed.map((some) => some.filter((one) => this.#crosses(one, flow)));
    if (passed.some((some) => some.length === 0)) return false;
    const ways = passed.flat();
    const throughHost = fromHost || toHost || ways.some(({ from, to }) => isHostEnd(from) || isHostEnd(to));
    return !throughHost || this.#atHost(flow, ways);
  }

  #isOwn(ip: Ip): boolean {
    return this.#host.interfaces.some(({ addresses }) => addresses.some((own) => sameIp(own, ip)));
  }

  /** Where no route is known it may be. */
  #isManagedWay(ip: Ip): boolean {
    const ifname = this.#route(ip);
    return ifname === undefined || this.#managed.has(ifname);
  }

  /** The interface by which the host speaks with an address: the longest prefix, as ip-route(8) says. */
  #route(ip: Ip): string | undefined {
    const { interfaces, routes } = this.#host;
    const direct = interfaces.flatMap(({ name, addresses }) => addresses.map((to) => ({ to, dev: name })));
    const found = [
      ...direct,
      ...routes.map(({ to, via, dev }) => ({
        to,
        dev: dev ?? direct.find((one) => via !== undefined && prefixContains(one.to, via))?.dev,
      })),
    ].filter(({ to }) => prefixContains(to, ip));
    return found.toSorted((a, b) => b.to.length - a.to.length)[0]?.dev;
  }

  /** Behind a guest's port or an uplink: what it sends or gets does come by a managed bridge. */
  #isHere(...ips: readonly Ip[]): boolean {
    return ips.some((ip) =>
      [...this.#endsOf(ip).values()].some((ends) =>
        ends.some((end) => end.kind === 'port' && (end.port.kind === 'guest' || end.port.kind === 'uplink')),
      ),
    );
  }

  #endsOf(ip: Ip): ReadonlyMap<string, readonly End[]> {
    const known = this.#ends.get(ip.bits);
    if (known !== undefined) return known;
    const found = new Map(
      this.#list.ground.bridges
        .map((bridge) => [bridge.name, this.#endsAt(bridge, ip)] as const)
        .filter(([, ends]) => ends.length > 0),
    );
    this.#ends.set(ip.bits, found);
    return found;
  }

  #endsAt({ name, ports, device }: GroundBridge, ip: Ip): readonly End[] {
    const own = this.#host.interfaces.find((one) => one.name === name)?.mac ?? nobody;
    const up: readonly End[] =
      device !== undefined && containsIp(device.behind, ip) ? [{ kind: 'device', mac: own }] : [];
    const behind = ports.filter((port) => containsIp(port.behind, ip));
    return [...up, ...behind.map((port): End => ({ kind: 'port', port, mac: port.own?.mac ?? nobody }))];
  }

  /** For each bridge that lies between the two, the ways over it: several where uplinks lead to the same outside. */
  #crossings(source: Ip, destination: Ip): readonly (readonly Crossing[])[] {
    const to = this.#endsOf(destination);
    return [...this.#endsOf(source)].flatMap(([bridge, froms]) => {
      const tos = to.get(bridge) ?? [];
      const some = froms.flatMap((from) => tos.map((end) => ({ bridge, from, to: end })));
      return some.length === 0 ? [] : [some];
    });
  }

  #crosses({ bridge, from, to }: Crossing, flow: TrackedFlow): boolean {
    const ether = { source: from.mac, destination: to.mac };
    const visits = visitsOf(bridge, from, to);
    // a bridge checks addresses only, in every state; which of two it sees where they are translated is not ours to know
    const asked = isTranslated(flow) ? visits.filter(({ family }) => family === 'ip') : visits;
    return this.#pass(firstPacket(seenOf(flow), ether), asked);
  }

  /** The host's own hook: what it hears, sends, or routes from one of its interfaces to another. */
  #atHost(flow: TrackedFlow, ways: readonly Crossing[]): boolean {
    const { source } = flow.original;
    const destination = flow.reply.source;
    const into = this.#isOwn(source) ? [] : this.#sides(ways, 'to', source);
    const out = this.#isOwn(destination) ? [] : this.#sides(ways, 'from', destination);
    return hostVisits(into, out).some(({ mac, visit }) =>
      this.#pass(firstPacket(seenOf(flow), { source: mac, destination: nobody }), [visit]),
    );
  }

  /** The host's interfaces at the ends of the ways; by the route to an address that none of our bridges leads to. */
  #sides(ways: readonly Crossing[], end: 'from' | 'to', ip: Ip): readonly HostSide[] {
    const found = ways.flatMap((way): readonly HostSide[] => {
      const ifname = this.#hostIfname(way.bridge, way[end]);
      if (ifname === undefined) return [];
      const physin =
        end === 'to' && way.to.kind === 'device' && way.from.kind === 'port' ? way.from.port.name : undefined;
      return [{ ifname, mac: way.from.mac, ...(physin === undefined ? {} : { physin }) }];
    });
    return found.length > 0 ? found : [{ ifname: this.#route(ip) ?? '', mac: nobody }];
  }

  #hostIfname(bridge: string, end: End): string | undefined {
    if (end.kind === 'device') return bridge;
    if (end.port.kind !== 'host') return undefined;
    return this.#host.bridges.flatMap(({ ports }) => ports).find(({ name }) => name === end.port.name)?.peer;
  }

  #pass(packet: Packet, visits: readonly Visit[]): boolean {
    return visits.every(({ family, hook, ways }) => {
      const view = { packet, ctState: 'new', mark: 0, ...ways } as const;
      return this.#firewall.decide(family, hook, view, 0, () => {}).verdict === 'accept';
    });
  }
}

/** To all, or to many: no answer comes from such an address, so no such entry ever becomes a known connection. */
function isToMany({ bits }: Ip): boolean {
  return bits >= 0xe000_0000n;
}

function isHostEnd(end: End): boolean {
  return end.kind === 'device' || end.port.kind === 'host';
}

function isSameEnd(a: End, b: End): boolean {
  return a.kind === 'device' || b.kind === 'device' ? a.kind === b.kind : a.port.name === b.port.name;
}

function seenOf({ protocol, original, reply }: TrackedFlow): Seen {
  const dport = reply.sport ?? original.dport;
  return { ...original, protocol, destination: reply.source, ...(dport === undefined ? {} : { dport }) };
}

function visitsOf(bridge: string, from: End, to: End): readonly Visit[] {
  if (from.kind === 'device')
    return to.kind === 'device' ? [] : [{ family: 'bridge', hook: 'output', ways: { oif: to.port.name } }];
  return crossing(bridge, from.port.name, to.kind === 'device' ? undefined : to.port.name);
}

type HostVisit = { readonly visit: Visit; readonly mac: Mac };

function hostVisits(into: readonly HostSide[], out: readonly HostSide[]): readonly HostVisit[] {
  const heard = ({ ifname, physin }: HostSide) => ({
    iif: ifname,
    ...(physin === undefined ? {} : { bridgeInfo: { physin } }),
  });
  if (into.length === 0) {
    return out.map(({ ifname }) => ({ mac: nobody, visit: { family: 'ip', hook: 'output', ways: { oif: ifname } } }));
  }
  return into.flatMap((side): readonly HostVisit[] => {
    const { mac } = side;
    if (out.length === 0) return [{ mac, visit: { family: 'ip', hook: 'input', ways: heard(side) } }];
    return out.map(({ ifname: oif }) => ({
      mac,
      visit: { family: 'ip', hook: 'forward', ways: { ...heard(side), oif } },
    }));
  });
}
