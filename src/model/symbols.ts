// The names that nft, iptables and the kernel's texts give to numbers, and the bounds that both tools share.
import type { CtState, TcpFlag } from './match.ts';

/** In the order of the bits (RFC 9293, RFC 3168): `fin` is 1, `cwr` is 128. */
export const tcpFlags: readonly TcpFlag[] = ['fin', 'syn', 'rst', 'psh', 'ack', 'urg', 'ecn', 'cwr'];

/** In the order of the kernel's bits (uapi/linux/netfilter/nf_conntrack_common.h). */
export const ctStates: readonly CtState[] = ['invalid', 'established', 'related', 'new', 'untracked'];

/** syslog(3): the place in the list is the number. */
export const logLevels = ['emerg', 'alert', 'crit', 'err', 'warn', 'notice', 'info', 'debug'] as const;

/** What a log rule without a level means, in both tools. */
export const warnLevel = 4;

/** Protocols whose header begins with a source and a destination port. */
export const portProtocols: readonly number[] = [6, 17, 33, 132, 136];

/** Debian's /etc/protocols, which both tools use when they list rules, and the names that nft's grammar has itself. */
export const ipProtocols: ReadonlyMap<string, number> = new Map(
  Object.entries({
    ip: 0,
    icmp: 1,
    igmp: 2,
    ggp: 3,
    ipencap: 4,
    st: 5,
    tcp: 6,
    egp: 8,
    igp: 9,
    pup: 12,
    udp: 17,
    hmp: 20,
    'xns-idp': 22,
    rdp: 27,
    'iso-tp4': 29,
    dccp: 33,
    xtp: 36,
    ddp: 37,
    'idpr-cmtp': 38,
    ipv6: 41,
    'ipv6-route': 43,
    'ipv6-frag': 44,
    idrp: 45,
    rsvp: 46,
    gre: 47,
    esp: 50,
    'ipsec-esp': 50,
    ah: 51,
    'ipsec-ah': 51,
    skip: 57,
    'ipv6-icmp': 58,
    icmpv6: 58,
    'ipv6-nonxt': 59,
    'ipv6-opts': 60,
    rspf: 73,
    vmtp: 81,
    eigrp: 88,
    ospf: 89,
    'ax.25': 93,
    ipip: 94,
    etherip: 97,
    encap: 98,
    pim: 103,
    ipcomp: 108,
    comp: 108,
    vrrp: 112,
    l2tp: 115,
    isis: 124,
    sctp: 132,
    fc: 133,
    'mobility-header': 135,
    'ipv6-mh': 135,
    udplite: 136,
    'mpls-in-ip': 137,
    manet: 138,
    hip: 139,
    shim6: 140,
    wesp: 141,
    rohc: 142,
    ethernet: 143,
  }),
);

const interfacePattern = /^[A-Za-z0-9_.-]{1,15}\*?$/;

/** A name as the kernel allows and we let pass, or a prefix of names with a trailing `*`. */
export function isInterfacePattern(text: string): boolean {
  return interfacePattern.test(text);
}

/** IFNAMSIZ is 16 with the NUL: a prefix of 15 characters is a whole name, and neither tool takes its `*`. */
export function shortInterfacePattern(text: string): string {
  return text.length > 15 && text.endsWith('*') ? text.slice(0, -1) : text;
}

/** Well-formed Unicode without control characters: it cannot end a line, nor turn into other bytes when written. */
export function isOneLine(text: string): boolean {
  return text.isWellFormed() && !/\p{Cc}/u.test(text);
}
