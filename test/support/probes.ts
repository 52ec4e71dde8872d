// What to ask of a compiled host: every kind of hop on it, and packets with addresses from inside and outside of the
// sets, with services that the policies name and others.
import type { Host } from '../../src/model/host.ts';
import { type Ip, parseIp } from '../../src/model/ip.ts';
import { type IpSet, listIps } from '../../src/model/ip-set.ts';
import { broadcastMac, type Mac } from '../../src/model/mac.ts';
import type { CtState, TcpFlag } from '../../src/model/match.ts';
import { ctStates } from '../../src/model/symbols.ts';
import type { Facts } from './compiled.ts';
import type { PlainHop, PlainPacket } from './plain-meaning.ts';

/** Ports that come when the rules are loaded already; the first has the name of a guest port. */
const latecomers = ['vnz9', 'zz9'] as const;

/** Every way through the host, also those of bridges that nobody manages. */
export function hopsOf(host: Host): readonly PlainHop[] {
  const bridges = host.bridges.map(({ name, ports }) => ({
    name,
    ports: [...ports.map((port) => port.name), ...latecomers],
  }));
  const own = host.interfaces.map(({ name }) => name).filter((name) => !bridges.some((bridge) => bridge.name === name));
  const arrivals: readonly { readonly iif: string; readonly port?: string }[] = [
    ...bridges.flatMap(({ name: iif, ports }) => ports.map((port) => ({ iif, port }))),
    ...own.map((iif) => ({ iif })),
  ];
  const ways = [...bridges.map(({ name }) => name), ...own];
  return [
    ...bridges.flatMap(({ name: bridge, ports }) =>
      ports.flatMap((from) =>
        ports.filter((to) => to !== from).map((to): PlainHop => ({ kind: 'bridged', bridge, in: from, out: to })),
      ),
    ),
    ...arrivals.map((from): PlainHop => ({ kind: 'input', ...from })),
    ...arrivals.flatMap((from) => ways.map((oif): PlainHop => ({ kind: 'routed', ...from, oif }))),
    ...ways.map((oif): PlainHop => ({ kind: 'output', oif })),
  ];
}

/** The ports out of which a hop may leave when it ends in a bridge device. */
export function leavingPorts(host: Host, hop: PlainHop): readonly string[] {
  if (hop.kind !== 'routed' && hop.kind !== 'output') return [];
  const bridge = host.bridges.find(({ name }) => name === hop.oif);
  return bridge === undefined ? [] : [...bridge.ports.map(({ name }) => name), ...latecomers];
}

/** Whether a packet can be at the hop: the stack routes no martians, nothing to itself and nothing to everybody. */
export function canBeAt(host: Host, hop: PlainHop, { source, destination }: PlainPacket): boolean {
  if (hop.kind !== 'routed') return true;
  const own = host.interfaces.flatMap(({ addresses }) => addresses);
  const isOwn = ({ bits }: Ip) => own.some((address) => address.bits === bits);
  const isMachine = ({ bits }: Ip) => bits >> 24n > 0n && bits >> 24n < 224n;
  const isBroadcast = own.some(({ bits, length }) => (bits | ((1n << BigInt(32 - length)) - 1n)) === destination.bits);
  return [source, destination].every((ip) => isMachine(ip) && !isOwn(ip)) && !isBroadcast;
}

/** What comes to the host's own stack is sent to the card of the host, or to everybody. */
export function toHost(host: Host, hop: PlainHop, destination: Ip): { readonly toMac?: Mac } {
  if (hop.kind !== 'input' && hop.kind !== 'routed') return {};
  if (destination.bits === 0xffff_ffffn) return { toMac: broadcastMac };
  const mac = host.interfaces.find(({ name }) => name === hop.iif)?.mac;
  return mac === undefined ? {} : { toMac: mac };
}

type Transport = Omit<PlainPacket, 'mac' | 'source' | 'destination'>;

const syn: readonly TcpFlag[] = ['syn'];

/** Hits and misses of the services that policies name, what begins a flow and what does not. */
export const transports: readonly (readonly [what: string, Transport])[] = [
  ['ping', { protocol: 1, type: 8, code: 0 }],
  ['pong', { protocol: 1, type: 0, code: 0 }],
  ['time stamp', { protocol: 1, type: 13, code: 0 }],
  ['frag needed', { protocol: 1, type: 3, code: 4 }],
  ['http', { protocol: 6, sport: 40_000, dport: 80, flags: syn }],
  ['https', { protocol: 6, sport: 40_000, dport: 443, flags: syn }],
  ['ssh', { protocol: 6, sport: 40_000, dport: 22, flags: syn }],
  ['ssh with ECN', { protocol: 6, sport: 40_000, dport: 22, flags: ['syn', 'ecn', 'cwr'] }],
  ['tcp 1000', { protocol: 6, sport: 40_000, dport: 1000, flags: syn }],
  ['tcp 2000', { protocol: 6, sport: 40_000, dport: 2000, flags: syn }],
  ['tcp 999', { protocol: 6, sport: 40_000, dport: 999, flags: syn }],
  ['http, from the middle', { protocol: 6, sport: 40_000, dport: 80, flags: ['ack'] }],
  ['http, answer', { protocol: 6, sport: 40_000, dport: 80, flags: ['syn', 'ack'] }],
  ['ssh, SYN and FIN', { protocol: 6, sport: 40_000, dport: 22, flags: ['fin', 'syn'] }],
  ['tcp 2000, reset', { protocol: 6, sport: 40_000, dport: 2000, flags: ['rst'] }],
  ['dns', { protocol: 17, sport: 40_000, dport: 53 }],
  ['udp 54', { protocol: 17, sport: 40_000, dport: 54 }],
  ['lease wanted', { protocol: 17, sport: 68, dport: 67 }],
  ['lease given', { protocol: 17, sport: 67, dport: 68 }],
  ['relayed', { protocol: 17, sport: 67, dport: 67 }],
  ['gre', { protocol: 47 }],
  ['esp', { protocol: 50 }],
];

export function isDhcp(what: string): boolean {
  return what === 'lease wanted' || what === 'lease given';
}

export type Pools = { readonly ips: readonly Ip[]; readonly macs: readonly Mac[]; readonly macOf: (ip: Ip) => Mac };

const strangerMac = 0x0200_0000_0042;

/** Broadcast, nobody, multicast, somebody outside whom nobody knows. */
const special = ['255.255.255.255', '0.0.0.0', '224.0.0.251', '203.0.113.9', '10.0.0.199', '10.0.0.255'];

export function poolsOf({ host, policy }: Facts): Pools {
  const ports = host.bridges.flatMap((bridge) => bridge.ports);
  const cards = new Map<string, Mac>();
  for (const { name, addresses } of policy.guests) {
    const mac = ports.find(({ guest }) => guest === name)?.mac;
    if (mac !== undefined) for (const ip of listIps(addresses)) cards.set(`${ip.bits}`, mac);
  }
  const known = [
    ...policy.guests.flatMap(({ addresses }) => ends(addresses)),
    ...policy.outside.flatMap(({ addresses }) => ends(addresses)),
    ...host.interfaces.flatMap(({ addresses }) => addresses.map(({ family, bits }) => ({ family, bits }))),
    ...special.flatMap((text) => parseIp(text) ?? []),
  ].filter(({ family }) => family === 4);
  const ips = [...new Map(known.map((ip) => [ip.bits, ip])).values()];
  return {
    ips,
    macs: [...new Set([...cards.values(), strangerMac])],
    macOf: (ip) => cards.get(`${ip.bits}`) ?? strangerMac,
  };
}

function ends(ips: IpSet): readonly Ip[] {
  return ips.flatMap(({ family, first, last }) => [
    { family, bits: first },
    { family, bits: last },
  ]);
}

export const states: readonly CtState[] = ctStates;
