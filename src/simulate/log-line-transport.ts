// The part of a log line that IPv4 and IPv6 share: TCP, UDP and UDP-Lite headers (net/netfilter/nf_log_syslog.c).
import { ipProtocol } from '../packet/ip4.ts';

/** After a cut TCP or UDP header nothing follows, not even the mark. */
export type TransportText = { readonly text: string; readonly cut: boolean };

/** `at` may lie behind the end, where a header lies about its length. */
export function holds(packet: DataView, at: number, length: number): boolean {
  return at + length <= packet.byteLength;
}

/** The kernel counts in 32 bits without sign: fewer than none become four thousand million. */
export function incompleteText(packet: DataView, at: number): string {
  return `INCOMPLETE [${(packet.byteLength - at) >>> 0} bytes] `;
}

/** A later fragment has the protocol's name and nothing more. */
export function tcpText(packet: DataView, at: number, laterFragment: boolean): TransportText {
  const name = 'PROTO=TCP ';
  if (laterFragment) return { text: name, cut: false };
  if (!holds(packet, at, 20)) return { text: name + incompleteText(packet, at), cut: true };
  const word = packet.getUint16(at + 12);
  const fields = [
    `SPT=${packet.getUint16(at)} DPT=${packet.getUint16(at + 2)} `,
    `WINDOW=${packet.getUint16(at + 14)} RES=0x${reservedBits(word)} `,
    ...flagNames.filter((_, index) => word & (0x100 >> index)).map((flag) => `${flag} `),
    `URGP=${packet.getUint16(at + 18)} `,
  ];
  return { text: name + fields.join(''), cut: false };
}

/** From bit 8 of the word with the header length and the flags down to bit 0. */
const flagNames = ['AE', 'CWR', 'ECE', 'URG', 'ACK', 'PSH', 'RST', 'SYN', 'FIN'] as const;

/** The three bits before AE; printed where they stood when six bits were reserved. */
function reservedBits(word: number): string {
  return ((word & 0x0e00) >> 6).toString(16).padStart(2, '0');
}

export function udpText(packet: DataView, at: number, laterFragment: boolean, protocol: number): TransportText {
  const name = protocol === ipProtocol.udp ? 'PROTO=UDP ' : 'PROTO=UDPLITE ';
  if (laterFragment) return { text: name, cut: false };
  if (!holds(packet, at, 8)) return { text: name + incompleteText(packet, at), cut: true };
  const fields = `SPT=${packet.getUint16(at)} DPT=${packet.getUint16(at + 2)} LEN=${packet.getUint16(at + 4)} `;
  return { text: name + fields, cut: false };
}
