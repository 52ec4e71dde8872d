// Connection tracking of one network namespace, as far as `ct state` can tell: net/netfilter/nf_conntrack_core.c and the
// protocol files beside it. The tuple holds no interface, so one entry serves every bridge that a packet crosses.
import type { CtState } from '../model/match.ts';
import { decodePacket, encodePacket, type Packet, type Transport } from '../packet/packet.ts';
import { type Direction, nextTcpState, type TcpState } from './tcp-state.ts';

type Tuple = { readonly key: string; readonly inverse: string };

type Entry = {
  readonly original: string;
  readonly reply: string;
  seenReply: boolean;
  tcp: TcpState | undefined;
  confirmed: boolean;
  expires: number;
};

/** What a packet carries from PREROUTING or OUTPUT on: its entry, and what the rules may know of it. */
export type Connection = { readonly state: CtState; readonly entry?: Entry };

const untracked: Connection = { state: 'untracked' };
const invalid: Connection = { state: 'invalid' };

/** Defaults of nf_conntrack_*_timeout, in microseconds. */
const second = 1_000_000;
const lifetimes = {
  icmp: 30 * second,
  udp: 30 * second,
  udpStream: 120 * second,
  other: 600 * second,
  tcp: 300 * second,
};

export class Conntrack {
  readonly #entries = new Map<string, { readonly entry: Entry; readonly direction: Direction }>();

  /** Looks a packet up, or begins an unconfirmed entry for it; the entry's own state moves on. */
  track(packet: Packet, now: number): Connection {
    if (packet.payload.kind !== 'ip4') return untracked;
    const { transport } = packet.payload;
    if (transport.kind === 'icmp' && isError(transport.type)) return this.#error(packet, now);
    const tuple = tupleOf(packet);
    if (tuple === undefined) return invalid;
    const known = this.#find(tuple.key, now);
    return known === undefined
      ? begin(tuple, transport, now)
      : this.#proceed(known.entry, known.direction, transport, now);
  }

  #find(key: string, now: number): { readonly entry: Entry; readonly direction: Direction } | undefined {
    const found = this.#entries.get(key);
    if (found !== undefined && found.entry.expires <= now) {
      this.#forget(found.entry);
      return undefined;
    }
    return found;
  }

  #proceed(entry: Entry, direction: Direction, transport: Transport, now: number): Connection {
    if (transport.kind === 'tcp' && entry.tcp !== undefined) {
      const next = nextTcpState(entry.tcp, direction, transport.flags);
      if (next === 'invalid') return invalid;
      if (transport.flags.includes('rst') && !entry.seenReply && direction === 'reply') this.#forget(entry);
      if (next !== 'ignore') entry.tcp = next;
    }
    if (direction === 'reply') entry.seenReply = true;
    entry.expires = now + lifetime(transport, entry.seenReply);
    return { state: direction === 'reply' || entry.seenReply ? 'established' : 'new', entry };
  }

  /** An ICMP error belongs to the flow of the packet that it quotes, if it goes to that packet's sender. */
  #error(packet: Packet, now: number): Connection {
    const quoted = quotedPacket(packet);
    const tuple = quoted === undefined ? undefined : tupleOf(quoted);
    if (tuple === undefined || quoted?.payload.kind !== 'ip4' || packet.payload.kind !== 'ip4') return invalid;
    const known = this.#find(tuple.key, now);
    if (known === undefined) return invalid;
    const toSender = packet.payload.ip.destination.bits === quoted.payload.ip.source.bits;
    return toSender ? { state: 'related', entry: known.entry } : invalid;
  }

  /** What an error of our own carries: the flow of the packet that it is about, known or not (nf_ct_attach). */
  static errorAbout({ connection }: { readonly connection?: Connection }): Connection | undefined {
    return connection?.entry === undefined ? undefined : { state: 'related', entry: connection.entry };
  }

  /** At the end of POSTROUTING or INPUT: from now on replies find the entry. */
  confirm({ entry, state }: Connection): void {
    // an error about a packet goes the other way: it never confirms the packet's entry
    if (entry === undefined || entry.confirmed || state === 'related') return;
    if (this.#entries.has(entry.original) || this.#entries.has(entry.reply)) return;
    entry.confirmed = true;
    this.#entries.set(entry.original, { entry, direction: 'original' });
    this.#entries.set(entry.reply, { entry, direction: 'reply' });
  }

  #forget(entry: Entry): void {
    this.#entries.delete(entry.original);
    this.#entries.delete(entry.reply);
  }

  get size(): number {
    return new Set([...this.#entries.values()].map(({ entry }) => entry)).size;
  }
}

function begin({ key, inverse }: Tuple, transport: Transport, now: number): Connection {
  const entry = {
    original: key,
    reply: inverse,
    seenReply: false,
    confirmed: false,
    expires: now + lifetime(transport, false),
  };
  switch (transport.kind) {
    case 'icmp':
      return isRequest(transport.type) ? { state: 'new', entry: { ...entry, tcp: undefined } } : invalid;
    case 'tcp': {
      const tcp = nextTcpState('none', 'original', transport.flags);
      return tcp === 'invalid' || tcp === 'ignore' ? invalid : { state: 'new', entry: { ...entry, tcp } };
    }
    case 'udp':
    case 'bytes':
      return { state: 'new', entry: { ...entry, tcp: undefined } };
  }
}

function lifetime(transport: Transport, seenReply: boolean): number {
  switch (transport.kind) {
    case 'icmp':
      return lifetimes.icmp;
    case 'udp':
      return seenReply ? lifetimes.udpStream : lifetimes.udp;
    case 'tcp':
      return lifetimes.tcp;
    case 'bytes':
      return lifetimes.other;
  }
}

/** Destination unreachable, source quench, redirect, time exceeded, parameter problem (RFC 792). */
function isError(type: number): boolean {
  return [3, 4, 5, 11, 12].includes(type);
}

/** The only messages that begin a flow: valid_new in nf_conntrack_proto_icmp.c. */
function isRequest(type: number): boolean {
  return type in answers;
}

const answers: Readonly<Record<number, number>> = { 8: 0, 13: 14, 15: 16, 17: 18 };
const questions: Readonly<Record<number, number>> = Object.fromEntries(
  Object.entries(answers).map(([question, answer]) => [answer, Number(question)]),
);

function tupleOf(packet: Packet): Tuple | undefined {
  if (packet.payload.kind !== 'ip4') return undefined;
  const { ip, transport } = packet.payload;
  const [from, to] = [`${ip.source.bits}`, `${ip.destination.bits}`];
  switch (transport.kind) {
    case 'icmp': {
      const inverse = answers[transport.type] ?? questions[transport.type];
      const id = Math.floor(transport.rest / 65_536);
      if (inverse === undefined) return { key: `1 ${from} ${to} ${transport.type}`, inverse: `1 ${to} ${from} none` };
      return {
        key: `1 ${from} ${to} ${id} ${transport.type} ${transport.code}`,
        inverse: `1 ${to} ${from} ${id} ${inverse} ${transport.code}`,
      };
    }
    case 'tcp':
    case 'udp': {
      const { sport, dport } = transport;
      return {
        key: `${ip.protocol} ${from} ${sport} ${to} ${dport}`,
        inverse: `${ip.protocol} ${to} ${dport} ${from} ${sport}`,
      };
    }
    case 'bytes':
      return { key: `${ip.protocol} ${from} ${to}`, inverse: `${ip.protocol} ${to} ${from}` };
  }
}

/** The packet inside an ICMP error; eight octets of its transport header are enough (RFC 792). */
function quotedPacket(packet: Packet): Packet | undefined {
  if (packet.payload.kind !== 'ip4' || packet.payload.transport.kind !== 'icmp') return undefined;
  const header = encodePacket(packet).subarray(0, 14);
  const { data } = packet.payload.transport;
  const frame = new Uint8Array(header.length + data.length);
  frame.set(header);
  frame.set(data, header.length);
  return decodePacket(frame);
}
