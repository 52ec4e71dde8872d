// Of an IPv6 packet, its extension headers and what it carries: the words that an event must have.
import { type Ip, printIp } from '../../src/model/ip.ts';
import { type End, stoppedAt, type Upper } from './frame-fields-upper.ts';

type Words = Record<string, string>;

/** Hop by hop, routing, fragment, ESP, AH, none, destination options, mobility, HIP, shim6, and two for experiments. */
const extensionHeaders = [0, 43, 44, 50, 51, 60];

export function ip6Fields(upper: Upper, at: number, words: Words, inner: Words | undefined): End {
  const { view } = upper;
  if (!upper.has(at, 40)) return stoppedAt(words);
  const first = view.getUint32(at);
  Object.assign(words, {
    family: '6',
    src: printIp(addressAt(view, at + 8)),
    dst: printIp(addressAt(view, at + 24)),
    len: String(view.getUint16(at + 4) + 40),
    tc: String((first >>> 20) & 0xff),
    hoplimit: String(view.getUint8(at + 7)),
    flowlabel: String(first & 0xf_ffff),
  });
  return new Headers(upper, words, inner).from(view.getUint8(at + 6), at + 40);
}

function addressAt(view: DataView, at: number): Ip {
  return { family: 6, bits: (view.getBigUint64(at) << 64n) | view.getBigUint64(at + 8) };
}

class Headers {
  readonly #upper: Upper;
  readonly #words: Words;
  readonly #inner: Words | undefined;
  #later = false;

  constructor(upper: Upper, words: Words, inner: Words | undefined) {
    this.#upper = upper;
    this.#words = words;
    this.#inner = inner;
  }

  from(first: number, start: number): End {
    const { view, seen } = this.#upper;
    let [header, at] = [first, start];
    while (extensionHeaders.includes(header)) {
      if (!this.#upper.has(at, 2)) return stoppedAt(this.#words);
      if (seen.flags.options) this.#words.extensions = String(Number(this.#words.extensions ?? '0') + 1);
      const length = this.#lengthOf(header, at);
      if (length === undefined) return 'stopped';
      header = view.getUint8(at);
      at += length;
    }
    this.#words.protocol = String(header);
    if (header === 58) return this.#later ? 'whole' : this.#icmp(at);
    return [6, 17, 136].includes(header)
      ? this.#upper.carried(header, at, this.#later, this.#words, undefined)
      : 'whole';
  }

  /** Or `undefined` where the kernel stops. */
  #lengthOf(header: number, at: number): number | undefined {
    switch (header) {
      case 44:
        return this.#fragment(at);
      case 51:
        return this.#security(at, 12, 4) ? (this.#upper.view.getUint8(at + 1) + 2) * 4 : undefined;
      case 50:
        this.#security(at, 8, 0);
        return undefined;
      default:
        return this.#later ? undefined : (this.#upper.view.getUint8(at + 1) + 1) * 8;
    }
  }

  #fragment(at: number): number | undefined {
    if (!this.#upper.has(at, 8)) {
      stoppedAt(this.#words);
      return undefined;
    }
    const bits = this.#upper.view.getUint16(at + 2);
    this.#words.frag ??= String(bits & 0xfff8);
    if (bits & 1) this.#words.mf = 'true';
    this.#words.fragId ??= String(this.#upper.view.getUint32(at + 4));
    if (bits & 0xfff8) this.#later = true;
    return 8;
  }

  /** Whether the kernel goes on: AH is opened only by a rule that asks for options. */
  #security(at: number, length: number, spiAt: number): boolean {
    if (!this.#upper.seen.flags.options) return true;
    if (this.#later) return false;
    if (!this.#upper.has(at, length)) {
      this.#upper.incomplete(at, this.#words, 'stopped');
      return false;
    }
    this.#words.spi ??= String(this.#upper.view.getUint32(at + spiAt));
    return true;
  }

  #icmp(at: number): End {
    const upper = this.#upper;
    const { view } = upper;
    if (!upper.has(at, 8)) return upper.incomplete(at, this.#words, 'stopped');
    const type = view.getUint8(at);
    this.#words.icmpType = String(type);
    this.#words.icmpCode = String(view.getUint8(at + 1));
    if (type === 128 || type === 129) {
      this.#words.icmpId = String(view.getUint16(at + 4));
      this.#words.icmpSeq = String(view.getUint16(at + 6));
    }
    if (type === 4) this.#words.pointer = String(view.getUint32(at + 4));
    if ([1, 2, 3, 4].includes(type) && this.#inner !== undefined) ip6Fields(upper, at + 8, this.#inner, undefined);
    if (type === 2) this.#words.mtu = String(view.getUint32(at + 4));
    return 'whole';
  }
}
