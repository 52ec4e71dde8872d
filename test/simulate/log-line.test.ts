// printLogLine against a real kernel: crafted frames through a bridge with log rules at every hook, octet for octet.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { type Ip, parseIp } from '../../src/model/ip.ts';
import { arpReply, arpRequest, echoReply, echoRequest, tcpSegment, udpDatagram } from '../../src/packet/build.ts';
import type { Ip4 } from '../../src/packet/ip4.ts';
import { decodePacket, encodePacket, type Packet, type Transport } from '../../src/packet/packet.ts';
import { tcpFlags } from '../../src/packet/tcp.ts';
import { type LogEntry, printLogLine } from '../../src/simulate/log-line.ts';
import { guestMac, hostMac, type LogBench, markedMac, missing, openLogBench } from './log-bench.ts';
import { notable, randomFrame } from './random-frames.ts';

const ip = (text: string) => parseIp(text) as Ip;
const otherMac = 0x0200_0000_0099;
const route = {
  ether: { source: guestMac, destination: otherMac },
  source: ip('192.168.77.2'),
  destination: ip('192.168.77.3'),
};

function bytes(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
}

function frame(type: number, payload: Uint8Array): Packet {
  return { ether: { source: guestMac, destination: otherMac, type }, payload: { kind: 'bytes', bytes: payload } };
}

function ip4(transport: Transport, header: Partial<Ip4>): Packet {
  const packet = udpDatagram({ ...route, sport: 0, dport: 0, ip: header });
  assert.ok(packet.payload.kind === 'ip4');
  return { ...packet, payload: { ...packet.payload, transport } };
}

const raw = (protocol: number, hex: string, header: Partial<Ip4> = {}) =>
  ip4({ kind: 'bytes', bytes: bytes(hex) }, { protocol, ...header });

const icmp = (type: number, code: number, rest: number, data: Uint8Array) =>
  ip4({ kind: 'icmp', type, code, rest, data }, { protocol: 1 });

const inside = (packet: Packet) => encodePacket(packet).subarray(14);

const udp = udpDatagram({ ...route, sport: 5353, dport: 53, data: bytes('616263') });
const syn = tcpSegment({ ...route, sport: 40000, dport: 22, flags: ['syn'] });
const tunnelled = (hex: string, packet: Packet) => Uint8Array.of(...bytes(hex), ...inside(packet));
const arp = inside(arpReply(route));
const ip6 = bytes(
  `60012345 0014 06 40 fd${'00'.repeat(15)} fd${'00'.repeat(14)}01 0fa0001600000000000000005002040000000000`,
);

type Place = Omit<LogEntry, 'packet' | 'prefix'> & { readonly hook: string };

const seen = {
  bridgePre: { hook: 'prerouting', family: 'bridge', iif: 'p0' },
  ipPre: { hook: 'PREROUTING', family: 'ip', iif: 'br0', physin: 'p0' },
  bridgeForward: { hook: 'forward', family: 'bridge', iif: 'p0', oif: 'p1' },
  ipForward: { hook: 'FORWARD', family: 'ip', iif: 'br0', oif: 'br0', physin: 'p0', physout: 'p1' },
  /** What iptables saw before keeps br_netfilter's note of the port that it came by. */
  bridgePost: { hook: 'postrouting', family: 'bridge', oif: 'p1', physin: 'p0' },
  bridgePostUnseen: { hook: 'postrouting', family: 'bridge', oif: 'p1' },
  ipPost: { hook: 'POSTROUTING', family: 'ip', oif: 'br0', physin: 'p0', physout: 'p1' },
  bridgeInput: { hook: 'input', family: 'bridge', iif: 'p0' },
  ipInput: { hook: 'INPUT', family: 'ip', iif: 'br0', physin: 'p0' },
} as const satisfies Record<string, Place>;

const { bridgePre, ipPre, bridgeForward, ipForward, bridgePost, bridgePostUnseen, ipPost, bridgeInput, ipInput } = seen;

/** The lines that a frame causes, in order. */
const bridged: readonly Place[] = [bridgePre, ipPre, bridgeForward, ipForward, bridgePost, ipPost];
const bridgedUnseen: readonly Place[] = [bridgePre, bridgeForward, bridgePostUnseen];
const toHost: readonly Place[] = [bridgePre, ipPre, bridgeInput, ipInput];
/** The answer of the host, from its IP layer down to the port. */
const fromHost: readonly Place[] = [
  { hook: 'OUTPUT', family: 'ip', oif: 'br0' },
  { hook: 'POSTROUTING', family: 'ip', oif: 'br0' },
  { hook: 'output', family: 'bridge', oif: 'p0' },
  { hook: 'postrouting', family: 'bridge', oif: 'p0' },
];
/** From br0 to br1 by the host's IP layer; the port that it came by stays noted on the second bridge. */
const routed: readonly Place[] = [
  { hook: 'FORWARD', family: 'ip', iif: 'br0', oif: 'br1', physin: 'p0' },
  { hook: 'POSTROUTING', family: 'ip', iif: 'br0', oif: 'br1', physin: 'p0' },
  { hook: 'output', family: 'bridge', oif: 'q0', physin: 'p0' },
  { hook: 'postrouting', family: 'bridge', oif: 'q0', physin: 'p0' },
];
/** br_validate_ipv4 drops it before iptables. */
const malformed: readonly Place[] = [bridgePre];

const rows: readonly [name: string, packet: Packet, places: readonly Place[]][] = [
  ['UDP', udp, bridged],
  ['UDP without a checksum', ip4({ kind: 'udp', sport: 1, dport: 2, data: bytes('00'), checksum: 0 }, {}), bridged],
  [
    'UDP that lies about its length',
    ip4({ kind: 'udp', sport: 1, dport: 2, length: 9999, data: bytes('00') }, {}),
    bridged,
  ],
  ['TCP SYN', syn, bridged],
  ['TCP without flags', tcpSegment({ ...route, sport: 1, dport: 2, flags: [] }), bridged],
  [
    'TCP with all flags',
    tcpSegment({ ...route, sport: 1, dport: 2, flags: tcpFlags, options: bytes('01010101') }),
    bridged,
  ],
  ['TCP with AE and all reserved bits', raw(6, `${'00'.repeat(12)} 5fff 0400 0000 0007`), bridged],
  ['TCP header cut', raw(6, '9c40001a0000000000'), bridged],
  ['TCP with header length 4', raw(6, `${'00'.repeat(12)} 40020400 00000000`), bridged],
  ['UDP header cut', raw(17, '9c40001a00'), bridged],
  ['echo request', echoRequest({ ...route, id: 65535, sequence: 256 }), bridged],
  [
    'echo to the host',
    echoReply({
      ...route,
      ether: { source: guestMac, destination: hostMac },
      destination: ip('192.168.77.1'),
      id: 3,
      sequence: 4,
    }),
    toHost,
  ],
  [
    'every bit of the type of service',
    ip4({ kind: 'bytes', bytes: bytes('00') }, { protocol: 47, tos: 0xff }),
    bridged,
  ],
  ['precedence alone', raw(47, '00', { tos: 0x20 }), bridged],
  ['first fragment', raw(17, '0035003505dc1234', { moreFragments: true, dontFragment: false }), bridged],
  [
    'later fragment, every flag',
    raw(6, '0035003505dc1234', { reserved: true, moreFragments: true, fragmentOffset: 16 }),
    bridged,
  ],
  ['later fragment of ICMP', raw(1, '0035003505dc1234', { fragmentOffset: 8191 }), bridged],
  ['later fragment of ESP', raw(50, '0035003505dc1234', { fragmentOffset: 1 }), bridged],
  ['later fragment of AH', raw(51, '0035003505dc1234', { fragmentOffset: 1 }), bridged],
  ['IP options', ip4({ kind: 'udp', sport: 1, dport: 2, data: bytes('') }, { options: bytes('01010101') }), bridged],
  ['port unreachable', icmp(3, 3, 0, inside(udp)), bridged],
  ['fragmentation needed', icmp(3, 4, 1400, inside(syn)), bridged],
  ['redirect', icmp(5, 1, 0xc0a8_4d42, inside(syn)), bridged],
  ['source quench', icmp(4, 0, 0, inside(syn).subarray(0, 28)), bridged],
  ['time exceeded around a redirect', icmp(11, 0, 0, inside(icmp(5, 0, 0x0102_0304, inside(udp)))), bridged],
  ['time exceeded around fragmentation needed', icmp(11, 0, 0, inside(icmp(3, 4, 576, inside(udp)))), bridged],
  [
    'an error whose packet lies about its header length',
    icmp(3, 1, 0, Uint8Array.of(0x4f, ...inside(udp).subarray(1))),
    bridged,
  ],
  ['parameter problem', icmp(12, 0, 0x1400_0000, new Uint8Array(32)), bridged],
  ['ICMP error cut', icmp(3, 3, 0, new Uint8Array(10)), bridged],
  ['ICMP header cut', raw(1, '0800'), bridged],
  ['timestamp cut', icmp(13, 0, 0, new Uint8Array(4)), bridged],
  ['timestamp', icmp(14, 0, 0, new Uint8Array(12)), bridged],
  ['address mask cut', icmp(17, 0, 0, new Uint8Array(3)), bridged],
  ['address mask', icmp(18, 0, 0, new Uint8Array(4)), bridged],
  ['ICMP of no known type', icmp(200, 9, 0, new Uint8Array(1)), bridged],
  ['ESP', raw(50, 'deadbeef00000001'), bridged],
  ['ESP cut', raw(50, 'deadbeef000000'), bridged],
  ['AH', raw(51, '060400000000100200000001'), bridged],
  ['AH cut', raw(51, '0604000000001002000000'), bridged],
  ['SCTP', raw(132, '00'.repeat(12)), bridged],
  ['UDP-Lite', raw(136, '0009000a000c0000'), bridged],
  ['IGMP', raw(2, '1100eeff00000000'), bridged],
  [
    'IPv4 header checksum wrong',
    frame(0x0800, bytes('4500001c00010000401100004d4d4d014d4d4d02 0035003500080000')),
    malformed,
  ],
  ['IPv4 header cut', frame(0x0800, inside(udp).subarray(0, 18)), malformed],
  ['IPv4 header length beyond the packet', frame(0x0800, Uint8Array.of(0x4f, ...inside(udp).subarray(1))), malformed],
  ['ARP request', arpRequest(route), bridgedUnseen],
  ['ARP reply with another sender MAC', arpReply({ ...route, senderMac: otherMac }), bridgedUnseen],
  ['RARP', frame(0x8035, bytes('0001080006040003 020000000001 00000000 020000000001 00000000')), bridgedUnseen],
  [
    'ARP of other hardware',
    frame(0x0806, bytes('0006080006040001 020000000001 00000000 020000000001 00000000')),
    bridgedUnseen,
  ],
  [
    'ARP for another protocol',
    frame(0x0806, bytes('000186dd06040001 020000000001 00000000 020000000001 00000000')),
    bridgedUnseen,
  ],
  ['ARP with addresses of 16 octets', frame(0x0806, bytes(`0001080006100001 ${'00'.repeat(44)}`)), bridgedUnseen],
  ['RARP addresses cut', frame(0x8035, bytes('0001080006040003 020000000001')), bridgedUnseen],
  ['RARP header cut', frame(0x8035, bytes('000108000604')), bridgedUnseen],
  // br_nf_forward_arp drops it, for arptables' sake.
  ['ARP header cut', frame(0x0806, bytes('000108000604')), [bridgePre, bridgeForward]],
  ['IPv6', frame(0x86dd, ip6), bridged],
  ['802.1Q around IPv4', frame(0x8100, tunnelled('0064 0800', udp)), bridged],
  ['802.1Q with VLAN 0 around ARP', frame(0x8100, Uint8Array.of(0, 0, 8, 6, ...arp)), bridgedUnseen],
  ['802.1ad around IPv4', frame(0x88a8, tunnelled('0005 0800', udp)), bridged],
  ['802.1ad around 802.1Q', frame(0x88a8, tunnelled('0005 8100 0064 0800', udp)), bridgedUnseen],
  ['802.1Q around 802.3', frame(0x8100, bytes('0005 0010 aaaa03000000 0800 0000')), bridgedUnseen],
  ['PPPoE session around IPv4', frame(0x8864, tunnelled('11000001 0021 0021', udp)), bridged],
  ['PPPoE session around LCP', frame(0x8864, bytes('11000001 0006 c021 01010004')), bridgedUnseen],
  ['802.3', frame(0x0010, bytes('aaaa03000000 0800 4500')), bridgedUnseen],
  ['unknown ethertype', frame(0x9999, bytes('00')), bridgedUnseen],
  ['LLDP to somebody', frame(0x88cc, bytes('0000')), bridgedUnseen],
];

describe('log lines of a real kernel', { skip: missing() }, () => {
  let bench: LogBench;
  before(async () => {
    bench = await openLogBench();
  });
  after(() => bench?.close());

  const lines = (packet: Packet, places: readonly Place[], mark?: number) =>
    places.map(({ hook, ...place }) => printLogLine({ ...place, prefix: bench.prefix(hook), packet, mark }));

  for (const [name, packet, places] of rows) {
    it(name, async () => {
      const sent = encodePacket(packet);
      const want = lines(decodePacket(sent) as Packet, places);
      assert.deepEqual(await bench.linesOf(sent, want.length), want);
    });
  }

  it('a mark is printed for IP, and not for ARP or other types', async () => {
    for (const [packet, places] of [
      [udp, bridged],
      [raw(6, '9c40001a'), bridged],
      [arpRequest(route), bridgedUnseen],
      [frame(0x9999, bytes('00')), bridgedUnseen],
    ] as const) {
      const marked = { ...packet, ether: { ...packet.ether, source: markedMac } };
      const want = lines(marked, places, 0x1f);
      assert.deepEqual(await bench.linesOf(encodePacket(marked), want.length), want);
    }
  });

  it('an answer of the host has no ports but in the bridge family, and is as the builder makes it', async () => {
    const ask = { ...route, ether: { source: guestMac, destination: hostMac }, destination: ip('192.168.77.1') };
    const ends = { id: 7, sequence: 1, data: new Uint8Array(3) };
    const found = await bench.linesOf(encodePacket(echoRequest({ ...ask, ...ends })), 8);
    assert.deepEqual(found.slice(0, 4), lines(echoRequest({ ...ask, ...ends }), toHost));
    const id = Number(/ ID=(\d+) /.exec(found[4] ?? '')?.[1]);
    const reply = echoReply({
      ether: { source: hostMac, destination: guestMac },
      source: ask.destination,
      destination: ask.source,
      ...ends,
      ip: { id },
    });
    assert.deepEqual(found.slice(4), lines(reply, fromHost));
  });

  it('a routed packet keeps the Ethernet header that it came with', async () => {
    const sent = udpDatagram({
      ether: { source: guestMac, destination: hostMac },
      source: ip('192.168.77.2'),
      destination: ip('192.168.78.2'),
      sport: 1,
      dport: 2,
      ip: { ttl: 9 },
    });
    assert.ok(sent.payload.kind === 'ip4');
    const later: Packet = { ...sent, payload: { ...sent.payload, ip: { ...sent.payload.ip, ttl: 8 } } };
    const want = [...lines(sent, [bridgePre, ipPre, bridgeInput]), ...lines(later, routed)];
    assert.deepEqual(await bench.linesOf(encodePacket(sent), want.length), want);
  });

  it('random frames', async () => {
    const kinds = new Set<string>();
    for (const sent of fc.sample(randomFrame, { numRuns: 1500, seed: 20_260_101 })) {
      const want = lines(decodePacket(sent) as Packet, [bridgePre]);
      assert.deepEqual(await bench.linesOf(sent, 1), want, Buffer.from(sent).toString('hex'));
      for (const kind of notable) if (want[0]?.includes(kind)) kinds.add(kind);
    }
    assert.deepEqual([...kinds].sort(), [...notable].sort());
  });
});
