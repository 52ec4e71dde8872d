// The IPv6 part of a log line: dump_ipv6_packet of net/netfilter/nf_log_syslog.c without log flags.
import { ipProtocol } from '../packet/ip4.ts';
import { holds, incompleteText, tcpText, udpText } from './log-line-transport.ts';

/** Next-header values (RFC 8200, linux/ipv6.h). */
const nextHeader = { hopByHop: 0, routing: 43, fragment: 44, esp: 50, ah: 51, icmp6: 58, destination: 60 } as const;

const extensionHeaders: ReadonlySet<number> = new Set([
  nextHeader.hopByHop,
  nextHeader.routing,
  nextHeader.fragment,
  nextHeader.esp,
  nextHeader.ah,
  nextHeader.destination,
]);

const icmp6Type = {
  destinationUnreachable: 1,
  packetTooBig: 2,
  timeExceeded: 3,
  parameterProblem: 4,
  echoRequest: 128,
  echoReply: 129,
} as const;

/** As `ip4Text`: `packet` starts at the outer header, and one further in (`at`) has neither tail nor opened errors. */
export function ip6Text(packet: DataView, tail: string, at = 0): string {
  if (!holds(packet, at, 40)) return 'TRUNCATED';
  const first = packet.getUint32(at);
  const fields = [
    `SRC=${fullIp6(packet, at + 8)} DST=${fullIp6(packet, at + 24)} `,
    `LEN=${packet.getUint16(at + 4) + 40} TC=${(first >>> 20) & 0xff} `,
    `HOPLIMIT=${packet.getUint8(at + 7)} FLOWLBL=${first & 0xfffff} `,
  ];
  const extensions = extensionsText(packet, packet.getUint8(at + 6), at + 40);
  return fields.join('') + extensions.text + (extensions.next ? transportText(packet, extensions.next, at, tail) : '');
}

/** Always eight groups of four digits. */
function fullIp6(packet: DataView, at: number): string {
  return Array.from({ length: 8 }, (_, group) =>
    packet
      .getUint16(at + group * 2)
      .toString(16)
      .padStart(4, '0'),
  ).join(':');
}

type Next = { readonly protocol: number; readonly at: number; readonly laterFragment: boolean };

/** Without `next` the line ends there. */
type Extensions = { readonly text: string; readonly next?: Next };

function extensionsText(packet: DataView, first: number, start: number): Extensions {
  let text = '';
  let next: Next = { protocol: first, at: start, laterFragment: false };
  while (extensionHeaders.has(next.protocol)) {
    if (!holds(packet, next.at, 2)) return { text: `${text}TRUNCATED` };
    const step = extensionText(packet, next);
    text += step.text;
    if (step.next === undefined) return { text };
    next = step.next;
  }
  return { text, next };
}

function extensionText(packet: DataView, here: Next): Extensions {
  const { at, laterFragment } = here;
  const protocol = packet.getUint8(at);
  const length = packet.getUint8(at + 1);
  switch (here.protocol) {
    case nextHeader.fragment:
      return fragmentText(packet, here);
    case nextHeader.ah:
      return { text: '', next: { protocol, at: at + (length + 2) * 4, laterFragment } };
    case nextHeader.esp:
      return { text: '' };
    default:
      return laterFragment ? { text: '' } : { text: '', next: { protocol, at: at + (length + 1) * 8, laterFragment } };
  }
}

/** The offset in octets, and `INCOMPLETE` for 'more fragments follow'. */
function fragmentText(packet: DataView, here: Next): Extensions {
  const { at } = here;
  if (!holds(packet, at, 8)) return { text: 'FRAG:TRUNCATED ' };
  const field = packet.getUint16(at + 2);
  const offset = field & 0xfff8;
  const more = field & 1 ? 'INCOMPLETE ' : '';
  const id = packet
    .getUint32(at + 4)
    .toString(16)
    .padStart(8, '0');
  return {
    text: `FRAG:${offset} ${more}ID:${id} `,
    next: { protocol: packet.getUint8(at), at: at + 8, laterFragment: here.laterFragment || offset > 0 },
  };
}

function transportText(packet: DataView, next: Next, at: number, tail: string): string {
  switch (next.protocol) {
    case ipProtocol.tcp: {
      const { text, cut } = tcpText(packet, next.at, next.laterFragment);
      return cut ? text : text + tail;
    }
    case ipProtocol.udp:
    case ipProtocol.udplite: {
      const { text, cut } = udpText(packet, next.at, next.laterFragment, next.protocol);
      return cut ? text : text + tail;
    }
    case nextHeader.icmp6:
      if (next.laterFragment) return `PROTO=ICMPv6 ${tail}`;
      if (!holds(packet, next.at, 8)) return `PROTO=ICMPv6 ${incompleteText(packet, next.at)}`;
      return `PROTO=ICMPv6 ${icmp6Text(packet, next.at, at === 0)}${tail}`;
    default:
      return `PROTO=${next.protocol} ${tail}`;
  }
}

function icmp6Text(packet: DataView, at: number, outer: boolean): string {
  const type = packet.getUint8(at);
  const rest = packet.getUint32(at + 4);
  const head = `TYPE=${type} CODE=${packet.getUint8(at + 1)} `;
  switch (type) {
    case icmp6Type.echoRequest:
    case icmp6Type.echoReply:
      return `${head}ID=${rest >>> 16} SEQ=${rest & 0xffff} `;
    case icmp6Type.parameterProblem:
      return `${head}POINTER=${rest.toString(16).padStart(8, '0')} ${causeText(packet, at, outer)}`;
    case icmp6Type.packetTooBig:
      return `${head}${causeText(packet, at, outer)}MTU=${rest} `;
    case icmp6Type.destinationUnreachable:
    case icmp6Type.timeExceeded:
      return head + causeText(packet, at, outer);
    default:
      return head;
  }
}

function causeText(packet: DataView, at: number, outer: boolean): string {
  return outer ? `[${ip6Text(packet, '', at + 8)}] ` : '';
}
