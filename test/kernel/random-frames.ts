// Random frames from random machines: honest ones and lies, whole TCP connections with packets left out, errors about
// packets that were and that never were, broadcasts, and frames to MACs that nobody has.

import type { Ip } from '../../src/model/ip.ts';
import { broadcastMac, type Mac } from '../../src/model/mac.ts';
import type { TcpFlag } from '../../src/model/match.ts';
import { arpReply, arpRequest, echoReply, echoRequest, tcpSegment, udpDatagram } from '../../src/packet/build.ts';
import { encodePacket, type Packet } from '../../src/packet/packet.ts';
import type { Random } from './random.ts';

/** A machine with a card; the host is one whose card is its own interface or bridge device. */
export type Station = { readonly node: string; readonly ifname: string; readonly ip: Ip; readonly mac: Mac };

export type Action =
  | { readonly kind: 'frame'; readonly from: Station; readonly packet: Packet; readonly what: string }
  /** The host's own stack sends an echo request. */
  | { readonly kind: 'host-ping'; readonly to: Ip; readonly ident: number };

export type Numbers = { readonly ident: number; readonly port: number };

export function randomActions(
  random: Random,
  stations: readonly Station[],
  strangers: readonly Ip[],
  first: Numbers,
  count: number,
): readonly Action[] {
  const senders = stations.filter(({ node }) => node !== 'host');
  let serial = 0;
  const actions: Action[] = [];
  const sent: Packet[] = [];
  while (actions.length < count) {
    const talk = conversation(
      random,
      stations,
      senders,
      strangers,
      { ident: first.ident + (serial % 500), port: first.port + (serial % 200) },
      sent,
    );
    serial++;
    for (const action of talk) {
      if (action.kind === 'frame') sent.push(action.packet);
      actions.push(action);
    }
  }
  return actions.slice(0, count);
}

function conversation(
  random: Random,
  stations: readonly Station[],
  senders: readonly Station[],
  strangers: readonly Ip[],
  numbers: Numbers,
  sent: readonly Packet[],
): readonly Action[] {
  const from = random.pick(senders);
  const to = random.pick(stations.filter((station) => station !== from));
  const kind = random.between(0, 11);
  if (kind <= 2) return talk(random, from, to, 'ping', echoTalk(numbers), senders);
  if (kind <= 4) return talk(random, from, to, 'udp', udpTalk(random, numbers), senders);
  if (kind <= 6) return talk(random, from, to, 'tcp', tcpTalk(random, numbers), senders);
  if (kind === 7) return [lie(random, from, to, stations, strangers, numbers)];
  if (kind === 8) return [broadcast(random, from, numbers)];
  if (kind === 9) return [arp(random, from, to, stations)];
  if (kind === 10) return quoted(random, from, to, sent);
  return random.chance(0.5) && to.node !== 'host'
    ? [{ kind: 'host-ping', to: to.ip, ident: numbers.ident }]
    : [unknown(random, from, numbers)];
}

type Ends = {
  readonly ether: { readonly source: Mac; readonly destination: Mac };
  readonly source: Ip;
  readonly destination: Ip;
};

function ends(from: Station, to: Station): Ends {
  return { ether: { source: from.mac, destination: to.mac }, source: from.ip, destination: to.ip };
}

type Line = { readonly back: boolean; readonly make: (ends: Ends) => Packet };

/** Some lines are left out, some come from the wrong machine, some to the wrong card. */
function talk(
  random: Random,
  from: Station,
  to: Station,
  what: string,
  lines: readonly Line[],
  senders: readonly Station[],
): readonly Action[] {
  return lines.flatMap(({ back, make }): readonly Action[] => {
    if (random.chance(0.1)) return [];
    const speaker = back ? to : from;
    const listener = back ? from : to;
    if (speaker.node === 'host') return [];
    const packet = make(ends(speaker, listener));
    if (random.chance(0.12)) {
      const other = random.pick(senders);
      const own = random.chance(0.5) ? { ...packet, ether: { ...packet.ether, source: other.mac } } : packet;
      return [{ kind: 'frame', from: other, packet: own, what: `${what} from another port` }];
    }
    if (random.chance(0.12)) {
      const wrong = { ...packet, ether: { ...packet.ether, destination: random.pick(senders).mac } };
      return [{ kind: 'frame', from: speaker, packet: wrong, what: `${what} redirected` }];
    }
    return [{ kind: 'frame', from: speaker, packet, what }];
  });
}

function echoTalk({ ident }: Numbers): readonly Line[] {
  const echo = { id: ident, sequence: 1 };
  return [
    { back: false, make: (at) => echoRequest({ ...at, ...echo }) },
    { back: true, make: (at) => echoReply({ ...at, ...echo }) },
    { back: false, make: (at) => echoRequest({ ...at, id: ident, sequence: 2 }) },
  ];
}

function udpTalk(random: Random, { port }: Numbers): readonly Line[] {
  const dport = random.pick([53, 80, 8001]);
  const data = new Uint8Array(random.between(0, 40));
  return [
    { back: false, make: (at) => udpDatagram({ ...at, sport: port, dport, data }) },
    { back: true, make: (at) => udpDatagram({ ...at, sport: dport, dport: port, data }) },
    { back: false, make: (at) => udpDatagram({ ...at, sport: port, dport, data }) },
  ];
}

/** No line acknowledges what an earlier one, which may be left out, was to send: windows are not simulated. */
function tcpTalk(random: Random, { port }: Numbers): readonly Line[] {
  const dport = random.pick([80, 8001, 22]);
  const line = (back: boolean, flags: readonly TcpFlag[], sequence: number, acknowledgement: number): Line => ({
    back,
    make: (at) =>
      tcpSegment({
        ...at,
        ...(back ? { sport: dport, dport: port } : { sport: port, dport }),
        flags,
        sequence,
        acknowledgement,
      }),
  });
  const lines = [
    line(false, ['syn'], 1000, 0),
    line(true, ['syn', 'ack'], 5000, 1001),
    line(false, ['ack'], 1001, 5001),
    line(false, ['psh', 'ack'], 1001, 5001),
    line(true, ['ack'], 5001, 1001),
    line(false, ['fin', 'ack'], 1001, 5001),
    line(true, ['fin', 'ack'], 5001, 1001),
  ];
  return lines.slice(0, random.between(1, lines.length));
}

/** Somebody else's address, or nobody's, as source; own or foreign MAC. */
function lie(
  random: Random,
  from: Station,
  to: Station,
  stations: readonly Station[],
  strangers: readonly Ip[],
  numbers: Numbers,
): Action {
  const source = random.chance(0.7) ? random.pick(stations).ip : random.pick(strangers);
  const destination = random.chance(0.8) ? to.ip : random.pick(strangers);
  const mac = random.chance(0.3) ? random.pick(stations).mac : from.mac;
  const at = {
    ether: { source: mac, destination: random.chance(0.7) ? to.mac : random.pick(stations).mac },
    source,
    destination,
  };
  const packet = random.chance(0.5)
    ? echoRequest({ ...at, id: numbers.ident, sequence: 1 })
    : udpDatagram({ ...at, sport: numbers.port, dport: 53 });
  return { kind: 'frame', from, packet, what: 'lie' };
}

function broadcast(random: Random, from: Station, { ident, port }: Numbers): Action {
  const destination: Ip = { family: 4, bits: random.chance(0.5) ? 0xffff_ffffn : from.ip.bits | 0xffn };
  const at = { ether: { source: from.mac, destination: broadcastMac }, source: from.ip, destination };
  if (random.chance(0.3)) {
    const client = {
      ...at,
      source: { family: 4, bits: 0n } as const,
      destination: { family: 4, bits: 0xffff_ffffn } as const,
    };
    return { kind: 'frame', from, packet: udpDatagram({ ...client, sport: 68, dport: 67 }), what: 'dhcp' };
  }
  const packet = random.chance(0.5)
    ? udpDatagram({ ...at, sport: port, dport: 53 })
    : echoRequest({ ...at, id: ident, sequence: 1 });
  return { kind: 'frame', from, packet, what: 'broadcast' };
}

function arp(random: Random, from: Station, to: Station, stations: readonly Station[]): Action {
  const claimed = random.chance(0.6) ? from : random.pick(stations);
  const senderMac = random.chance(0.8) ? from.mac : random.pick(stations).mac;
  const packet = random.chance(0.5)
    ? arpRequest({ ether: { source: from.mac }, source: claimed.ip, destination: to.ip, senderMac })
    : arpReply({ ether: { source: from.mac, destination: to.mac }, source: claimed.ip, destination: to.ip, senderMac });
  return { kind: 'frame', from, packet, what: 'arp' };
}

/** 'Port unreachable' about an earlier packet, to its sender, from anybody. */
function quoted(random: Random, from: Station, to: Station, sent: readonly Packet[]): readonly Action[] {
  const about = sent
    .filter(({ payload }) => payload.kind === 'ip4' && payload.transport.kind !== 'icmp')
    .at(-random.between(1, 4));
  if (about?.payload.kind !== 'ip4') return [];
  const { ip } = about.payload;
  const packet: Packet = {
    ether: { source: from.mac, destination: to.mac, type: 0x0800 },
    payload: {
      kind: 'ip4',
      ip: {
        ...ip,
        source: random.chance(0.7) ? ip.destination : from.ip,
        destination: random.chance(0.9) ? ip.source : to.ip,
        protocol: 1,
        dontFragment: false,
      },
      transport: { kind: 'icmp', type: 3, code: 3, rest: 0, data: encodePacket(about).subarray(14) },
    },
  };
  return [{ kind: 'frame', from, packet, what: 'icmp error' }];
}

/** To a card that nobody has: flooded. */
function unknown(random: Random, from: Station, { port }: Numbers): Action {
  const at = {
    ether: { source: from.mac, destination: 0x02ff_0000_0001 + random.between(0, 3) },
    source: from.ip,
    destination: random.chance(0.5) ? from.ip : { family: 4 as const, bits: from.ip.bits + 1n },
  };
  return { kind: 'frame', from, packet: udpDatagram({ ...at, sport: port, dport: 53 }), what: 'unknown unicast' };
}
