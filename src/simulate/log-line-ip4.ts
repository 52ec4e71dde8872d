// The IPv4 part of a log line: dump_ipv4_packet of net/netfilter/nf_log_syslog.c without log flags.
import { printIp } from '../model/ip.ts';
import { icmpType } from '../packet/icmp.ts';
import { ipProtocol } from '../packet/ip4.ts';
import { readIp4 } from '../packet/octets.ts';
import { holds, incompleteText, tcpText, udpText } from './log-line-transport.ts';

/**
 * `packet` starts at the outer IP header; `tail` follows the transport header, unless that is cut. A header further
 * in (`at`) is that of the packet inside an ICMP error: it has no tail, and an error inside of it is not opened.
 */
export function ip4Text(packet: DataView, tail: string, at = 0): string {
  if (!holds(packet, at, 20)) return 'TRUNCATED';
  const tos = packet.getUint8(at + 1);
  const fields = [
    `SRC=${printIp(readIp4(packet, at + 12))} DST=${printIp(readIp4(packet, at + 16))} `,
    `LEN=${packet.getUint16(at + 2)} TOS=0x${hexOctet(tos & 0x1e)} PREC=0x${hexOctet(tos & 0xe0)} `,
    `TTL=${packet.getUint8(at + 8)} ID=${packet.getUint16(at + 4)} ${fragmentText(packet.getUint16(at + 6))}`,
  ];
  return fields.join('') + transportText(packet, at, tail);
}

/** IPTOS_TOS_MASK and IPTOS_PREC_MASK leave out the lowest bit of ECN. */
function hexOctet(octet: number): string {
  return octet.toString(16).toUpperCase().padStart(2, '0');
}

function fragmentText(field: number): string {
  const offset = field & 0x1fff;
  return [
    field & 0x8000 ? 'CE ' : '',
    field & 0x4000 ? 'DF ' : '',
    field & 0x2000 ? 'MF ' : '',
    offset > 0 ? `FRAG:${offset} ` : '',
  ].join('');
}

function transportText(packet: DataView, at: number, tail: string): string {
  const protocol = packet.getUint8(at + 9);
  const next = at + (packet.getUint8(at) & 15) * 4;
  const later = (packet.getUint16(at + 6) & 0x1fff) !== 0;
  switch (protocol) {
    case ipProtocol.tcp: {
      const { text, cut } = tcpText(packet, next, later);
      return cut ? text : text + tail;
    }
    case ipProtocol.udp:
    case ipProtocol.udplite: {
      const { text, cut } = udpText(packet, next, later, protocol);
      return cut ? text : text + tail;
    }
    case ipProtocol.icmp:
      return `PROTO=ICMP ${later ? '' : icmpText(packet, next, at === 0)}${tail}`;
    case ipProtocol.ah:
      return (later ? '' : `PROTO=AH ${spiText(packet, next, 12, 4)}`) + tail;
    case ipProtocol.esp:
      return `PROTO=ESP ${later ? '' : spiText(packet, next, 8, 0)}${tail}`;
    default:
      return `PROTO=${protocol} ${tail}`;
  }
}

function spiText(packet: DataView, at: number, length: number, offset: number): string {
  if (!holds(packet, at, length)) return incompleteText(packet, at);
  return `SPI=0x${packet.getUint32(at + offset).toString(16)} `;
}

/** The code of 'destination unreachable' that carries an MTU. */
const fragmentationNeeded = 4;

const timestamp = 13;
const timestampReply = 14;
const addressMask = 17;
const addressMaskReply = 18;

/** Octets that a message of this type must have at least. */
const leastLength: Readonly<Record<number, number>> = {
  [icmpType.destinationUnreachable]: 28,
  [icmpType.sourceQuench]: 28,
  [icmpType.redirect]: 28,
  [icmpType.timeExceeded]: 28,
  [icmpType.parameterProblem]: 28,
  [timestamp]: 20,
  [timestampReply]: 20,
  [addressMask]: 12,
  [addressMaskReply]: 12,
};

function icmpText(packet: DataView, at: number, outer: boolean): string {
  if (!holds(packet, at, 8)) return incompleteText(packet, at);
  const type = packet.getUint8(at);
  const head = `TYPE=${type} CODE=${packet.getUint8(at + 1)} `;
  if (!holds(packet, at, leastLength[type] ?? 8)) return head + incompleteText(packet, at);
  return head + icmpFields(packet, at, outer);
}

function icmpFields(packet: DataView, at: number, outer: boolean): string {
  switch (packet.getUint8(at)) {
    case icmpType.echoRequest:
    case icmpType.echoReply:
      return `ID=${packet.getUint16(at + 4)} SEQ=${packet.getUint16(at + 6)} `;
    case icmpType.parameterProblem:
      return `PARAMETER=${packet.getUint8(at + 4)} `;
    case icmpType.redirect:
      return `GATEWAY=${printIp(readIp4(packet, at + 4))} ${causeText(packet, at, outer)}`;
    case icmpType.destinationUnreachable:
      return (
        causeText(packet, at, outer) +
        (packet.getUint8(at + 1) === fragmentationNeeded ? `MTU=${packet.getUint16(at + 6)} ` : '')
      );
    case icmpType.sourceQuench:
    case icmpType.timeExceeded:
      return causeText(packet, at, outer);
    default:
      return '';
  }
}

function causeText(packet: DataView, at: number, outer: boolean): string {
  return outer ? `[${ip4Text(packet, '', at + 8)}] ` : '';
}
