// decode and encode are exact inverses: known frames octet by octet, then random packets and random bytes.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Ip } from '../../src/model/ip.ts';
import { type Ip4, ipProtocol } from '../../src/packet/ip4.ts';
import { decodePacket, encodePacket, type Packet, type Payload, type Transport } from '../../src/packet/packet.ts';
import { tcpFlags } from '../../src/packet/tcp.ts';
import { encodeUdp } from '../../src/packet/udp.ts';

const octet = fc.nat(0xff);
const word = fc.nat(0xffff);
const double = fc.nat(0xffff_ffff);
const mac = fc.nat(0xffff_ffff_ffff);
const ip: fc.Arbitrary<Ip> = double.map((bits) => ({ family: 4, bits: BigInt(bits) }));
const data = fc.uint8Array({ maxLength: 40 });
const options = fc.nat(10).chain((words) => fc.uint8Array({ minLength: words * 4, maxLength: words * 4 }));

/** Without the objects that have no prototype: they differ from literals. */
function plainRecord<T>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record(fields, { noNullPrototype: true }) as fc.Arbitrary<T>;
}

const header = {
  source: ip,
  destination: ip,
  ttl: octet,
  tos: octet,
  id: word,
  dontFragment: fc.boolean(),
  options,
};

function ip4(protocol: fc.Arbitrary<number>, fragmentOffset: fc.Arbitrary<number>): fc.Arbitrary<Ip4> {
  const plain = { ...header, protocol, fragmentOffset, moreFragments: fc.boolean() };
  return fc.oneof(plainRecord(plain), plainRecord({ ...plain, reserved: fc.constant<true>(true) }));
}

function datagram(protocol: fc.Arbitrary<number>, offset: fc.Arbitrary<number>, transport: fc.Arbitrary<Transport>) {
  return plainRecord({ kind: fc.constant('ip4' as const), ip: ip4(protocol, offset), transport });
}

const none = fc.constant(0);
const icmp = plainRecord({ kind: fc.constant('icmp' as const), type: octet, code: octet, rest: double, data });
const udp = plainRecord({ kind: fc.constant('udp' as const), sport: word, dport: word, data });
const segment = {
  kind: fc.constant('tcp' as const),
  sport: word,
  dport: word,
  sequence: double,
  acknowledgement: double,
  flags: fc.subarray([...tcpFlags]),
  window: word,
  urgent: word,
  options,
  data,
};
const tcp = fc.oneof(plainRecord(segment), plainRecord({ ...segment, reserved: fc.integer({ min: 1, max: 15 }) }));
const bytes = plainRecord({ kind: fc.constant('bytes' as const), bytes: data });
const decoded: readonly number[] = [ipProtocol.icmp, ipProtocol.tcp, ipProtocol.udp];

const payloads = {
  arp: plainRecord({
    kind: fc.constant('arp' as const),
    operation: word,
    senderMac: mac,
    senderIp: ip,
    targetMac: mac,
    targetIp: ip,
  }),
  icmp: datagram(fc.constant(ipProtocol.icmp), none, icmp),
  udp: datagram(fc.constant(ipProtocol.udp), none, udp),
  tcp: datagram(fc.constant(ipProtocol.tcp), none, tcp),
  'another protocol': datagram(
    octet.filter((protocol) => !decoded.includes(protocol)),
    none,
    bytes,
  ),
  'a later fragment': datagram(octet, fc.integer({ min: 1, max: 0x1fff }), bytes),
  'another ethertype': bytes,
};

const types: Readonly<Record<Payload['kind'], fc.Arbitrary<number>>> = {
  arp: fc.constant(0x0806),
  ip4: fc.constant(0x0800),
  bytes: word.filter((type) => type !== 0x0806 && type !== 0x0800),
};

function packet(payload: fc.Arbitrary<Payload>): fc.Arbitrary<Packet> {
  return payload.chain((inside) =>
    plainRecord({
      ether: plainRecord({ destination: mac, source: mac, type: types[inside.kind] }),
      payload: fc.constant(inside),
    }),
  );
}

const anyPacket = packet(fc.oneof(...Object.values<fc.Arbitrary<Payload>>(payloads)));

describe('a packet survives encoding and decoding', () => {
  for (const [name, payload] of Object.entries<fc.Arbitrary<Payload>>(payloads)) {
    it(name, () => {
      fc.assert(fc.property(packet(payload), (sent) => assert.deepEqual(decodePacket(encodePacket(sent)), sent)));
    });
  }
});

describe('bytes survive decoding and encoding', () => {
  it('as sent, whatever octets were changed, but for padding', () => {
    const change = fc.tuple(fc.nat(79), octet);
    let same = 0;
    fc.assert(
      fc.property(anyPacket, fc.array(change, { maxLength: 3 }), (sent, changes) => {
        const frame = encodePacket(sent);
        for (const [at, value] of changes) if (at < frame.length) frame[at] = value;
        const again = encodePacket(decodePacket(frame) as Packet);
        assert.deepEqual(again, frame.subarray(0, again.length));
        same += Number(again.length === frame.length);
      }),
    );
    assert.ok(same > 0);
  });

  it('random ones never throw, and below 14 octets there is no packet', () => {
    const start = fc.constantFrom([], [8, 0, 0x45], [8, 0, 0x46], [8, 6, 0, 1, 8, 0, 6, 4]);
    const frame = fc.tuple(fc.uint8Array({ minLength: 12, maxLength: 12 }), start, fc.uint8Array({ maxLength: 80 }));
    fc.assert(
      fc.property(frame, ([macs, type, rest]) => {
        const random = Uint8Array.from([...macs, ...type, ...rest]);
        assert.equal(decodePacket(random) === undefined, random.length < 14);
      }),
    );
  });

  it('Ethernet padding is dropped, and the packet shares no memory with the buffer', () => {
    fc.assert(
      fc.property(packet(payloads.udp), data, (sent, padding) => {
        const buffer = Buffer.concat([encodePacket(sent), padding]);
        const received = decodePacket(buffer);
        buffer.fill(0xaa);
        assert.deepEqual(received, sent);
      }),
    );
  });
});

const ethernet = '525400f2a48d525400b15d1f';

/** The frame, and what its payload and transport decode to. */
const frames: readonly [name: string, hex: string, kind: string][] = [
  ['ARP reply', '0806 0001080006040002 525400b15d1f c0a8320d 525400f2a48d c0a8320e', 'arp'],
  ['ARP with hardware type 6', '0806 0006080006040002 525400b15d1f c0a8320d 525400f2a48d c0a8320e', 'bytes'],
  ['ARP cut by one octet', '0806 0001080006040002 525400b15d1f c0a8320d 525400f2a48d c0a832', 'bytes'],
  ['RARP', '8035 0001080006040003 525400b15d1f c0a8320d 525400f2a48d c0a8320e', 'bytes'],
  ['IPv4 in a VLAN tag', '8100 0064 0800 4500001c00004000401155700a0000010a000002 1f9000350008cbb0', 'bytes'],
  ['echo request', '0800 4500001c0001400040015574c0a8320dc0a8320e 0800f7f500010009', 'icmp'],
  ['UDP', '0800 4500001e0000400040115563c0a8320dc0a8320e 14e90035000aa3ed6162', 'udp'],
  ['UDP without a checksum', '0800 4500001e0000400040115563c0a8320dc0a8320e 14e90035000a00006162', 'udp'],
  ['UDP that lies about its length', '0800 4500001e0000400040115563c0a8320dc0a8320e 14e90035ffff00006162', 'udp'],
  ['UDP of 7 octets', '0800 4500001b0000400040115566c0a8320dc0a8320e 14e90035000a00', 'ip4 bytes'],
  ['first fragment', '0800 4500001c000720004011755ec0a8320dc0a8320e 14e9003505dc1234', 'udp'],
  ['later fragment', '0800 4500001c000700014011955dc0a8320dc0a8320e 14e9003505dc1234', 'ip4 bytes'],
  ['TCP SYN', '0800 4500002800014000400626cd0a0000010a000002 1f900016000000000000000050020400783a0000', 'tcp'],
  [
    'TCP with header length 4',
    '0800 4500002800014000400626cd0a0000010a000002 1f90001600000000000000004002040000000000',
    'ip4 bytes',
  ],
  [
    'TCP options that are not there',
    '0800 4500002800014000400626cd0a0000010a000002 1f90001600000000000000006002040000000000',
    'ip4 bytes',
  ],
  ['IPv4 header checksum off by one', '0800 4500001c0001400040015573c0a8320dc0a8320e 0800f7f500010009', 'bytes'],
  ['IPv4 version 5', '0800 5500001c0001400040014574c0a8320dc0a8320e 0800f7f500010009', 'bytes'],
  ['IPv4 header of 4 words', '0800 4400001c000140004001492bc0a8320dc0a8320e 0800f7f500010009', 'bytes'],
  ['IPv4 total length beyond the frame', '0800 4500001d0001400040015573c0a8320dc0a8320e 0800f7f500010009', 'bytes'],
  ['IPv4 total length below the header', '0800 45000013000140004001557dc0a8320dc0a8320e 0800f7f500010009', 'bytes'],
];

function frameOf(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from((ethernet + hex).replaceAll(' ', ''), 'hex'));
}

describe('what a frame decodes to, and that nothing of it is lost', () => {
  const seen = new Set<string>();
  for (const [name, hex, want] of frames) {
    it(name, () => {
      const frame = frameOf(hex);
      const { ether, payload } = decodePacket(frame) as Packet;
      const transport = payload.kind === 'ip4' ? payload.transport.kind : payload.kind;
      const kind = payload.kind === 'ip4' && transport === 'bytes' ? 'ip4 bytes' : transport;
      assert.equal(kind, want);
      assert.deepEqual(encodePacket({ ether, payload }), frame);
      seen.add(kind);
    });
  }

  it('every kind occurred', () => {
    assert.deepEqual([...seen].sort(), ['arp', 'bytes', 'icmp', 'ip4 bytes', 'tcp', 'udp']);
  });
});

/** Whether a checksum is right, worked out by hand elsewhere: only a wrong one is kept in the decoded packet. */
const checksums: readonly [name: string, kept: number | undefined][] = [
  ['echo request', undefined],
  ['UDP', undefined],
  ['TCP SYN', undefined],
  ['UDP without a checksum', 0],
  ['first fragment', 0x1234],
];

describe('right checksums are not kept, since the encoder finds them', () => {
  for (const [name, kept] of checksums) {
    it(name, () => {
      const [, hex = ''] = frames.find((row) => row[0] === name) ?? [];
      const payload = decodePacket(frameOf(hex))?.payload;
      assert.ok(payload?.kind === 'ip4' && payload.transport.kind !== 'bytes');
      assert.equal(payload.transport.checksum, kept);
    });
  }

  it('a UDP sum of 0 is sent as all ones', () => {
    const nobody: Ip = { family: 4, bits: 0n };
    // Protocol, length (twice) and data; the port makes up the rest.
    const dport = 0xffff - ipProtocol.udp - 10 - 10 - 0x0102;
    const bytes = encodeUdp({ sport: 0, dport, data: Uint8Array.of(1, 2) }, { source: nobody, destination: nobody });
    assert.deepEqual([...bytes.subarray(6, 8)], [0xff, 0xff]);
  });
});
