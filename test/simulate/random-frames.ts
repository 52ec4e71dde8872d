// Frames of the kinds that the kernel's log opens, with wrong lengths, cut headers and nested errors among them. All of
// them are received: the source MAC is a good one, and a tagged frame has the octets that reception asks for.
import fc from 'fast-check';
import { joined } from '../../src/packet/octets.ts';
import { fuzzMac } from './log-bench.ts';

const macs = Uint8Array.of(2, 0, 0, 0, 0, 0x99, 2, 0, 0, 0, 0, fuzzMac & 0xff);

function bytes(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, 'hex'));
}

/** What must have occurred among the random frames. */
export const notable = [
  'TRUNCATED',
  'INCOMPLETE [',
  'ARP HTYPE=1 ',
  'MACSRC=',
  'PROTO=TCP ',
  'PROTO=UDP ',
  'PROTO=UDPLITE ',
  'PROTO=ICMP ',
  'PROTO=ICMPv6 ',
  'PROTO=ESP ',
  'PROTO=AH ',
  'FRAG:',
  'GATEWAY=',
  'PARAMETER=',
  ' MTU=',
  '[SRC=',
  'SPT=',
  'FLOWLBL=',
];

const octets = (maxLength: number) => fc.uint8Array({ maxLength, size: 'max' });
const oneOf = (...values: readonly number[]) => fc.constantFrom(...values);

/** IPv4 with a version and a header length, mostly right ones, and protocols that the log opens. */
function randomIp4(rest: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const first = oneOf(0x45, 0x45, 0x45, 0x46, 0x4f, 0x40);
  const fragment = fc.oneof(fc.constant(0), fc.constant(0), fc.nat(0xffff));
  const protocol = oneOf(1, 1, 1, 1, 6, 17, 50, 51, 136, 58);
  return fc
    .tuple(fc.uint8Array({ minLength: 20, maxLength: 20 }), first, fragment, protocol, rest)
    .map(([header, version, flags, number, tail]) => {
      const start = Uint8Array.from(header);
      start.set([version], 0);
      start.set([flags >> 8, flags & 0xff], 6);
      start.set([number], 9);
      return Uint8Array.of(...start, ...tail);
    });
}

const icmpHead = fc
  .tuple(oneOf(0, 3, 3, 4, 5, 8, 11, 12, 13, 14, 17, 18, 19, 77), oneOf(0, 4, 4), fc.nat(0xffff))
  .map(([type, code, rest]) => Uint8Array.of(type, code, 0, 0, rest >> 8, rest & 0xff, rest & 0xff, rest >> 8));

const joinedTo = (head: fc.Arbitrary<Uint8Array>, tail: fc.Arbitrary<Uint8Array>) =>
  fc.tuple(head, tail).map(([before, behind]) => Uint8Array.of(...before, ...behind));

const anyIp4 = randomIp4(fc.oneof(octets(40), joinedTo(icmpHead, fc.oneof(octets(40), randomIp4(octets(30))))));

function randomIp6(rest: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  return fc
    .tuple(fc.uint8Array({ minLength: 40, maxLength: 40 }), oneOf(0, 6, 17, 43, 44, 44, 50, 51, 58, 58, 59, 60), rest)
    .map(([header, next, tail]) => Uint8Array.of(0x60, ...header.slice(1, 6), next, ...header.slice(7), ...tail));
}

/** An extension header of one unit; as a fragment header its offset is small. */
const extension = fc
  .tuple(oneOf(6, 17, 44, 51, 58, 58, 60), oneOf(0, 0, 1, 5))
  .map(([next, length]) => Uint8Array.of(next, length, 0, length, 0, 0, 0, 9));

const icmp6Head = fc
  .tuple(oneOf(1, 2, 3, 4, 128, 129, 135), fc.nat(0xff))
  .map(([type, rest]) => Uint8Array.of(type, 0, 0, 0, rest, 0, rest, 1));

const anyIp6 = randomIp6(
  fc.oneof(
    octets(30),
    joinedTo(extension, octets(40)),
    joinedTo(icmp6Head, fc.oneof(octets(50), randomIp6(octets(30)))),
  ),
);

const anyArp = joinedTo(
  fc.constantFrom(
    bytes('0001080006040001'),
    bytes('0001080006040002'),
    bytes('0001080006100002'),
    bytes('0006080006040002'),
  ),
  octets(30),
);

/** Below six octets a tagged frame is not received at all. */
const tagged = (inner: number, payload: fc.Arbitrary<Uint8Array>) =>
  joinedTo(
    fc.constant(Uint8Array.of(0, 5, inner >> 8, inner & 0xff)),
    payload.filter(({ length }) => length > 1),
  );

export const randomFrame: fc.Arbitrary<Uint8Array> = fc
  .oneof(
    fc.tuple(fc.constant(0x0800), fc.oneof({ arbitrary: anyIp4, weight: 9 }, { arbitrary: octets(30), weight: 1 })),
    fc.tuple(fc.constant(0x0800), anyIp4),
    fc.tuple(fc.constant(0x86dd), fc.oneof({ arbitrary: anyIp6, weight: 9 }, { arbitrary: octets(50), weight: 1 })),
    fc.tuple(oneOf(0x0806, 0x8035), fc.oneof(anyArp, octets(30))),
    fc.tuple(oneOf(0x8100, 0x88a8), fc.oneof(tagged(0x0800, anyIp4), tagged(0x86dd, anyIp6), tagged(0x0806, anyArp))),
    fc.tuple(fc.nat(0xffff), joinedTo(fc.constant(new Uint8Array(6)), octets(20))),
  )
  .map(([type, payload]) => joined(macs, Uint8Array.of(type >> 8, type & 0xff), payload));
