// Frames of every kind that the kernel's log opens, with the header lengths and cuts that make a difference there.
import { checksum } from '../../src/packet/checksum.ts';

export type NamedFrame = { readonly name: string; readonly bytes: Uint8Array };

export const senderMac = '020000000001';
export const loggerMac = '020000000002';

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
const word = (value: number): string => value.toString(16).padStart(4, '0');

const ether = (type: string, body: string, tag = ''): Uint8Array =>
  bytes(`${loggerMac}${senderMac}${tag}${type}${body}`);

type Ip4Options = {
  readonly tos?: string;
  readonly bits?: number;
  readonly options?: string;
  readonly ttl?: string;
  readonly dst?: string;
};

/** 10.7.0.1 to 10.7.0.2, with a right checksum: without it the Internet layer drops the packet before its first rule. */
function ip4(protocol: number, body: string, over: Ip4Options = {}): string {
  const { tos = '00', bits = 0x4000, options = '', ttl = '40', dst = '0a070002' } = over;
  const length = 20 + options.length / 2;
  const total = length + body.replaceAll(' ', '').length / 2;
  const protocolHex = protocol.toString(16).padStart(2, '0');
  const start = `${(0x40 + length / 4).toString(16)}${tos}${word(total)}abcd${word(bits)}${ttl}${protocolHex}`;
  const sum = word(checksum(bytes(`${start}00000a070001${dst}${options}`)));
  return `${start}${sum}0a070001${dst}${options}${body}`;
}

const source6 = 'fd070000000000000000000000000001';
const target6 = 'fd070000000000000000000000000002';

function ip6(next: string, body: string, first = '60000000'): string {
  return `${first}${word(body.replaceAll(' ', '').length / 2)}${next}40${source6}${target6}${body}`;
}

function tcp(flags: string, over: { readonly offset?: string; readonly options?: string } = {}): string {
  const { options = '' } = over;
  const { offset = `${(5 + options.length / 8).toString(16)}0` } = over;
  return `9c400016 fffffffe 12345678 ${offset}${flags}0400 0000 0007 ${options}`;
}

const udp = '14e90035 000c0000 61626364';
const echo = '0800 0000 0007 0009 61626364';
const nops = '01'.repeat(40);
const packet = (hex: string): string => hex.replaceAll(' ', '');

const errorWith = (type: string, rest: string, inner: string): string => `${type}0000${rest}${packet(inner)}`;

const rows: Readonly<Record<string, string>> = {
  // TCP
  'TCP SYN': ip4(6, tcp('02')),
  'TCP, a NULL scan': ip4(6, tcp('00')),
  'TCP FIN': ip4(6, tcp('01')),
  'TCP XMAS': ip4(6, tcp('29')),
  'TCP with all flags and AE': ip4(6, tcp('ff', { offset: '51' })),
  'TCP with all reserved bits': ip4(6, tcp('10', { offset: '5f' })),
  'TCP with options': ip4(6, tcp('02', { options: '020405b4 0402080a 00000001 00000000 01030307' })),
  'TCP with the longest options': ip4(6, tcp('12', { options: nops }), { options: nops }),
  'TCP header cut': ip4(6, '9c400016 fffffffe 12'),
  'TCP options cut': ip4(6, tcp('02', { offset: 'f0' })),
  'TCP header length below five words': ip4(6, tcp('02', { offset: '40' })),
  // other protocols
  UDP: ip4(17, udp),
  'UDP without body': ip4(17, '00010002 0008ffff'),
  'UDP header cut': ip4(17, '14e90035 00'),
  UDPLITE: ip4(136, udp),
  SCTP: ip4(132, '00010002 00000000 00000000'),
  IGMP: ip4(2, '16000000 e0000001', { ttl: '01', options: '94040000' }),
  GRE: ip4(47, '00000800'),
  ESP: ip4(50, 'f1234567 00000001 00'),
  'ESP header cut': ip4(50, 'f12345'),
  AH: ip4(51, '06040000 80001002 00000001 000000000000000000000000'),
  'AH header cut': ip4(51, '06040000 80'),
  // the header of IPv4
  'every bit of the type of service': ip4(17, udp, { tos: 'ff' }),
  'time to live 255': ip4(17, udp, { ttl: 'ff' }),
  'reserved bit, DF, MF': ip4(17, udp, { bits: 0xe000 }),
  'first fragment': ip4(17, udp, { bits: 0x2000 }),
  'later fragment': ip4(6, tcp('02'), { bits: 0x0010 }),
  'later fragment of AH': ip4(51, '06040000 00001002', { bits: 0x0001 }),
  'later fragment of ESP': ip4(50, '06040000 00001002', { bits: 0x2001 }),
  'last possible fragment of ICMP': ip4(1, echo, { bits: 0x1fff }),
  broadcast: ip4(17, udp, { dst: 'ffffffff' }),
  // ICMP
  'echo request': ip4(1, echo),
  'echo reply': ip4(1, '0000 0000 ffff fffe'),
  'ICMP header cut': ip4(1, '0800'),
  'port unreachable about UDP': ip4(1, errorWith('0303', '00000000', ip4(17, udp))),
  'unreachable about a cut TCP header': ip4(1, errorWith('0301', '00000000', ip4(6, tcp('02')).slice(0, 56))),
  'unreachable without a whole header inside': ip4(1, errorWith('0301', '00000000', ip4(6, '').slice(0, 36))),
  'fragmentation needed about TCP': ip4(1, errorWith('0304', '00000578', ip4(6, tcp('10', { options: '01010101' })))),
  'source quench': ip4(1, errorWith('0400', '00000000', ip4(17, udp))),
  'redirect about a redirect': ip4(
    1,
    errorWith('0501', '0a070066', ip4(1, errorWith('0500', '0a070077', ip4(17, udp)))),
  ),
  'time exceeded about an error with MTU': ip4(
    1,
    errorWith('0b00', '00000000', ip4(1, errorWith('0304', '0000ffff', ip4(17, udp)))),
  ),
  'unreachable about a packet with options cut': ip4(
    1,
    errorWith('0303', '00000000', ip4(17, udp, { options: nops }).slice(0, 60)),
  ),
  'unreachable about a later fragment': ip4(1, errorWith('0303', '00000000', ip4(17, udp, { bits: 0x2010 }))),
  'unreachable about AH': ip4(1, errorWith('0302', '00000000', ip4(51, '06040000 00001002 00000001'))),
  'unreachable about ESP cut': ip4(1, errorWith('0302', '00000000', ip4(50, '0604'))),
  'parameter problem': ip4(1, errorWith('0c00', '14000000', ip4(17, udp))),
  'timestamp request': ip4(1, '0d00 0000 0007 0009 000000000000000000000000'),
  'timestamp request cut': ip4(1, '0d00 0000 0007 0009'),
  'address mask request': ip4(1, '1100 0000 0007 0009 ffffff00'),
  'unknown ICMP type': ip4(1, 'ff05 0000 0007 0009'),
  // IPv6
  'IPv6 TCP': ip6('06', tcp('02'), '6ffabcde'),
  'IPv6 UDP': ip6('11', udp),
  'IPv6 UDPLITE': ip6('88', udp),
  'IPv6 UDP cut': ip6('11', '0001'),
  'IPv6 no next header': ip6('3b', ''),
  'IPv6 SCTP': ip6('84', '00010002 00000000 00000000'),
  'IPv6 echo request': ip6('3a', '8000 0000 0007 0009'),
  'IPv6 ICMP cut': ip6('3a', '8000 00'),
  'neighbour solicitation': ip6('3a', `8700 0000 00000000 ${target6}`),
  'IPv6 unreachable': ip6('3a', errorWith('0104', '00000000', ip6('11', udp))),
  'IPv6 too big about AH': ip6(
    '3a',
    errorWith('0200', '00000500', ip6('33', `06040000 00001002 00000001 ${'00'.repeat(12)}${tcp('10')}`)),
  ),
  'IPv6 too big about ESP': ip6('3a', errorWith('0200', 'ffffffff', ip6('32', '00001005 00000001'))),
  'IPv6 time exceeded about a fragment': ip6(
    '3a',
    errorWith('0300', '00000000', ip6('2c', `11000011 0000002b ${udp}`)),
  ),
  'IPv6 parameter problem about an error': ip6(
    '3a',
    errorWith('0401', '00000028', ip6('3a', errorWith('0402', '00000006', ip6('11', udp)))),
  ),
  'IPv6 unreachable with half a header': ip6('3a', errorWith('0100', '00000000', ip6('11', '').slice(0, 60))),
  'hop by hop and destination options': ip6('00', `3c00 050200000100 0600 010400000000 ${tcp('02')}`),
  'first fragment of IPv6': ip6('2c', `11000001 0000002a ${udp}`),
  'later fragment of IPv6': ip6('2c', `11000010 fffffffe ${udp}`),
  'later fragment and destination options': ip6('2c', `3c000010 fffffffe 1100 010400000000 ${udp}`),
  'fragment header cut': ip6('2c', '1100 0010'),
  'AH of IPv6': ip6('33', `06040000 f0001002 00000001 ${'00'.repeat(12)} ${tcp('02')}`),
  'AH of IPv6 twice': ip6(
    '33',
    `33040000 f0001002 00000001 ${'00'.repeat(12)} 11040000 00000003 00000001 ${'00'.repeat(12)} ${udp}`,
  ),
  'AH of IPv6 cut': ip6('33', '06040000 00001002'),
  'AH in a later fragment': ip6('2c', '33000010 0000002c 06040000 00001002'),
  'ESP of IPv6': ip6('32', '00001005 00000001'),
  'ESP of IPv6 cut': ip6('32', '0000'),
  'ESP in a later fragment': ip6('2c', '32000010 0000002c 06040000 00001002'),
  'extension header cut': ip6('00', '06'),
};

const arp = `00010800 06040001 ${senderMac} 0a070001 000000000000 0a070002`;

export const frames: readonly NamedFrame[] = [
  ...Object.entries(rows).map(([name, hex]) => ({
    name,
    bytes: ether(packet(hex).startsWith('6') ? '86dd' : '0800', hex),
  })),
  { name: 'IPv4 header cut', bytes: ether('0800', ip4(17, udp).slice(0, 30)) },
  { name: 'IPv6 header cut', bytes: ether('86dd', ip6('11', udp).slice(0, 30)) },
  { name: 'UDP with a VLAN tag', bytes: ether('0800', ip4(17, udp), '81006007') },
  { name: 'ARP request', bytes: ether('0806', arp) },
  { name: 'ARP reply of another MAC', bytes: ether('0806', arp.replace(' 0200', ' 0266')) },
  { name: 'ARP of another hardware', bytes: ether('0806', arp.replace('0001', '0006')) },
  { name: 'ARP cut', bytes: ether('0806', '00010800 06040002 02000000') },
  { name: 'ARP header cut', bytes: ether('0806', '00010800') },
  { name: 'RARP', bytes: ether('8035', arp) },
  { name: 'LLDP', bytes: ether('88cc', '0207040200000000010403') },
];
