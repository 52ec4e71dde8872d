// Of an IPv4 packet and of what it carries: the words that an event must have.
import { viewOf } from '../../src/packet/octets.ts';
import type { Seen } from './frame-fields.ts';

type Words = Record<string, string>;

/** `part`: the kernel read less than there should be, but a mark follows. `stopped`: nothing follows. */
export type End = 'whole' | 'part' | 'stopped';

const flagNames = ['fin', 'syn', 'rst', 'psh', 'ack', 'urg', 'ecn', 'cwr'];

/** Octets behind the header that an ICMP message of IPv4 must have, its header among them. */
const icmpLength: Readonly<Record<number, number>> = {
  3: 28,
  4: 28,
  5: 28,
  11: 28,
  12: 28,
  13: 20,
  14: 20,
  17: 12,
  18: 12,
};

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex').toUpperCase();

export class Upper {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly seen: Seen;

  constructor(bytes: Uint8Array, seen: Seen) {
    this.bytes = bytes;
    this.view = viewOf(bytes);
    this.seen = seen;
  }

  has(at: number, count: number): boolean {
    return at + count <= this.bytes.length;
  }

  /** The packet at an offset, and the packet in an error of it. */
  ip4(at: number, words: Words, inner: Words | undefined): End {
    const { view, bytes } = this;
    if (!this.has(at, 20)) return stoppedAt(words);
    const bits = view.getUint16(at + 6);
    const length = (view.getUint8(at) & 15) * 4;
    const tos = view.getUint8(at + 1);
    Object.assign(words, {
      family: '4',
      src: bytes.subarray(at + 12, at + 16).join('.'),
      dst: bytes.subarray(at + 16, at + 20).join('.'),
      len: String(view.getUint16(at + 2)),
      tos: String(tos & 0x1e),
      prec: String(tos & 0xe0),
      ttl: String(view.getUint8(at + 8)),
      id: String(view.getUint16(at + 4)),
    });
    if (bits & 0x8000) words.ce = 'true';
    if (bits & 0x4000) words.df = 'true';
    if (bits & 0x2000) words.mf = 'true';
    const later = (bits & 0x1fff) !== 0;
    if (later) words.frag = String(bits & 0x1fff);
    if (this.seen.flags.options && length > 20) {
      if (!this.has(at + 20, length - 20)) return stoppedAt(words);
      words.options = hex(bytes.subarray(at + 20, at + length));
    }
    return this.carried(view.getUint8(at + 9), at + length, later, words, inner);
  }

  carried(protocol: number, at: number, later: boolean, words: Words, inner: Words | undefined): End {
    // a later fragment of AH has no PROTO=
    if (protocol === 51 && later) return 'whole';
    words.protocol = String(protocol);
    if (later) return 'whole';
    switch (protocol) {
      case 6:
        return this.tcp(at, words);
      case 17:
      case 136:
        return this.udp(at, words);
      case 1:
        return this.icmp4(at, words, inner);
      case 50:
      case 51:
        return this.security(at, protocol === 51 ? 12 : 8, protocol === 51 ? 4 : 0, words);
      default:
        return 'whole';
    }
  }

  tcp(at: number, words: Words): End {
    const { view, bytes, seen } = this;
    if (!this.has(at, 20)) return this.incomplete(at, words, 'stopped');
    const [offset, flags] = [view.getUint8(at + 12), view.getUint8(at + 13)];
    Object.assign(words, {
      sport: String(view.getUint16(at)),
      dport: String(view.getUint16(at + 2)),
      window: String(view.getUint16(at + 14)),
      res: String((offset & (seen.knowsAe ? 0x0e : 0x0f)) << 2),
      urgp: String(view.getUint16(at + 18)),
    });
    if (seen.flags.seq) {
      words.seq = String(view.getUint32(at + 4));
      words.ack = String(view.getUint32(at + 8));
    }
    const names = flagNames.filter((_, bit) => flags & (1 << bit));
    if (seen.knowsAe && offset & 1) names.push('ae');
    words.flags = names.length === 0 ? 'none' : names.join(',');
    const length = (offset >> 4) * 4;
    if (!seen.flags.options || length <= 20) return 'whole';
    if (!this.has(at + 20, length - 20)) return stoppedAt(words);
    words.tcpOptions = hex(bytes.subarray(at + 20, at + length));
    return 'whole';
  }

  udp(at: number, words: Words): End {
    if (!this.has(at, 8)) return this.incomplete(at, words, 'stopped');
    const [sport, dport, udpLen] = [0, 2, 4].map((offset) => String(this.view.getUint16(at + offset)));
    Object.assign(words, { sport, dport, udpLen });
    return 'whole';
  }

  security(at: number, length: number, spiAt: number, words: Words): End {
    if (!this.has(at, length)) return this.incomplete(at, words, 'part');
    words.spi = String(this.view.getUint32(at + spiAt));
    return 'whole';
  }

  icmp4(at: number, words: Words, inner: Words | undefined): End {
    const { view, bytes } = this;
    if (!this.has(at, 8)) return this.incomplete(at, words, 'part');
    const [type, code] = [view.getUint8(at), view.getUint8(at + 1)];
    words.icmpType = String(type);
    words.icmpCode = String(code);
    if (bytes.length - at < (icmpLength[type] ?? 0)) return this.incomplete(at, words, 'part');
    if (type === 0 || type === 8) {
      words.icmpId = String(view.getUint16(at + 4));
      words.icmpSeq = String(view.getUint16(at + 6));
    }
    if (type === 12) words.parameter = String(view.getUint8(at + 4));
    if (type === 5) words.gateway = bytes.subarray(at + 4, at + 8).join('.');
    if ([3, 4, 5, 11].includes(type) && inner !== undefined) this.ip4(at + 8, inner, undefined);
    if (type === 3 && code === 4) words.mtu = String(view.getUint16(at + 6));
    return 'whole';
  }

  incomplete(at: number, words: Words, end: End): End {
    // where the header lies about its length the difference is negative, and printed as a number of 32 bits
    words.incomplete = String((this.bytes.length - at) >>> 0);
    return end;
  }
}

export function stoppedAt(words: Words): End {
  words.truncated = 'true';
  return 'stopped';
}
