// What each match and statement is in nft and in iptables. Both back ends' tests print these rows, load them for real
// and read them back. `false` means that the printer refuses; a back end that is not named is not asked.
import { exactly, type NumberRange } from '../../src/model/field.ts';
import { parseIp, parsePrefix } from '../../src/model/ip.ts';
import { prefixRange } from '../../src/model/ip-set.ts';
import {
  ctState,
  field,
  type LimitMatch,
  lookup,
  type Match,
  notField,
  notLookup,
  type TcpFlag,
} from '../../src/model/match.ts';
import {
  accept,
  count,
  drop,
  type Expression,
  goTo,
  jump,
  log,
  returnToCaller,
  type Statement,
  type TableFamily,
} from '../../src/model/ruleset.ts';

export type Row = {
  readonly body: readonly Expression[];
  readonly nft?: string | false;
  readonly iptables?: string | false;
  /** The family of the nft table; `ip` if it is not said. */
  readonly family?: TableFamily;
};

/** `192.168.50.12`, `10.0.0.0/8`, `10.0.0.1-10.0.0.9`, `::1` */
export function ips(text: string): NumberRange {
  const prefix = parsePrefix(text);
  if (prefix !== undefined) {
    const { first, last } = prefixRange(prefix);
    return { first, last };
  }
  const [first, last] = text.split('-').map(parseIp);
  if (first === undefined || last === undefined) throw new Error(`no addresses: ${text}`);
  return { first: first.bits, last: last.bits };
}

export function between(first: number, last: number): NumberRange {
  return { first: BigInt(first), last: BigInt(last) };
}

const mac = exactly(0x525400000012);
const tcp = field('meta l4proto', exactly(6));
const udp = field('meta l4proto', exactly(17));
const icmp = field('meta l4proto', exactly(1));
const everyPort = between(0, 0xffff);

function flags(mask: readonly TcpFlag[], set: readonly TcpFlag[], negated = false): Match {
  return { kind: 'tcp-flags', negated, mask, flags: set };
}

function limit(packets: number, per: LimitMatch['per'], burst: number): Match {
  return { kind: 'limit', packets, per, burst };
}

function reject(answer?: string): Statement {
  return { kind: 'verdict', verdict: answer === undefined ? { kind: 'reject' } : { kind: 'reject', with: answer } };
}

function both(nft: string | false, iptables: string | false, ...body: readonly Expression[]): Row {
  return { body, nft, iptables };
}

/** For nft alone, as iptables sees no frames; what of them it refuses has rows of its own. */
function bridge(nft: string, ...body: readonly Expression[]): Row {
  return { body, nft, family: 'bridge' };
}

function unseen(...body: readonly Expression[]): Row {
  return { body, iptables: false };
}

const fieldRows: readonly Row[] = [
  both('iifname "vk63"', '-i vk63', field('iifname', 'vk63')),
  both('iifname != "vk63"', '! -i vk63', notField('iifname', 'vk63')),
  both('oifname "vk*"', '-o vk+', field('oifname', 'vk*')),
  both('oifname != { "a-b", "vk*", "x.1" }', false, notField('oifname', 'vk*', 'a-b', 'x.1', 'vk7')),
  both('iifname "abcdefghijklmno"', '-i abcdefghijklmno', field('iifname', 'abcdefghijklmno*')),
  both('iifname "-t"', '-i "-t"', field('iifname', '-t')),
  both(false, false, field('iifname', 'vk3*', 'vk4*')),
  both('ip saddr 10.0.0.12', '-s 10.0.0.12', field('ip saddr', ips('10.0.0.12'))),
  both('ip saddr != 10.0.0.12', '! -s 10.0.0.12', notField('ip saddr', ips('10.0.0.12'))),
  both('ip daddr 10.0.0.0/8', '-d 10.0.0.0/8', field('ip daddr', ips('10.0.0.0/8'))),
  both('ip saddr 0.0.0.0/0', '-s 0.0.0.0/0', field('ip saddr', ips('0.0.0.0/0'))),
  both('ip saddr != 0.0.0.0/0', false, notField('ip saddr', ips('0.0.0.0/0'))),
  both(
    'ip saddr 10.0.0.1-10.0.0.9',
    '-m iprange --src-range 10.0.0.1-10.0.0.9',
    field('ip saddr', ips('10.0.0.1-10.0.0.9')),
  ),
  both(
    'ip daddr 10.0.0.0/8 ip daddr != 10.1.0.0/16',
    '-d 10.0.0.0/8 -m iprange ! --dst-range 10.1.0.0-10.1.255.255',
    field('ip daddr', ips('10.0.0.0/8')),
    notField('ip daddr', ips('10.1.0.0/16')),
  ),
  both(
    'ip saddr { 10.0.0.1-10.0.0.5, 10.0.0.9 }',
    false,
    field('ip saddr', ips('10.0.0.9'), ips('10.0.0.1-10.0.0.3'), ips('10.0.0.4-10.0.0.5'), ips('10.0.0.2')),
  ),
  both('meta l4proto tcp', '-p tcp', tcp),
  both('meta l4proto != 47', '! -p 47', notField('meta l4proto', exactly(47))),
  both(false, false, field('meta l4proto', exactly(256))),
  both('meta l4proto { tcp, udp }', false, field('meta l4proto', exactly(17), exactly(6))),
  both('meta l4proto tcp th dport 80', '-p tcp -m tcp --dport 80', tcp, field('th dport', exactly(80))),
  both(
    'meta l4proto udp th sport != 80-90',
    '-p udp -m udp ! --sport 80:90',
    udp,
    notField('th sport', between(80, 90)),
  ),
  both(
    'meta l4proto tcp th dport { 80, 443, 8000-8100 }',
    '-p tcp -m multiport --dports 80,443,8000:8100',
    tcp,
    field('th dport', exactly(443), exactly(80), between(8000, 8100)),
  ),
  both(
    'meta l4proto 132 th dport 1',
    '-p 132 -m multiport --dports 1',
    field('meta l4proto', exactly(132)),
    field('th dport', exactly(1)),
  ),
  both(
    'meta l4proto udp th sport 68 th dport 67',
    '-p udp -m udp --sport 68 --dport 67',
    udp,
    field('th sport', exactly(68)),
    field('th dport', exactly(67)),
  ),
  both(
    'meta l4proto { tcp, udp } th sport 1 th dport 65535',
    false,
    field('meta l4proto', exactly(6), exactly(17)),
    field('th sport', exactly(1)),
    field('th dport', exactly(65_535)),
  ),
  both('meta l4proto tcp th dport 0-65535', '-p tcp -m tcp --dport 0:65535', tcp, field('th dport', everyPort)),
  both('meta l4proto tcp th dport != 0-65535', false, tcp, notField('th dport', everyPort)),
  both(false, false, field('th dport', exactly(80))),
  both(false, false, icmp, field('th dport', exactly(80))),
  both(
    'meta l4proto tcp th sport != 1-1 th dport != 2-2',
    '-p tcp -m tcp ! --sport 1 ! --dport 2',
    tcp,
    notField('th sport', exactly(1)),
    notField('th dport', exactly(2)),
  ),
  bridge(
    'ether type arp arp operation != 1-1 arp saddr ether != 52:54:00:00:00:12-52:54:00:00:00:12 arp saddr ip != 10.0.0.1-10.0.0.1',
    notField('arp operation', exactly(1)),
    notField('arp saddr ether', mac),
    notField('arp saddr ip', ips('10.0.0.1')),
  ),
  bridge(
    'ether saddr != 52:54:00:00:00:12-52:54:00:00:00:12 ether type != 2048-2048',
    notField('ether saddr', mac),
    notField('ether type', exactly(0x800)),
  ),
  bridge('ether type ip meta l4proto icmp accept', field('ether type', exactly(0x800)), icmp, accept),
  both(
    'meta l4proto icmp icmp type echo-request',
    '-p icmp -m icmp --icmp-type 8',
    icmp,
    field('icmp type', exactly(8)),
  ),
  both(
    'meta l4proto icmp icmp code 1 icmp type destination-unreachable',
    '-p icmp -m icmp --icmp-type 3/1',
    icmp,
    field('icmp code', exactly(1)),
    field('icmp type', exactly(3)),
  ),
  both(
    'meta l4proto icmp icmp type != 77',
    '-p icmp -m icmp ! --icmp-type 77',
    icmp,
    notField('icmp type', exactly(77)),
  ),
  both('icmp type 0-8', false, field('icmp type', between(0, 8))),
  both('icmp type 255', false, field('icmp type', exactly(255))),
  both('meta mark 0x100', '-m mark --mark 0x100', field('meta mark', exactly(256))),
  both('meta mark != 1-5', false, notField('meta mark', between(1, 5))),
  bridge('ether saddr 52:54:00:00:00:12', field('ether saddr', mac)),
  { body: [notField('ether saddr', mac)], iptables: '-m mac ! --mac-source 52:54:00:00:00:12' },
  bridge(
    'ether daddr != { 00:00:00:00:00:00, ff:ff:ff:ff:ff:ff }',
    notField('ether daddr', exactly(0xffffffffffff), exactly(0)),
  ),
  bridge('ether type ip', field('ether type', exactly(0x0800))),
  bridge('ether type != { ip, arp, 0x9999 }', notField('ether type', exactly(0x9999), exactly(0x806), exactly(0x800))),
  bridge('ether type 1536-65535', field('ether type', between(0x600, 0xffff))),
  bridge('ether type ip ip saddr 10.0.0.12', field('ip saddr', ips('10.0.0.12'))),
  bridge(
    'ether type ip ip daddr 10.0.0.12 ip saddr 10.0.0.1',
    field('ether type', exactly(0x800)),
    field('ip daddr', ips('10.0.0.12')),
    field('ip saddr', ips('10.0.0.1')),
  ),
  bridge('ether type ip ip saddr 10.0.0.12 counter accept', field('ip saddr', ips('10.0.0.12')), count, accept),
  { body: [field('ether saddr', mac), count, field('ether daddr', mac)], nft: false, family: 'bridge' },
  bridge('ether type ip6 ip6 saddr fe80::/10', field('ip6 saddr', ips('fe80::/10'))),
  bridge('ether type ip6 ip6 daddr != ::1', notField('ip6 daddr', ips('::1'))),
  bridge('ether type arp arp operation request', field('arp operation', exactly(1))),
  bridge('ether type arp arp operation != 1-2', notField('arp operation', between(1, 2))),
  bridge(
    'ether type arp arp daddr ip 10.0.0.2 arp daddr ether 00:00:00:00:00:00 arp saddr ip 10.0.0.1 arp saddr ether 52:54:00:00:00:12',
    field('arp daddr ip', ips('10.0.0.2')),
    field('arp daddr ether', exactly(0)),
    field('arp saddr ip', ips('10.0.0.1')),
    field('arp saddr ether', mac),
  ),
  unseen(field('ether type', exactly(0x0800))),
  unseen(field('ether daddr', mac)),
  unseen(field('arp saddr ip', ips('10.0.0.1'))),
  unseen(field('ip6 saddr', ips('::1'))),
  bridge('meta l4proto icmp ether type ip icmp type echo-request', icmp, field('icmp type', exactly(8))),
];

const matchRows: readonly Row[] = [
  both('ct state established,related', '-m conntrack --ctstate ESTABLISHED,RELATED', ctState('related', 'established')),
  both('ct state & (invalid | new) == 0x0', '-m conntrack ! --ctstate INVALID,NEW', {
    ...ctState('new', 'invalid'),
    negated: true,
  }),
  both('ct state & untracked == 0x0', '-m conntrack ! --ctstate UNTRACKED', { ...ctState('untracked'), negated: true }),
  both(
    'meta l4proto tcp tcp flags & (fin | syn | rst | ack) == syn',
    '-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN',
    tcp,
    flags(['fin', 'syn', 'rst', 'ack'], ['syn']),
  ),
  both(
    'meta l4proto tcp th dport 22 tcp flags & (syn | ack) != 0x0',
    '-p tcp -m tcp --dport 22 ! --tcp-flags SYN,ACK NONE',
    tcp,
    field('th dport', exactly(22)),
    flags(['ack', 'syn'], [], true),
  ),
  both('tcp flags & syn == syn', false, flags(['syn'], ['syn'])),
  both('tcp flags & syn != 0x0', false, flags(['syn'], [], true)),
  both('meta l4proto tcp tcp flags & (ecn | cwr) == 0x0', false, tcp, flags(['cwr', 'ecn'], [])),
  both(
    'tcp flags & (fin | syn | rst | psh | ack | urg | ecn | cwr) == 0x0',
    false,
    flags(['fin', 'syn', 'rst', 'psh', 'ack', 'urg', 'ecn', 'cwr'], []),
  ),
  both(
    'meta l4proto tcp tcp flags & (fin | syn | rst | psh | ack | urg) == (fin | psh | urg)',
    '-p tcp -m tcp --tcp-flags FIN,SYN,RST,PSH,ACK,URG FIN,PSH,URG',
    tcp,
    flags(['fin', 'syn', 'rst', 'psh', 'ack', 'urg'], ['urg', 'psh', 'fin']),
  ),
  both('limit rate 20/second burst 100 packets', '-m limit --limit 20/sec --limit-burst 100', limit(20, 'second', 100)),
  both('limit rate 120/minute burst 5 packets', '-m limit --limit 120/min --limit-burst 5', limit(120, 'minute', 5)),
  both('limit rate 7/day burst 1 packets', '-m limit --limit 7/day --limit-burst 1', limit(7, 'day', 1)),
  both(false, false, limit(0, 'second', 5)),
  both('limit rate 20000/second burst 5 packets', false, limit(20_000, 'second', 5)),
  both(false, false, limit(5, 'second', 5), field('ip saddr', ips('10.0.0.1'))),
  both(false, '-m physdev --physdev-in vk63', { kind: 'physdev', end: 'in', negated: false, name: 'vk63' }),
  both(
    false,
    '-m physdev --physdev-is-bridged ! --physdev-out vk+',
    { kind: 'physdev-is', what: 'bridged', negated: false },
    { kind: 'physdev', end: 'out', negated: true, name: 'vk*' },
  ),
  both(
    false,
    '-m physdev ! --physdev-is-in ! --physdev-is-out',
    { kind: 'physdev-is', what: 'in', negated: true },
    { kind: 'physdev-is', what: 'out', negated: true },
  ),
  both('ip saddr @addresses', false, lookup('addresses', 'ip saddr')),
  both('ip daddr != @nets', false, notLookup('nets', 'ip daddr')),
  bridge('ether type ip iifname . ether saddr . ip saddr @own', lookup('own', 'iifname', 'ether saddr', 'ip saddr')),
  both(
    'ip saddr . meta l4proto . th dport @services',
    false,
    lookup('services', 'ip saddr', 'meta l4proto', 'th dport'),
  ),
  both('meta l4proto tcp ip daddr . th dport @listening', false, tcp, lookup('listening', 'ip daddr', 'th dport')),
  { body: [{ kind: 'opaque', text: 'ip ttl 64' }], nft: 'ip ttl 64' },
  { body: [{ kind: 'opaque', text: '-m ttl --ttl-eq 64' }], iptables: '-m ttl --ttl-eq 64' },
];

const statementRows: readonly Row[] = [
  both(
    'log prefix "RULE 2 -- DENY " level info',
    '-j LOG --log-prefix "RULE 2 -- DENY " --log-level 6',
    log('RULE 2 -- DENY '),
  ),
  both('log level emerg', '-j LOG --log-level 0', { kind: 'log', prefix: '', level: 0 }),
  both('log prefix "w" level warn', '-j LOG --log-prefix w --log-level 4', { kind: 'log', prefix: 'w', level: 4 }),
  both('log prefix "a" level info drop', false, log('a'), drop),
  both('counter', '', count),
  both('counter accept', '-j ACCEPT', count, accept),
  both('drop', '-j DROP', drop),
  both('return', '-j RETURN', returnToCaller),
  both('jump other_1', '-j other_1', jump('other_1')),
  both('goto other_1', '-g other_1', goTo('other_1')),
  both('reject', '-j REJECT', reject()),
  both(
    'reject with icmp type host-unreachable',
    '-j REJECT --reject-with icmp-host-unreachable',
    reject('icmp host-unreachable'),
  ),
  both('meta l4proto tcp reject with tcp reset', '-p tcp -j REJECT --reject-with tcp-reset', tcp, reject('tcp reset')),
  both(false, false, reject('icmp host-unreachable; drop')),
  both('iifname vmap @ports', false, { kind: 'vmap', fields: ['iifname'], map: 'ports' }),
  bridge('ether type ip iifname . ip saddr vmap @enter', {
    kind: 'vmap',
    fields: ['iifname', 'ip saddr'],
    map: 'enter',
  }),
  { body: [{ kind: 'opaque-statement', text: 'meta mark set 1' }], nft: 'meta mark set 1' },
  { body: [{ kind: 'opaque-statement', text: '-j NFLOG --nflog-group 5' }], iptables: '-j NFLOG --nflog-group 5' },
];

export const rows: readonly Row[] = [...fieldRows, ...matchRows, ...statementRows];

/** Every kind there is; a new one breaks the build here. */
export const kinds: Readonly<Record<Expression['kind'], true>> = {
  field: true,
  lookup: true,
  physdev: true,
  'physdev-is': true,
  'ct-state': true,
  'tcp-flags': true,
  limit: true,
  opaque: true,
  log: true,
  counter: true,
  verdict: true,
  vmap: true,
  'opaque-statement': true,
};
