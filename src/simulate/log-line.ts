// A packet and where a log rule saw it -> the kernel's text, octet for octet: net/netfilter/nf_log_syslog.c (03a1569c)
// without log flags. Like there it is read from the frame's octets, so that malformed, cut and nested headers come out
// the same. test/simulate/log-line.test.ts holds it against a real kernel.
import { printIp } from '../model/ip.ts';
import { printMac } from '../model/mac.ts';
import { ethernetLength, etherType } from '../packet/ethernet.ts';
import { readIp4, readMac, viewOf } from '../packet/octets.ts';
import { encodePacket, type Packet } from '../packet/packet.ts';
import { ip4Text } from './log-line-ip4.ts';
import { ip6Text } from './log-line-ip6.ts';

/**
 * What a log rule saw. `family` is `ip` for the rules of iptables and of nft's ip, ip6 and inet tables, and `bridge`
 * for nft's bridge tables. A routed packet keeps the Ethernet header that it came with.
 */
export type LogEntry = {
  /** Stands right before `IN=`: nothing is put between them. */
  readonly prefix: string;
  readonly family: 'ip' | 'bridge';
  readonly iif?: string | undefined;
  readonly oif?: string | undefined;
  /** The bridge ports that br_netfilter noted; the bridge family has them too, once iptables saw the packet. */
  readonly physin?: string | undefined;
  readonly physout?: string | undefined;
  readonly packet: Packet;
  readonly mark?: number | undefined;
};

/** The text without time stamp and level. It ends in a blank, except for ARP and for what is cut short. */
export function printLogLine(entry: LogEntry): string {
  const { prefix, iif = '', oif = '', physin = iif, physout = oif } = entry;
  return [
    `${prefix}IN=${iif} OUT=${oif} `,
    physin === iif ? '' : `PHYSIN=${physin} `,
    physout === oif ? '' : `PHYSOUT=${physout} `,
    bodyText(entry),
  ].join('');
}

/** Frames that are neither IP nor ARP have a `MAC=` at every hook and no mark; ARP has neither. */
function bodyText(entry: LogEntry): string {
  const { protocol, mac, body } = receivedFrame(encodePacket(entry.packet), entry.family);
  const macText = `MAC=${Array.from(mac, hexOctet).join(':')} `;
  const ownMac = entry.iif === undefined ? '' : macText;
  const tail = entry.mark ? `MARK=0x${(entry.mark >>> 0).toString(16)} ` : '';
  switch (protocol) {
    case etherType.ip:
      return ownMac + ip4Text(body, tail);
    case etherType.ip6:
      return ownMac + ip6Text(body, tail);
    case etherType.arp:
    case etherType.rarp:
      return arpText(body);
    default:
      return macText;
  }
}

function hexOctet(octet: number): string {
  return octet.toString(16).padStart(2, '0');
}

/** What the kernel has in its hands: the type that it goes by, the link-layer header, and what follows. */
type Received = { readonly protocol: number; readonly mac: Uint8Array; readonly body: DataView };

const vlanLength = 4;
const pppoeLength = 8;

/** PPP's protocol numbers in the last two octets of the session header (RFC 2516, linux/ppp_defs.h). */
const pppProtocols: Readonly<Record<number, number>> = { 33: etherType.ip, 87: etherType.ip6 };

/** Reception takes the outer VLAN tag out of the frame, also for bridge ports; br_netfilter skips PPPoE headers. */
function receivedFrame(frame: Uint8Array, family: LogEntry['family']): Received {
  const { mac, rest } = untaggedFrame(frame);
  const protocol = viewOf(mac).getUint16(12);
  if (family === 'ip' && protocol === etherType.pppoeSession && rest.length >= pppoeLength) {
    const inner = pppProtocols[viewOf(rest).getUint16(pppoeLength - 2)] ?? protocol;
    return { protocol: inner, mac, body: viewOf(rest.subarray(pppoeLength)) };
  }
  return { protocol, mac, body: viewOf(rest) };
}

function untaggedFrame(frame: Uint8Array): { readonly mac: Uint8Array; readonly rest: Uint8Array } {
  const type = viewOf(frame).getUint16(12);
  const tagged = (type === etherType.vlan || type === etherType.vlanService) && frame.length >= 18;
  const start = tagged ? ethernetLength + vlanLength : ethernetLength;
  return {
    mac: Uint8Array.of(...frame.subarray(0, 12), ...frame.subarray(start - 2, start)),
    rest: frame.subarray(start),
  };
}

/** One form for ARP and RARP; addresses only of hardware type 1 with lengths 6 and 4, whatever the protocol type. */
function arpText(body: DataView): string {
  if (body.byteLength < 8) return 'TRUNCATED';
  const hardware = body.getUint16(0);
  const protocol = body.getUint16(2).toString(16).padStart(4, '0');
  const head = `ARP HTYPE=${hardware} PTYPE=0x${protocol} OPCODE=${body.getUint16(6)}`;
  if (hardware !== 1 || body.getUint16(4) !== 0x0604) return head;
  if (body.byteLength < 28) return `${head} INCOMPLETE [${body.byteLength - 8} bytes]`;
  const sender = `MACSRC=${printMac(readMac(body, 8))} IPSRC=${printIp(readIp4(body, 14))}`;
  return `${head} ${sender} MACDST=${printMac(readMac(body, 18))} IPDST=${printIp(readIp4(body, 24))}`;
}
