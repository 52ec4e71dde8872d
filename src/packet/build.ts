// Packets as a Linux machine sends them, forged ones included: every default can be overridden.

import type { Ip } from '../model/ip.ts';
import { broadcastMac, type Mac } from '../model/mac.ts';
import type { TcpFlag } from '../model/match.ts';
import { arpOperation } from './arp.ts';
import { etherType } from './ethernet.ts';
import { icmpType } from './icmp.ts';
import { type Ip4, ipProtocol } from './ip4.ts';
import type { Packet, Transport } from './packet.ts';

/** From whom to whom. `ip` overrides fields of the IPv4 header. */
export type Route = {
  readonly ether: { readonly source: Mac; readonly destination: Mac };
  readonly source: Ip;
  readonly destination: Ip;
  readonly ip?: Partial<Ip4>;
};

export type Echo = Route & { readonly id: number; readonly sequence: number; readonly data?: Uint8Array };

export type Datagram = Route & { readonly sport: number; readonly dport: number; readonly data?: Uint8Array };

export type Segment = Datagram & {
  readonly flags: readonly TcpFlag[];
  readonly sequence?: number;
  readonly acknowledgement?: number;
  readonly window?: number;
  readonly options?: Uint8Array;
};

const noBytes = new Uint8Array();

/** What ping(8) sends by default behind the header: 56 octets. */
const pingData = Uint8Array.from({ length: 56 }, (_, index) => index);

export function echoRequest(echo: Echo): Packet {
  return ip4Packet(echo, ipProtocol.icmp, { dontFragment: true }, echoMessage(icmpType.echoRequest, echo));
}

/** From the one that was asked to the one that asked. Linux leaves DF unset in replies. */
export function echoReply(echo: Echo): Packet {
  return ip4Packet(echo, ipProtocol.icmp, {}, echoMessage(icmpType.echoReply, echo));
}

export function udpDatagram(datagram: Datagram): Packet {
  const { sport, dport, data = noBytes } = datagram;
  return ip4Packet(datagram, ipProtocol.udp, { dontFragment: true }, { kind: 'udp', sport, dport, data });
}

export function tcpSegment(segment: Segment): Packet {
  const { sport, dport, flags, sequence = 0, acknowledgement = 0, window = 64_240 } = segment;
  const { options = noBytes, data = noBytes } = segment;
  return ip4Packet(
    segment,
    ipProtocol.tcp,
    { dontFragment: true },
    { kind: 'tcp', sport, dport, sequence, acknowledgement, flags, window, urgent: 0, options, data },
  );
}

/** `source` asks for the MAC of `destination`: to everybody, unless `ether` names one receiver. */
export type ArpQuestion = {
  readonly ether: { readonly source: Mac; readonly destination?: Mac };
  readonly source: Ip;
  readonly destination: Ip;
  /** What the packet claims, if it differs from the frame's source. */
  readonly senderMac?: Mac;
};

export function arpRequest({ ether, source, destination, senderMac = ether.source }: ArpQuestion): Packet {
  return {
    ether: { destination: ether.destination ?? broadcastMac, source: ether.source, type: etherType.arp },
    payload: {
      kind: 'arp',
      operation: arpOperation.request,
      senderMac,
      senderIp: source,
      targetMac: 0,
      targetIp: destination,
    },
  };
}

/** Tells `destination` that `source` is at the frame's source MAC, or at `senderMac`. */
export type ArpAnswer = Omit<Route, 'ip'> & { readonly senderMac?: Mac };

export function arpReply({ ether, source, destination, senderMac = ether.source }: ArpAnswer): Packet {
  return {
    ether: { destination: ether.destination, source: ether.source, type: etherType.arp },
    payload: {
      kind: 'arp',
      operation: arpOperation.reply,
      senderMac,
      senderIp: source,
      targetMac: ether.destination,
      targetIp: destination,
    },
  };
}

function echoMessage(type: number, { id, sequence, data = pingData }: Echo): Transport {
  return { kind: 'icmp', type, code: 0, rest: id * 65_536 + sequence, data };
}

function ip4Packet(route: Route, protocol: number, defaults: Partial<Ip4>, transport: Transport): Packet {
  const { source, destination } = route;
  const ip: Ip4 = {
    source,
    destination,
    protocol,
    ttl: 64,
    tos: 0,
    id: 0,
    dontFragment: false,
    moreFragments: false,
    fragmentOffset: 0,
    options: noBytes,
    ...defaults,
    ...route.ip,
  };
  return {
    ether: { destination: route.ether.destination, source: route.ether.source, type: etherType.ip },
    payload: { kind: 'ip4', ip, transport },
  };
}
