// One readable line for a packet, as traces show it. Not for machines: src/simulate/log-line.ts prints the kernel's.
import { printIp } from '../model/ip.ts';
import { printMac } from '../model/mac.ts';
import { unreachable } from '../model/unreachable.ts';
import { type Arp, arpOperation } from './arp.ts';
import { type Ethernet, etherType } from './ethernet.ts';
import { type Icmp, icmpType } from './icmp.ts';
import { type Ip4, ipProtocol } from './ip4.ts';
import type { Packet, Transport } from './packet.ts';

export function printPacket({ ether, payload }: Packet): string {
  switch (payload.kind) {
    case 'arp':
      return printArp(payload);
    case 'ip4':
      return `${printIp(payload.ip.source)} -> ${printIp(payload.ip.destination)} ${printTransport(payload.ip, payload.transport)}`;
    case 'bytes':
      return `${printMac(ether.source)} -> ${printMac(ether.destination)} ${printType(ether)}, ${payload.bytes.length} bytes`;
    default:
      return unreachable(payload);
  }
}

function printArp(arp: Arp): string {
  const sender = printIp(arp.senderIp);
  switch (arp.operation) {
    case arpOperation.request:
      return `ARP request who-has ${printIp(arp.targetIp)} tell ${sender} (${printMac(arp.senderMac)})`;
    case arpOperation.reply:
      return `ARP reply ${sender} is-at ${printMac(arp.senderMac)}`;
    default:
      return `ARP operation ${arp.operation} of ${sender} (${printMac(arp.senderMac)}) to ${printIp(arp.targetIp)}`;
  }
}

function printTransport(ip: Ip4, transport: Transport): string {
  switch (transport.kind) {
    case 'icmp':
      return printIcmp(transport);
    case 'tcp':
      return `TCP ${transport.sport} -> ${transport.dport} ${transport.flags.join(',') || 'no flags'}`;
    case 'udp':
      return `UDP ${transport.sport} -> ${transport.dport}`;
    case 'bytes':
      return ip.fragmentOffset > 0
        ? `${printProtocol(ip.protocol)} fragment of id ${ip.id} at ${ip.fragmentOffset * 8}`
        : `${printProtocol(ip.protocol)}, ${transport.bytes.length} bytes`;
    default:
      return unreachable(transport);
  }
}

const icmpNames: Readonly<Record<number, string>> = {
  [icmpType.echoReply]: 'echo-reply',
  [icmpType.destinationUnreachable]: 'destination-unreachable',
  [icmpType.redirect]: 'redirect',
  [icmpType.echoRequest]: 'echo-request',
  [icmpType.timeExceeded]: 'time-exceeded',
  [icmpType.parameterProblem]: 'parameter-problem',
};

function printIcmp({ type, code, rest }: Icmp): string {
  const name = icmpNames[type] ?? `type ${type}`;
  return type === icmpType.echoRequest || type === icmpType.echoReply
    ? `ICMP ${name} id ${rest >>> 16} seq ${rest & 0xffff}`
    : `ICMP ${name} code ${code}`;
}

const protocolNames: Readonly<Record<number, string>> = {
  [ipProtocol.icmp]: 'ICMP',
  [ipProtocol.igmp]: 'IGMP',
  [ipProtocol.tcp]: 'TCP',
  [ipProtocol.udp]: 'UDP',
  [ipProtocol.esp]: 'ESP',
  [ipProtocol.ah]: 'AH',
  [ipProtocol.udplite]: 'UDPLITE',
};

function printProtocol(protocol: number): string {
  return protocolNames[protocol] ?? `protocol ${protocol}`;
}

const typeNames: Readonly<Record<number, string>> = {
  [etherType.ip]: 'malformed IPv4',
  [etherType.arp]: 'malformed ARP',
  [etherType.rarp]: 'RARP',
  [etherType.vlan]: '802.1Q',
  [etherType.ip6]: 'IPv6',
  [etherType.pppoeSession]: 'PPPoE session',
  [etherType.vlanService]: '802.1ad',
};

function printType({ type }: Ethernet): string {
  if (type < 0x600) return '802.3';
  return typeNames[type] ?? `ethertype 0x${type.toString(16).padStart(4, '0')}`;
}
