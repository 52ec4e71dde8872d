// The first packet of a tracked connection, as its sender would send it today.
import { echoRequest, tcpSegment, udpDatagram } from '../packet/build.ts';
import type { Ethernet } from '../packet/ethernet.ts';
import { ipProtocol } from '../packet/ip4.ts';
import type { Packet, Transport } from '../packet/packet.ts';
import type { Tuple } from './tracked-flow.ts';

/** A connection as the filter sees it: after the destination was translated, before the source is. */
export type Seen = Tuple & { readonly protocol: number };

export function firstPacket(seen: Seen, ether: Pick<Ethernet, 'source' | 'destination'>): Packet {
  const { protocol, source, destination, sport = 0, dport = 0, type = 0, code = 0, id = 0 } = seen;
  const ends = { ether, source, destination, sport, dport };
  switch (protocol) {
    case ipProtocol.tcp:
      return tcpSegment({ ...ends, flags: ['syn'] });
    case ipProtocol.udp:
      return udpDatagram(ends);
    case ipProtocol.icmp: {
      const echo = echoRequest({ ...ends, id, sequence: 1 });
      return withTransport(echo, protocol, { kind: 'icmp', type, code, rest: id * 65_536, data: new Uint8Array() });
    }
    default:
      return withTransport(udpDatagram(ends), protocol, { kind: 'bytes', bytes: new Uint8Array() });
  }
}

function withTransport(packet: Packet, protocol: number, transport: Transport): Packet {
  if (packet.payload.kind !== 'ip4') return packet;
  return { ...packet, payload: { ...packet.payload, ip: { ...packet.payload.ip, protocol }, transport } };
}
