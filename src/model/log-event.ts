// What one line of the kernel's firewall log says (net/netfilter/nf_log_syslog.c): typed fields, the logged packet and
// the packet inside of an ICMP error strictly apart. Everything here was written by whoever sent the packet, but the
// prefix and the names of interfaces.
import type { Family, Ip } from './ip.ts';
import type { Mac } from './mac.ts';
import type { TcpFlag } from './match.ts';

/**
 * `ok`: the whole line by the grammar. `partial`: so is this one, but the kernel could not read all of the packet
 * (TRUNCATED, INCOMPLETE, an IPv6 header that it does not open). `cut`: it ends too early. `damaged`: something in it
 * is no text of the kernel; nothing of such a line is evidence. Where one line begins in the packet of
 * another, nothing of a packet is told at all. An error whose inner packet is cut is `ok`.
 */
export type LogStatus = 'ok' | 'partial' | 'cut' | 'damaged';

/** What the prefix says that the rule does. `limit` refuses what comes too often; `unknown` prefixes say nothing. */
export type LogAction = 'deny' | 'accept' | 'limit' | 'audit' | 'reject' | 'unknown';

/** `ae` is the ninth flag, of accurate ECN (RFC 9768). */
export type LogTcpFlag = TcpFlag | 'ae';

/** `null`: the line has the field, or must have it, but it cannot be read. `undefined`: the line has no such field. */
type Read<T> = T | null | undefined;

/** An Ethernet header, from `MAC=` with 14 octets or from `MACSRC= MACDST= MACPROTO=`; only the latter tells of a tag. */
export type LogMac = {
  readonly source: Mac;
  readonly destination: Mac;
  readonly type: number;
  /** `id`: 12 bits; the kernel prints all 16 of the tag. */
  readonly vlan: { readonly type: number; readonly id: number } | undefined;
};

/** The payload of an ARP packet for Ethernet and IPv4; of others only the first three fields are logged. */
export type LogArp = {
  readonly hardware: Read<number>;
  readonly protocol: Read<number>;
  readonly operation: Read<number>;
  readonly senderMac: Read<Mac>;
  readonly senderIp: Read<Ip>;
  readonly targetMac: Read<Mac>;
  readonly targetIp: Read<Ip>;
  /** Octets behind the header, where they were too few. */
  readonly incomplete: Read<number>;
};

/** One IP packet and the beginning of what it carries. */
export type LogPacket = {
  readonly family: Family | undefined;
  readonly src: Read<Ip>;
  readonly dst: Read<Ip>;
  /** What stands in place of an address that somebody took out, as `xxx`. */
  readonly srcText: string | undefined;
  readonly dstText: string | undefined;
  /** With the IP header. */
  readonly len: Read<number>;
  /** IPv4: the kernel masks TOS with 0x1e and PREC with 0xe0, so that the lower bit of ECN is lost. */
  readonly tos: Read<number>;
  readonly prec: Read<number>;
  readonly ttl: Read<number>;
  readonly id: Read<number>;
  /** The reserved bit, `CE` in the log. */
  readonly ce: boolean;
  readonly df: boolean;
  /** In IPv6 too: more fragments follow. */
  readonly mf: boolean;
  /** IPv4 options, or `undefined`; upper-case hex. */
  readonly options: Read<string>;
  readonly tc: Read<number>;
  readonly hoplimit: Read<number>;
  readonly flowlabel: Read<number>;
  /** How many `OPT ( … )` of IPv6 extension headers the line has. */
  readonly extensions: number;
  /** Fragment offset: units of 8 octets in IPv4, octets in IPv6. */
  readonly frag: Read<number>;
  /** Of an IPv6 fragment header. */
  readonly fragId: Read<number>;
  /** 51 AH, 50 ESP, 58 ICMPv6, ...; the line has none behind IPv6 ESP, in a later AH fragment, and where it ends early. */
  readonly protocol: Read<number>;
  readonly sport: Read<number>;
  readonly dport: Read<number>;
  readonly udpLen: Read<number>;
  readonly seq: Read<number>;
  readonly ack: Read<number>;
  readonly window: Read<number>;
  readonly res: Read<number>;
  /** Of a TCP header only, and only where all of them were seen: none at all is a NULL scan. */
  readonly flags: readonly LogTcpFlag[] | undefined;
  readonly urgp: Read<number>;
  readonly tcpOptions: Read<string>;
  readonly icmpType: Read<number>;
  readonly icmpCode: Read<number>;
  readonly icmpId: Read<number>;
  readonly icmpSeq: Read<number>;
  readonly parameter: Read<number>;
  readonly pointer: Read<number>;
  readonly gateway: Read<Ip>;
  readonly mtu: Read<number>;
  /** Of AH or ESP, in IPv6 also of an AH or ESP header in front. */
  readonly spi: Read<number>;
  /** Octets of the upper header, where they were too few. */
  readonly incomplete: Read<number>;
  /** `TRUNCATED`: the kernel had not all octets of a header or of its options. */
  readonly truncated: boolean;
};

type PacketField = keyof LogPacket;

/** What could not be read; in brackets, as in the line, what belongs to the packet inside of an ICMP error. */
export type DamagedField =
  | PacketField
  | `[${PacketField}]`
  | `arp.${keyof LogArp}`
  | 'oif'
  | 'physin'
  | 'physout'
  | 'mac'
  | 'tunnel'
  | 'inner'
  | 'prefix'
  | 'uid'
  | 'gid'
  | 'mark';

export type LogEvent = {
  readonly status: LogStatus;
  readonly damaged: readonly DamagedField[];
  /** It cannot be told from the line alone where the prefix ends: nothing must be done to anybody because of it. */
  readonly ambiguous: boolean;
  readonly prefix: string;
  readonly action: LogAction;
  /** Of `RULE n -- VERDICT `. */
  readonly rule: number | undefined;
  /** Empty where the packet came from, or went to, the host itself. */
  readonly iif: string;
  readonly oif: string;
  readonly physin: string | undefined;
  readonly physout: string | undefined;
  readonly mac: Read<LogMac>;
  /** `MAC=` of another length than Ethernet's, as it is. */
  readonly macText: string | undefined;
  /** Of a sit device: the ends of the tunnel. */
  readonly tunnel: Read<{ readonly from: Ip; readonly to: Ip }>;
  readonly arp: LogArp | undefined;
  /** The logged packet; `undefined` for ARP and other types. */
  readonly packet: LogPacket | undefined;
  /** The packet that an ICMP error tells about: chosen by the sender of the error, and never to be trusted. */
  readonly inner: Read<LogPacket>;
  readonly uid: Read<number>;
  readonly gid: Read<number>;
  readonly mark: Read<number>;
  /** The text that was parsed, without the line's end. */
  readonly raw: string;
};

/** The bridge port that the packet came in by: rules of the bridge family have it in IN. */
export function portIn({ physin, iif }: LogEvent): string {
  return physin ?? iif;
}

export function portOut({ physout, oif }: LogEvent): string {
  return physout ?? oif;
}
