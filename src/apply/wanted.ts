// The numbered list -> connections that it allows from one port of a bridge to another: few, of each kind, as examples of what
// somebody wants to work.
import { type Ip, printIp } from '../model/ip.ts';
import { containsIp, type IpSet, intersectIps, ofFamily } from '../model/ip-set.ts';
import type { Mac } from '../model/mac.ts';
import type { Service } from '../model/policy.ts';
import { type Flow, type GroundBridge, type GroundPort, type RuleList, rulesOf } from '../model/rule-list.ts';

/** Who is at one end, as far as a bridge sees it. */
export type WantedEnd = {
  readonly port: string;
  readonly kind: GroundPort['kind'];
  readonly guest?: string;
  readonly ip: Ip;
  /** Undefined where nobody knows who says this address there. */
  readonly mac?: Mac;
};

export type Wanted = {
  readonly bridge: string;
  readonly from: WantedEnd;
  readonly to: WantedEnd;
  readonly service: Service;
};

/** Of each kind on each bridge: one is tried, the other is there when the first one's guest goes. */
const mostOfKind = 2;

const most = 2_000;

/** Bridge, what is at both ends, and protocol: rules of others that make a difference between two of a kind are rare. */
export function wantedKind({ bridge, from, to, service }: Wanted): string {
  return [bridge, from.kind, to.kind, service.kind].join(' ');
}

/** Those that the list allows where they enter the bridge. IPv4, as all that is allowed. */
export function wantedConnections({ entries, ground }: RuleList): readonly Wanted[] {
  const bridges = new Map(ground.bridges.map((bridge) => [bridge.name, new BridgeEnds(bridge)]));
  const found = new Found();
  for (const { place, check, verdict } of rulesOf({ entries, ground })) {
    if (place.kind !== 'port' || place.direction !== 'in' || check.kind !== 'new-flows' || verdict === 'deny') continue;
    const ends = bridges.get(place.bridge);
    const port = ends?.ports.get(place.port);
    if (ends === undefined || port === undefined) continue;
    for (const flow of check.flows) {
      for (const wanted of connections(flow, port, ends)) found.add(wanted);
    }
  }
  return found.all;
}

/**
 * What is wanted after ports came, went or changed, without looking at the others.
 * @param changed ports whose connections are in `now`, or nowhere any more
 */
export function wantedWith(
  before: readonly Wanted[],
  changed: ReadonlySet<string>,
  now: readonly Wanted[],
): readonly Wanted[] {
  const found = new Found();
  for (const wanted of before) {
    if (!changed.has(wanted.from.port) && !changed.has(wanted.to.port)) found.add(wanted);
  }
  for (const wanted of now) found.add(wanted);
  return found.all;
}

class Found {
  readonly all: Wanted[] = [];
  readonly #kinds = new Map<string, Wanted[]>();

  /** Two of a kind have no guest in common: one goes, the other stays. */
  add(wanted: Wanted): void {
    const kind = wantedKind(wanted);
    const known = this.#kinds.get(kind) ?? [];
    if (known.length === mostOfKind || this.all.length === most) return;
    const guests = guestPorts(wanted);
    if (known.some((one) => guestPorts(one).some((port) => guests.includes(port)))) return;
    this.#kinds.set(kind, [...known, wanted]);
    this.all.push(wanted);
  }
}

function guestPorts({ from, to }: Wanted): readonly string[] {
  return [from, to].flatMap(({ kind, port }) => (kind === 'guest' ? [port] : []));
}

function connections({ source, destination, service }: Flow, port: GroundPort, ends: BridgeEnds): readonly Wanted[] {
  const ip = someIp(intersectIps(source, port.own?.ips ?? port.behind));
  if (ip === undefined) return [];
  const from = endOf(port, ip);
  return ends.towards(destination, port).map((to) => ({ bridge: port.bridge, from, to, service }));
}

/** The ports of a bridge, by who is behind them. */
class BridgeEnds {
  readonly ports: ReadonlyMap<string, GroundPort>;
  /** Addresses of guests, in order. */
  readonly #guests: readonly { readonly bits: bigint; readonly port: GroundPort }[];
  readonly #borders: readonly GroundPort[];
  /** Many rules name the same side. */
  readonly #beyond = new Map<IpSet, readonly WantedEnd[]>();

  constructor({ ports }: GroundBridge) {
    this.ports = new Map(ports.map((port) => [port.name, port]));
    this.#guests = ports
      .filter(({ kind }) => kind === 'guest')
      .flatMap((port) => ofFamily(port.own?.ips ?? [], 4).map(({ first: bits }) => ({ bits, port })))
      .sort((a, b) => (a.bits < b.bits ? -1 : a.bits > b.bits ? 1 : 0));
    this.#borders = ports.filter(({ kind }) => kind !== 'guest' && kind !== 'closed');
  }

  /** One guest, and whom every border port leads to. */
  towards(destination: IpSet, from: GroundPort): readonly WantedEnd[] {
    // the next one after himself, so that not all have the same one
    const guest =
      this.#guest(destination, from, (from.own?.ips[0]?.first ?? 0n) + 1n) ?? this.#guest(destination, from, 0n);
    const beyond = this.#beyond.get(destination) ?? this.#behindBorders(destination);
    this.#beyond.set(destination, beyond);
    return [...(guest === undefined ? [] : [guest]), ...beyond.filter(({ port }) => port !== from.name)];
  }

  #guest(destination: IpSet, from: GroundPort, least: bigint): WantedEnd | undefined {
    for (const { first, last } of ofFamily(destination, 4)) {
      for (let at = this.#firstFrom(first > least ? first : least); at < this.#guests.length; at++) {
        const { bits, port } = this.#guests[at] ?? {};
        if (bits === undefined || port === undefined || bits > last) break;
        if (port.name !== from.name) return endOf(port, { family: 4, bits });
      }
    }
    return undefined;
  }

  #firstFrom(bits: bigint): number {
    let [low, high] = [0, this.#guests.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#guests[middle]?.bits ?? 0n) < bits) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #behindBorders(destination: IpSet): readonly WantedEnd[] {
    return this.#borders.flatMap((port) => {
      const ip = someIp(intersectIps(destination, port.behind));
      return ip === undefined ? [] : [endOf(port, ip)];
    });
  }
}

function endOf({ name: port, kind, guest, own, arp }: GroundPort, ip: Ip): WantedEnd {
  const mac = own?.mac ?? arp.find((pair) => pair.ip.bits === ip.bits)?.mac;
  return { port, kind, ip, ...(guest !== undefined && { guest }), ...(mac !== undefined && { mac }) };
}

/** Where anybody may be meant, one whom no rule against addresses of no use is about: a.root-servers.net. */
const anybody: Ip = { family: 4, bits: 0xc6_29_00_04n };

function someIp(ips: IpSet): Ip | undefined {
  const [range] = ofFamily(ips, 4);
  if (range === undefined) return undefined;
  return containsIp(ips, anybody) ? anybody : { family: 4, bits: range.first };
}

/** `'web'`, as all messages name somebody, or an address. */
export function endWords({ guest, ip }: WantedEnd): string {
  return guest === undefined ? printIp(ip) : `'${guest}'`;
}
