// Events in the order of time -> which of them are one packet on its way: the kernel logs it at each bridge and by each rule
// anew. They stay events of their own and share the id of the first one. Only a likeness: a sender may repeat himself.
import { printIp } from '../model/ip.ts';
import type { LogEvent } from '../model/log-event.ts';

export type PathEvent = {
  readonly id: number;
  readonly host: string;
  readonly wall: number | undefined;
  readonly wallSpan: number;
  readonly event: LogEvent;
};

/** No packet is on its way for longer. */
const longestMs = 1_000;
const mostKept = 4_096;

export class PacketPaths {
  readonly #paths = new Map<string, { readonly id: number; readonly wall: number }>();

  /** The id of the first event of this packet, which may be its own; `undefined` where there is too little to go by. */
  of({ id, host, wall, wallSpan, event }: PathEvent): number | undefined {
    const key = packetKey(event);
    if (key === undefined || wall === undefined) return undefined;
    const place = `${host} ${key}`;
    const known = this.#paths.get(place);
    if (known !== undefined && Math.abs(wall - known.wall) <= longestMs + wallSpan) return known.id;
    this.#paths.delete(place); // so that it stands at the end
    this.#paths.set(place, { id, wall });
    this.#forgetOldest();
    return id;
  }

  #forgetOldest(): void {
    const [oldest] = this.#paths.size > mostKept ? this.#paths.keys() : [];
    if (oldest !== undefined) this.#paths.delete(oldest);
  }
}

/** What stays the same from bridge to bridge: addresses, protocol, ID, and what the upper header has of its own. */
function packetKey({ packet }: LogEvent): string | undefined {
  const { src, dst, protocol, id, frag, fragId } = packet ?? {};
  if (src === null || src === undefined || dst === null || dst === undefined) return undefined;
  const { sport, dport, seq, icmpType, icmpCode, icmpId, icmpSeq, spi } = packet ?? {};
  return [
    printIp(src),
    printIp(dst),
    protocol,
    id,
    frag,
    fragId,
    sport,
    dport,
    seq,
    icmpType,
    icmpCode,
    icmpId,
    icmpSeq,
    spi,
  ].join(' ');
}
