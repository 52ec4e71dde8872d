// Genuine lines of kernel 6.18 (LOG without flags), and the packets that they are of.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Ip, parseIp } from '../../src/model/ip.ts';
import { type Mac, parseMac } from '../../src/model/mac.ts';
import { arpReply, arpRequest, echoRequest, tcpSegment, udpDatagram } from '../../src/packet/build.ts';
import { encodeIp4, type Ip4 } from '../../src/packet/ip4.ts';
import { encodePacket, type Packet, type Transport } from '../../src/packet/packet.ts';
import { tcpFlags } from '../../src/packet/tcp.ts';
import { printLogLine } from '../../src/simulate/log-line.ts';

const ip = (text: string) => parseIp(text) as Ip;
const mac = (text: string) => parseMac(text) as Mac;
const bytes = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));

const plain = { id: 1, dontFragment: false } satisfies Partial<Ip4>;
const route = {
  ether: { source: mac('12:dd:e6:16:2e:1e'), destination: mac('42:a5:23:ff:b7:74') },
  source: ip('192.168.210.1'),
  destination: ip('192.168.210.11'),
  ip: plain,
};
/** The way of a packet that an ICMP error brings back. */
const back = { ...route, source: ip('192.168.210.11'), destination: ip('10.9.8.7') };

const tcp = { ...route, sport: 40000, window: 1024 };
const ackBack = tcpSegment({ ...back, sport: 443, dport: 5555, window: 1024, flags: ['ack'] });

function transport(of: Transport, header: Partial<Ip4>): Packet {
  const packet = udpDatagram({ ...route, sport: 0, dport: 0, ip: { ...plain, ...header } });
  assert.ok(packet.payload.kind === 'ip4');
  return { ...packet, payload: { ...packet.payload, transport: of } };
}

const raw = (protocol: number, hex: string, header: Partial<Ip4> = {}) =>
  transport({ kind: 'bytes', bytes: bytes(hex) }, { protocol, ...header });

const icmp = (type: number, code: number, rest: number, data: Uint8Array, header: Partial<Ip4> = {}) =>
  transport({ kind: 'icmp', type, code, rest, data }, { protocol: 1, ...header });

const inside = (packet: Packet) => encodePacket(packet).subarray(14);

function ip6(hex: string): Packet {
  return { ether: { ...route.ether, type: 0x86dd }, payload: { kind: 'bytes', bytes: bytes(hex) } };
}

const ends6 = '20010db8021000000000000000000001 20010db8021000000000000000000011';
const back6 = '20010db8021000000000000000000011 20010db8009900000000000000000001';

const head = 'RLOGS-PPPPPP IN=rl0 OUT= MAC=42:a5:23:ff:b7:74:12:dd:e6:16:2e:1e';
const head4 = `${head}:08:00 SRC=192.168.210.1 DST=192.168.210.11`;
const head6 = `${head}:86:dd SRC=2001:0db8:0210:0000:0000:0000:0000:0001 DST=2001:0db8:0210:0000:0000:0000:0000:0011`;
const arpHead = 'RLOGS-PPPPPP IN=rl0 OUT= ARP';

const lines: readonly [name: string, packet: Packet, line: string][] = [
  [
    'TCP SYN with DF',
    tcpSegment({ ...tcp, dport: 22, flags: ['syn'], ip: { id: 1 } }),
    `${head4} LEN=40 TOS=0x00 PREC=0x00 TTL=64 ID=1 DF PROTO=TCP SPT=40000 DPT=22 WINDOW=1024 RES=0x00 SYN URGP=0 MARK=0x1f `,
  ],
  [
    'TCP without flags',
    tcpSegment({ ...tcp, dport: 23, flags: [] }),
    `${head4} LEN=40 TOS=0x00 PREC=0x00 TTL=64 ID=1 PROTO=TCP SPT=40000 DPT=23 WINDOW=1024 RES=0x00 URGP=0 MARK=0x1f `,
  ],
  [
    'TCP with all flags, reserved bits and a type of service',
    transport(
      {
        kind: 'tcp',
        sport: 40000,
        dport: 24,
        sequence: 0,
        acknowledgement: 0,
        flags: tcpFlags,
        reserved: 15,
        window: 1024,
        urgent: 0,
        options: new Uint8Array(4),
        data: new Uint8Array(),
      },
      { protocol: 6, tos: 0x1b },
    ),
    `${head4} LEN=44 TOS=0x1A PREC=0x00 TTL=64 ID=1 PROTO=TCP SPT=40000 DPT=24 WINDOW=1024 RES=0x38 AE CWR ECE URG ACK PSH RST SYN FIN URGP=0 MARK=0x1f `,
  ],
  [
    'TCP header cut: no mark',
    raw(6, '9c40001a00000000 00'),
    `${head4} LEN=29 TOS=0x00 PREC=0x00 TTL=64 ID=1 PROTO=TCP INCOMPLETE [9 bytes] `,
  ],
  [
    'UDP',
    udpDatagram({ ...route, sport: 5353, dport: 161, data: bytes('61626364') }),
    `${head4} LEN=32 TOS=0x00 PREC=0x00 TTL=64 ID=1 PROTO=UDP SPT=5353 DPT=161 LEN=12 MARK=0x1f `,
  ],
  [
    'first fragment: a header of x',
    transport(
      { kind: 'udp', sport: 0x7878, dport: 0x7878, length: 0x7878, checksum: 0x7878, data: new Uint8Array() },
      { moreFragments: true },
    ),
    `${head4} LEN=28 TOS=0x00 PREC=0x00 TTL=64 ID=1 MF PROTO=UDP SPT=30840 DPT=30840 LEN=30840 MARK=0x1f `,
  ],
  [
    'later fragment with every flag',
    raw(17, '7878787878787878', {
      reserved: true,
      dontFragment: true,
      moreFragments: true,
      fragmentOffset: 16,
      id: 77,
    }),
    `${head4} LEN=28 TOS=0x00 PREC=0x00 TTL=64 ID=77 CE DF MF FRAG:16 PROTO=UDP MARK=0x1f `,
  ],
  [
    'echo request',
    echoRequest({ ...route, id: 7, sequence: 9, data: new Uint8Array(8) }),
    `${head4} LEN=36 TOS=0x00 PREC=0x00 TTL=64 ID=1 PROTO=ICMP TYPE=8 CODE=0 ID=7 SEQ=9 MARK=0x1f `,
  ],
  [
    'port unreachable',
    icmp(3, 3, 0, inside(udpDatagram({ ...back, sport: 53, dport: 33434, data: bytes('61626364') }))),
    `${head4} LEN=60 TOS=0x00 PREC=0x00 TTL=64 ID=1 PROTO=ICMP TYPE=3 CODE=3 [SRC=192.168.210.11 DST=10.9.8.7 LEN=32 TOS=0x00 PREC=0x00 TTL=64 ID=1 PROTO=UDP SPT=53 DPT=33434 LEN=12 ] MARK=0x1f `,
  ],
  [
    'fragmentation needed',
    icmp(3, 4, 1400, inside(ackBack)),
    `${head4} LEN=68 TOS=0x00 PREC=0x00 TTL=64 ID=1 PROTO=ICMP TYPE=3 CODE=4 [SRC=192.168.210.11 DST=10.9.8.7 LEN=40 TOS=0x00 PREC=0x00 TTL=64 ID=1 PROTO=TCP SPT=443 DPT=5555 WINDOW=1024 RES=0x00 ACK URGP=0 ] MTU=1400 MARK=0x1f `,
  ],
  [
    'redirect',
    icmp(5, 1, Number(ip('192.168.210.66').bits), inside(ackBack)),
    `${head4} LEN=68 TOS=0x00 PREC=0x00 TTL=64 ID=1 PROTO=ICMP TYPE=5 CODE=1 GATEWAY=192.168.210.66 [SRC=192.168.210.11 DST=10.9.8.7 LEN=40 TOS=0x00 PREC=0x00 TTL=64 ID=1 PROTO=TCP SPT=443 DPT=5555 WINDOW=1024 RES=0x00 ACK URGP=0 ] MARK=0x1f `,
  ],
  [
    'an error in an error is not opened',
    icmp(
      11,
      0,
      0,
      encodeIp4({
        ip: { ...ip4Of(ackBack), protocol: 1 },
        payload: Uint8Array.of(
          3,
          3,
          0,
          0,
          0,
          0,
          0,
          0,
          ...inside(udpDatagram({ ...back, sport: 1, dport: 2, data: bytes('61626364') })),
        ),
      }),
    ),
    `${head4} LEN=88 TOS=0x00 PREC=0x00 TTL=64 ID=1 PROTO=ICMP TYPE=11 CODE=0 [SRC=192.168.210.11 DST=10.9.8.7 LEN=60 TOS=0x00 PREC=0x00 TTL=64 ID=1 PROTO=ICMP TYPE=3 CODE=3 ] MARK=0x1f `,
  ],
  [
    'parameter problem',
    icmp(12, 0, 20 * 2 ** 24, new Uint8Array(32)),
    `${head4} LEN=60 TOS=0x00 PREC=0x00 TTL=64 ID=1 PROTO=ICMP TYPE=12 CODE=0 PARAMETER=20 MARK=0x1f `,
  ],
  [
    'ICMP error cut',
    icmp(3, 3, 0, new Uint8Array(10)),
    `${head4} LEN=38 TOS=0x00 PREC=0x00 TTL=64 ID=1 PROTO=ICMP TYPE=3 CODE=3 INCOMPLETE [18 bytes] MARK=0x1f `,
  ],
  [
    'ICMP header cut',
    raw(1, '0800'),
    `${head4} LEN=22 TOS=0x00 PREC=0x00 TTL=64 ID=1 PROTO=ICMP INCOMPLETE [2 bytes] MARK=0x1f `,
  ],
  [
    'timestamp cut',
    icmp(13, 0, 0, new Uint8Array()),
    `${head4} LEN=28 TOS=0x00 PREC=0x00 TTL=64 ID=1 PROTO=ICMP TYPE=13 CODE=0 INCOMPLETE [8 bytes] MARK=0x1f `,
  ],
  [
    'ESP',
    raw(50, '0000100100000001 00000000'),
    `${head4} LEN=32 TOS=0x00 PREC=0x00 TTL=64 ID=1 PROTO=ESP SPI=0x1001 MARK=0x1f `,
  ],
  [
    'AH',
    raw(51, `0604000000001002 ${'00'.repeat(16)}`),
    `${head4} LEN=44 TOS=0x00 PREC=0x00 TTL=64 ID=1 PROTO=AH SPI=0x1002 MARK=0x1f `,
  ],
  ['SCTP', raw(132, '00'.repeat(12)), `${head4} LEN=32 TOS=0x00 PREC=0x00 TTL=64 ID=1 PROTO=132 MARK=0x1f `],
  [
    'UDP-Lite',
    raw(136, '0009000a000c0000 00000000'),
    `${head4} LEN=32 TOS=0x00 PREC=0x00 TTL=64 ID=1 PROTO=UDPLITE SPT=9 DPT=10 LEN=12 MARK=0x1f `,
  ],
  [
    'IPv6 TCP with a flow label',
    ip6(`60012345 0014 06 40 ${ends6} 0fa0001600000000000000005002040000000000`),
    `${head6} LEN=60 TC=0 HOPLIMIT=64 FLOWLBL=74565 PROTO=TCP SPT=4000 DPT=22 WINDOW=1024 RES=0x00 SYN URGP=0 MARK=0x1f `,
  ],
  [
    'ICMPv6 echo request',
    ip6(`60000000 0008 3a 40 ${ends6} 8000000000070009`),
    `${head6} LEN=48 TC=0 HOPLIMIT=64 FLOWLBL=0 PROTO=ICMPv6 TYPE=128 CODE=0 ID=7 SEQ=9 MARK=0x1f `,
  ],
  [
    'ICMPv6 packet too big',
    ip6(
      `60000000 0044 3a 40 ${ends6} 0200000000000500 60000000 0014 06 40 ${back6} 0005000600000000000000005010040000000000`,
    ),
    `${head6} LEN=108 TC=0 HOPLIMIT=64 FLOWLBL=0 PROTO=ICMPv6 TYPE=2 CODE=0 [SRC=2001:0db8:0210:0000:0000:0000:0000:0011 DST=2001:0db8:0099:0000:0000:0000:0000:0001 LEN=60 TC=0 HOPLIMIT=64 FLOWLBL=0 PROTO=TCP SPT=5 DPT=6 WINDOW=1024 RES=0x00 ACK URGP=0 ] MTU=1280 MARK=0x1f `,
  ],
  [
    'ICMPv6 parameter problem',
    ip6(
      `60000000 0044 3a 40 ${ends6} 0400000000000028 60000000 0014 06 40 ${back6} 0005000600000000000000005010040000000000`,
    ),
    `${head6} LEN=108 TC=0 HOPLIMIT=64 FLOWLBL=0 PROTO=ICMPv6 TYPE=4 CODE=0 POINTER=00000028 [SRC=2001:0db8:0210:0000:0000:0000:0000:0011 DST=2001:0db8:0099:0000:0000:0000:0000:0001 LEN=60 TC=0 HOPLIMIT=64 FLOWLBL=0 PROTO=TCP SPT=5 DPT=6 WINDOW=1024 RES=0x00 ACK URGP=0 ] MARK=0x1f `,
  ],
  [
    'IPv6 first fragment',
    ip6(`60000000 0014 2c 40 ${ends6} 110000010000002a 00070008000c000061626364`),
    `${head6} LEN=60 TC=0 HOPLIMIT=64 FLOWLBL=0 FRAG:0 INCOMPLETE ID:0000002a PROTO=UDP SPT=7 DPT=8 LEN=12 MARK=0x1f `,
  ],
  [
    'IPv6 later fragment',
    ip6(`60000000 0010 2c 40 ${ends6} 110000100000002b 7878787878787878`),
    `${head6} LEN=56 TC=0 HOPLIMIT=64 FLOWLBL=0 FRAG:16 ID:0000002b PROTO=UDP MARK=0x1f `,
  ],
  [
    'IPv6 without a next header',
    ip6(`60000000 0000 3b 40 ${ends6}`),
    `${head6} LEN=40 TC=0 HOPLIMIT=64 FLOWLBL=0 PROTO=59 MARK=0x1f `,
  ],
  [
    'IPv6 with ESP ends there',
    ip6(`60000000 0008 32 40 ${ends6} 0000100100000001`),
    `${head6} LEN=48 TC=0 HOPLIMIT=64 FLOWLBL=0 `,
  ],
  [
    'ARP request',
    arpRequest({ ...route, senderMac: mac('52:54:00:00:00:01') }),
    `${arpHead} HTYPE=1 PTYPE=0x0800 OPCODE=1 MACSRC=52:54:00:00:00:01 IPSRC=192.168.210.1 MACDST=00:00:00:00:00:00 IPDST=192.168.210.11`,
  ],
  [
    'ARP reply',
    arpReply({
      ...route,
      ether: { source: 1, destination: mac('52:54:00:00:00:11') },
      senderMac: mac('52:54:00:66:66:66'),
    }),
    `${arpHead} HTYPE=1 PTYPE=0x0800 OPCODE=2 MACSRC=52:54:00:66:66:66 IPSRC=192.168.210.1 MACDST=52:54:00:00:00:11 IPDST=192.168.210.11`,
  ],
  [
    'ARP of other hardware',
    { ether: { ...route.ether, type: 0x0806 }, payload: { kind: 'bytes', bytes: bytes('0006080006040001') } },
    `${arpHead} HTYPE=6 PTYPE=0x0800 OPCODE=1`,
  ],
];

function ip4Of(packet: Packet): Ip4 {
  assert.ok(packet.payload.kind === 'ip4');
  return packet.payload.ip;
}

describe('genuine lines come out again', () => {
  for (const [name, packet, line] of lines) {
    it(name, () => {
      assert.equal(printLogLine({ prefix: 'RLOGS-PPPPPP ', family: 'ip', iif: 'rl0', packet, mark: 0x1f }), line);
    });
  }
});
