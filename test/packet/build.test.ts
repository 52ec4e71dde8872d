// What the builders make, and how traces show it: a line for every kind of packet.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Ip, parseIp } from '../../src/model/ip.ts';
import { broadcastMac, type Mac, parseMac } from '../../src/model/mac.ts';
import { arpReply, arpRequest, echoReply, echoRequest, tcpSegment, udpDatagram } from '../../src/packet/build.ts';
import { decodePacket, encodePacket, type Packet } from '../../src/packet/packet.ts';
import { printPacket } from '../../src/packet/print.ts';

const web = { mac: parseMac('52:54:00:b1:5d:1f') as Mac, ip: parseIp('192.168.50.13') as Ip };
const db = { mac: parseMac('52:54:00:f2:a4:8d') as Mac, ip: parseIp('192.168.50.14') as Ip };
const route = { ether: { source: web.mac, destination: db.mac }, source: web.ip, destination: db.ip };
const ether = (type: number) => ({ source: web.mac, destination: db.mac, type });
const raw = (type: number): Packet => ({ ether: ether(type), payload: { kind: 'bytes', bytes: new Uint8Array(46) } });

const protocol = (number: number, fragmentOffset = 0): Packet => {
  const { payload } = udpDatagram({ ...route, sport: 1, dport: 2, ip: { protocol: number, fragmentOffset, id: 7 } });
  assert.ok(payload.kind === 'ip4');
  return {
    ether: ether(0x0800),
    payload: { ...payload, transport: { kind: 'bytes', bytes: new Uint8Array(8) } },
  };
};

const icmp = (type: number, code: number): Packet => {
  const { payload } = echoReply({ ...route, id: 0, sequence: 0 });
  assert.ok(payload.kind === 'ip4' && payload.transport.kind === 'icmp');
  return { ether: ether(0x0800), payload: { ...payload, transport: { ...payload.transport, type, code } } };
};

const lines: readonly [packet: Packet, line: string][] = [
  [echoRequest({ ...route, id: 7, sequence: 1 }), '192.168.50.13 -> 192.168.50.14 ICMP echo-request id 7 seq 1'],
  [echoReply({ ...route, id: 65535, sequence: 2 }), '192.168.50.13 -> 192.168.50.14 ICMP echo-reply id 65535 seq 2'],
  [icmp(3, 3), '192.168.50.13 -> 192.168.50.14 ICMP destination-unreachable code 3'],
  [icmp(13, 0), '192.168.50.13 -> 192.168.50.14 ICMP type 13 code 0'],
  [udpDatagram({ ...route, sport: 5353, dport: 53 }), '192.168.50.13 -> 192.168.50.14 UDP 5353 -> 53'],
  [
    tcpSegment({ ...route, sport: 40000, dport: 22, flags: ['syn'] }),
    '192.168.50.13 -> 192.168.50.14 TCP 40000 -> 22 syn',
  ],
  [
    tcpSegment({ ...route, sport: 22, dport: 40000, flags: ['syn', 'ack'] }),
    '192.168.50.13 -> 192.168.50.14 TCP 22 -> 40000 syn,ack',
  ],
  [tcpSegment({ ...route, sport: 1, dport: 2, flags: [] }), '192.168.50.13 -> 192.168.50.14 TCP 1 -> 2 no flags'],
  [protocol(17, 185), '192.168.50.13 -> 192.168.50.14 UDP fragment of id 7 at 1480'],
  [protocol(47), '192.168.50.13 -> 192.168.50.14 protocol 47, 8 bytes'],
  [protocol(2), '192.168.50.13 -> 192.168.50.14 IGMP, 8 bytes'],
  [arpRequest(route), 'ARP request who-has 192.168.50.14 tell 192.168.50.13 (52:54:00:b1:5d:1f)'],
  [arpReply(route), 'ARP reply 192.168.50.13 is-at 52:54:00:b1:5d:1f'],
  [arpReply({ ...route, senderMac: db.mac }), 'ARP reply 192.168.50.13 is-at 52:54:00:f2:a4:8d'],
  [raw(0x8100), '52:54:00:b1:5d:1f -> 52:54:00:f2:a4:8d 802.1Q, 46 bytes'],
  [raw(0x0026), '52:54:00:b1:5d:1f -> 52:54:00:f2:a4:8d 802.3, 46 bytes'],
  [raw(0x0806), '52:54:00:b1:5d:1f -> 52:54:00:f2:a4:8d malformed ARP, 46 bytes'],
  [raw(0x9999), '52:54:00:b1:5d:1f -> 52:54:00:f2:a4:8d ethertype 0x9999, 46 bytes'],
];

describe('one line a packet', () => {
  for (const [packet, line] of lines) {
    it(line, () => {
      assert.equal(printPacket(packet), line);
      assert.deepEqual(decodePacket(encodePacket(packet)), packet);
    });
  }
});

describe('defaults are those of Linux', () => {
  it('ping(8) sends 84 octets of IP with DF set; the answer has DF unset', () => {
    const request = echoRequest({ ...route, id: 1, sequence: 1 });
    assert.equal(encodePacket(request).length, 14 + 84);
    assert.ok(request.payload.kind === 'ip4' && request.payload.ip.dontFragment);
    const reply = echoReply({ ...route, id: 1, sequence: 1 });
    assert.ok(reply.payload.kind === 'ip4' && !reply.payload.ip.dontFragment);
  });

  it('an ARP request goes to everybody and leaves the target MAC open', () => {
    const { ether: head, payload } = arpRequest({ ether: { source: web.mac }, source: web.ip, destination: db.ip });
    assert.equal(head.destination, broadcastMac);
    assert.ok(payload.kind === 'arp' && payload.targetMac === 0);
  });
});
