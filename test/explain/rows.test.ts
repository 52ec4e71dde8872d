// Single lines on the two-bridge host: who is named, and what is said. Every kind of finding occurs.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { explainEvent } from '../../src/explain/explain.ts';
import type { Finding } from '../../src/explain/explanation.ts';
import { explanationText } from '../../src/explain/sentences.ts';
import { eventOf, exampleSite, explained, namedBy } from './lines.ts';

const kali2 = '52:54:00:f2:a4:8d';
const kali3 = '52:54:00:b1:5d:1f';
const kali4 = '52:54:00:0c:6e:34';
const host = '52:54:00:a3:01:50';

/** IPv4 as the kernel prints it, with `MAC=` of these two cards. */
function line(rule: string, ways: string, to: string, from: string, packet: string, ttl = 64): string {
  const [ips = '', rest = ''] = packet.split(' | ');
  const [src, dst] = ips.split(' > ');
  const transport: Readonly<Record<string, string>> = {
    ping: 'PROTO=ICMP TYPE=8 CODE=0 ID=1 SEQ=1 ',
    ssh: 'PROTO=TCP SPT=40000 DPT=22 WINDOW=64240 RES=0x00 SYN URGP=0 ',
    https: 'PROTO=TCP SPT=40000 DPT=443 WINDOW=64240 RES=0x00 SYN URGP=0 ',
    late: 'PROTO=TCP SPT=40000 DPT=443 WINDOW=64240 RES=0x00 ACK URGP=0 ',
    dhcp: 'PROTO=UDP SPT=68 DPT=67 LEN=308 ',
  };
  const mac = to === '' ? '' : `MAC=${to}:${from}:08:00 `;
  return `${rule}${ways} ${mac}SRC=${src} DST=${dst} LEN=84 TOS=0x00 PREC=0x00 TTL=${ttl} ID=1 DF ${transport[rest] ?? rest}`;
}

function arp(operation: number, frame: string, sender: string, ip: string, target: string): string {
  return (
    `RULE 13 -- DENY IN=vk42 OUT=vethb1 MACSRC=${frame} MACDST=ff:ff:ff:ff:ff:ff MACPROTO=0806 ` +
    `ARP HTYPE=1 PTYPE=0x0800 OPCODE=${operation} MACSRC=${sender} IPSRC=${ip} MACDST=00:00:00:00:00:00 IPDST=${target}`
  );
}

const br6 = 'IN=virbr6 OUT=virbr6';
const br4 = 'IN=virbr4 OUT=virbr4';
const [ip2, ip3, ip4] = ['192.168.50.12', '192.168.50.13', '192.168.50.14'];

type Row = readonly [what: string, line: string, culprit: string | undefined, says: readonly RegExp[]];

const rows: readonly Row[] = [
  [
    'redirected, iptables: the port stands in PHYSOUT',
    line('RULE 5 -- DENY ', `${br4} PHYSIN=vethb1 PHYSOUT=vk42`, kali2, kali3, `${ip3} > 192.168.50.1 | ping`),
    'kali2?',
    [
      /^Stopped by RULE 5 on bridge virbr4, on the way from port vethb1 to port vk42\.$/m,
      /binding of port vk42 to guest kali2, policy\.yaml:4:3: kali2: /,
      /Victims: kali3 and the host\./,
    ],
  ],
  [
    'redirected, nft: the bridge family has the ports in IN and OUT',
    line('RULE 2 -- DENY ', 'IN=vethb2 OUT=vk63', kali3, host, `192.168.50.1 > ${ip4} | ping`),
    'kali3?',
    [
      /^Stopped by RULE 2 on bridge virbr6, on the way from port vethb2 to port vk63\.$/m,
      /Victims: the host and kali4\./,
    ],
  ],
  [
    'redirected to the host: it is the attacker',
    line('RULE 20 -- DENY ', 'IN=vk42 OUT=vmh1', host, kali2, `${ip2} > ${ip3} | ping`),
    'host?',
    [/The attacker may be the host itself, by its vmh2\. Victims: kali2 and kali3\./],
  ],
  [
    "redirected on the way outside: guests are nobody's gateway",
    line('RULE 18 -- DENY ', 'IN=vk42 OUT=vethb1', kali3, kali2, `${ip2} > 192.168.0.37 | ping`),
    'kali3?',
    [/meant for lamp/, /Victims: kali2 and lamp\./],
  ],
  [
    'on the way outside by the host: as it should be',
    line('RULE 39 -- ACCEPT ', `${br4} PHYSIN=vethb1 PHYSOUT=vmh1`, host, kali4, `${ip4} > 192.168.0.37 | https`),
    undefined,
    [
      /^Let through by RULE 39 /m,
      /TCP SYN to 192\.168\.0\.37 \(lamp\) port 443/,
      /policy's line policy\.yaml:16:5: - \{ from: kali4, to: lamp,/,
    ],
  ],
  [
    'accepted by the line of the policy that speaks of it, not by the first of the port',
    line('RULE 36 -- ACCEPT ', `${br6} PHYSIN=vethb2 PHYSOUT=vk63`, kali3, host, `192.168.50.1 > ${ip3} | ping`),
    undefined,
    [/policy's line policy\.yaml:15:5: - \{ from: ext, to: guests, service: ping/],
  ],
  [
    'flooded: the destination MAC is not behind the port',
    line('RULE 3 -- DENY ', `${br6} PHYSIN=vk63 PHYSOUT=vk64`, kali2, kali3, `${ip3} > ${ip2} | ping`),
    undefined,
    [/It is a flooded copy: its destination MAC 52:54:00:f2:a4:8d of kali2 is not behind vk64\. No alarm\./],
  ],
  [
    'a MAC that nobody has, at a port whose card is known: flooded',
    line('RULE 3 -- DENY ', `${br6} PHYSIN=vk63 PHYSOUT=vk64`, '02:00:00:00:00:99', kali3, `${ip3} > ${ip2} | ping`),
    undefined,
    [/flooded copy: its destination MAC 02:00:00:00:00:99 is not behind vk64/],
  ],
  [
    'a MAC that nobody has, out by a link: whoever has it',
    line(
      'RULE 32 -- ACCEPT ',
      `${br6} PHYSIN=vk63 PHYSOUT=vethb2`,
      '02:00:00:00:00:99',
      kali3,
      `${ip3} > ${ip2} | ping`,
    ),
    undefined,
    [/It may be a packet redirected/, /Who has this MAC behind vethb2 is the attacker/],
  ],
  [
    'to the host under a MAC that the host file does not know: veth ends change',
    line(
      'RULE 32 -- ACCEPT ',
      `${br6} PHYSIN=vk63 PHYSOUT=vethb2`,
      '02:00:00:00:00:99',
      kali3,
      `${ip3} > 192.168.50.1 | ping`,
    ),
    undefined,
    [/^kali3 sent it, by its port vk63: ping to 192\.168\.50\.1 \(the host\)/m],
  ],
  [
    'without MACs nobody can be named',
    line('RULE 5 -- DENY ', `${br4} PHYSIN=vethb1 PHYSOUT=vk42`, '', '', `${ip3} > 192.168.50.1 | ping`),
    undefined,
    [/The line has no MAC addresses/],
  ],
  [
    'a forged source: the guest on PHYSIN, never SRC',
    line('RULE 13 -- DENY ', `${br4} PHYSIN=vk42 PHYSOUT=vethb1`, kali4, kali2, `${ip3} > ${ip4} | ping`),
    'kali2',
    [
      /^It came from kali2, by its port vk42, as if from 192\.168\.50\.13 \(kali3\)/m,
      /source address is forged: it is that of kali3\. Culprit: kali2, at port vk42 of virbr4\./,
    ],
  ],
  [
    "a forged source that is nobody's",
    line('RULE 10 -- DENY ', 'IN=virbr6 OUT= PHYSIN=vk63', host, kali3, '203.0.113.9 > 192.168.50.1 | ssh'),
    'kali3',
    [/on the way from port vk63 of virbr6 to the host\.$/m, /forged: it is not its own\. Culprit: kali3/],
  ],
  [
    'sent on: the second half of the attack',
    line('RULE 13 -- DENY ', 'IN=vk42 OUT=vethb1', kali4, kali2, `${ip3} > ${ip4} | ping`, 63),
    'kali2',
    [/TTL 63 says that it was sent on once/, /Attacker: kali2, at port vk42 of virbr4\. Victims: kali3 and kali4\./],
  ],
  [
    'sent on by the host',
    line('RULE 26 -- DENY ', 'IN=vmh1 OUT=vk42', kali2, host, `${ip3} > ${ip2} | ping`, 63),
    'host',
    [/Attacker: the host itself, by its vmh2\. Victims: kali3 and kali2\./],
  ],
  [
    'to a guest in its own name: from the port of another',
    line('RULE 7 -- DENY ', `${br6} PHYSIN=vk63 PHYSOUT=vk64`, kali4, kali3, `${ip4} > ${ip4} | ping`),
    'kali3',
    [/Culprit: kali3, at port vk63/],
  ],
  [
    'a forged source by a link: who it was cannot be told there',
    line('RULE 23 -- DENY ', `${br6} PHYSIN=vethb2 PHYSOUT=vk63`, kali3, kali2, `${ip4} > ${ip3} | ping`),
    undefined,
    [
      /with source 192\.168\.50\.14 \(kali4\) and the MAC of kali2/,
      /192\.168\.50\.14 \(kali4\) is not behind vethb2\. Who sent it cannot be told/,
    ],
  ],
  [
    'its own address with the card of another',
    line('RULE 10 -- DENY ', 'IN=vk63 OUT=vk64', kali4, kali2, `${ip3} > ${ip4} | ping`),
    'kali3',
    [/The source MAC 52:54:00:f2:a4:8d is that of kali2\. Culprit: kali3, at port vk63 of virbr6\./],
  ],
  [
    'without a lease: no alarm',
    line('RULE 13 -- DENY ', 'IN=vk42 OUT=vethb1', 'ff:ff:ff:ff:ff:ff', kali2, '0.0.0.0 > 255.255.255.255 | dhcp'),
    undefined,
    [/kali2 has no address yet: 0\.0\.0\.0 is nobody's\./],
  ],
  [
    'what no line allows',
    line('RULE 47 -- DENY ', `${br6} PHYSIN=vk63 PHYSOUT=vk64`, kali4, kali3, `${ip3} > ${ip4} | ssh`),
    undefined,
    [
      /^kali3 sent it, by its port vk63: TCP SYN to 192\.168\.50\.14 \(kali4\) port 22, from its own address/m,
      /no line of policy\.yaml allows the packet/,
    ],
  ],
  [
    'a late packet of what a line allows',
    line('RULE 47 -- DENY ', `${br6} PHYSIN=vk64 PHYSOUT=vethb2`, host, kali4, `${ip4} > 192.168.0.37 | late`),
    undefined,
    [/policy\.yaml:16:5: - \{ from: kali4.* allows such connections, so this packet began none/],
  ],
  [
    'the host sends: no MAC yet, and nothing missing',
    line('RULE 43 -- ACCEPT ', 'IN= OUT=vmh2', '', '', `192.168.50.1 > ${ip4} | ping`),
    undefined,
    [/^Let through by RULE 43, on the way from the host out by vmh2\.$/m, /^The host sent it: ping/m],
  ],
  [
    'the host sends to nobody',
    line('RULE 29 -- DENY ', 'IN= OUT=vmh2', '', '', '192.168.50.1 > 192.168.50.99 | ping'),
    undefined,
    [/follows from where the host's vmh2 leads, host\.yaml:20:3/],
  ],
  [
    'arrived at the host',
    line('RULE 42 -- ACCEPT ', 'IN=vmh2 OUT=', host, kali3, `${ip3} > 192.168.50.1 | ping`),
    undefined,
    [/^It came in by the host's vmh2, with source 192\.168\.50\.13 \(kali3\)/m],
  ],
  [
    'a number that no rule has',
    line('RULE 99 -- DENY ', `${br6} PHYSIN=vk63 PHYSOUT=vk64`, kali4, kali3, `${ip3} > ${ip4} | ssh`),
    undefined,
    [/No rule has the number 99 now/],
  ],
  [
    'a number that is a heading now',
    line('RULE 14 -- DENY ', `${br6} PHYSIN=vk63 PHYSOUT=vk64`, kali4, kali3, `${ip3} > ${ip4} | ssh`),
    undefined,
    [/No rule has the number 14 now/],
  ],
  [
    'a number of another port now, and the attack is seen all the same',
    line('RULE 12 -- DENY ', `${br6} PHYSIN=vk63 PHYSOUT=vethb2`, kali2, kali3, `${ip3} > ${ip4} | ping`),
    'kali2?',
    [/RULE 12 is another one now \(DENY source is not kali5 192\.168\.50\.15; policy\.yaml:7:3\)/],
  ],
  [
    'a number of another verdict now',
    line('RULE 16 -- ACCEPT ', `${br6} PHYSIN=vk63 PHYSOUT=vethb2`, kali2, kali3, `${ip3} > ${ip2} | ping`),
    undefined,
    [/RULE 16 is another one now/],
  ],
  [
    'a number whose rule says something else now',
    line('RULE 16 -- DENY ', `${br6} PHYSIN=vk63 PHYSOUT=vethb2`, kali2, kali3, `${ip3} > ${ip2} | ping`),
    undefined,
    [/RULE 16 is another one now/],
  ],
  [
    'ufw',
    line('[UFW BLOCK] ', 'IN=eth0 OUT=', '52:54:00:e8:00:19', '00:00:5e:00:53:01', '203.0.113.9 > 192.168.0.19 | ssh'),
    undefined,
    [
      /^Stopped by '\[UFW BLOCK\]', on the way from port eth0 of br0 to the host\.$/m,
      /This is ufw's line: no rule of ours wrote it\./,
    ],
  ],
  [
    'firewalld',
    line(
      'filter_IN_public_REJECT: ',
      'IN=br0 OUT=',
      '52:54:00:e8:00:19',
      '00:00:5e:00:53:01',
      '203.0.113.9 > 192.168.0.19 | ssh',
    ),
    undefined,
    [/^Rejected by 'filter_IN_public_REJECT:'/m, /This is firewalld's line/],
  ],
  [
    "somebody else's prefix",
    line('martian ', `${br6} PHYSIN=vk63 PHYSOUT=vk64`, kali4, kali3, `${ip3} > ${ip4} | ssh`),
    undefined,
    [/^Seen by 'martian' on bridge virbr6/m, /^No rule of ours wrote this line\.$/m],
  ],
  [
    "an ICMP error: what it quotes is its sender's word",
    line(
      'RULE 47 -- DENY ',
      `${br6} PHYSIN=vk63 PHYSOUT=vk64`,
      kali4,
      kali3,
      `${ip3} > ${ip4} | PROTO=ICMP TYPE=3 CODE=1 [SRC=${ip2} DST=${ip3} LEN=84 TOS=0x00 PREC=0x00 TTL=64 ID=2 DF PROTO=TCP SPT=1 DPT=2 WINDOW=1 RES=0x00 SYN URGP=0 ] `,
    ),
    undefined,
    [
      /ICMP destination unreachable to 192\.168\.50\.14 \(kali4\), from its own address 192\.168\.50\.13/,
      /nothing is concluded from it/,
    ],
  ],
  [
    'ARP: the address of another',
    arp(2, kali2, kali2, ip3, ip4),
    'kali2',
    [
      /tells 192\.168\.50\.14 \(kali4\): 192\.168\.50\.13 \(kali3\) is at 52:54:00:f2:a4:8d/,
      /Attacker: kali2, at port vk42 of virbr4\. Victims: kali3 and kali4\./,
    ],
  ],
  [
    'ARP: two MACs',
    arp(2, kali2, kali3, ip2, ip4),
    'kali2',
    [/The frame comes from 52:54:00:f2:a4:8d, but the ARP packet in it says 52:54:00:b1:5d:1f/],
  ],
  [
    'ARP: its own address with the card of another',
    arp(2, kali3, kali3, ip2, ip4),
    'kali2',
    [/The source MAC 52:54:00:b1:5d:1f is that of kali3/],
  ],
  ['ARP: an honest request', arp(1, kali2, kali2, ip2, ip4), undefined, [/ARP request for 192\.168\.50\.14 \(kali4\)/]],
  ['ARP: a probe claims nothing', arp(1, kali2, kali2, '0.0.0.0', ip2), undefined, [/ARP request for/]],
  [
    'another protocol',
    `RULE 47 -- DENY IN=vk63 OUT=vk64 MACSRC=${kali3} MACDST=${kali4} MACPROTO=88cc `,
    undefined,
    [/It was no IP packet: Ethernet type 0x88cc\./],
  ],
  [
    'IPv6, which no line of the policy knows',
    `RULE 10 -- DENY IN=vk63 OUT=vk64 MAC=${kali4}:${kali3}:86:dd SRC=2001:0db8:0000:0000:0000:0000:0000:0013 DST=2001:0db8:0000:0000:0000:0000:0000:0014 LEN=104 TC=0 HOPLIMIT=64 FLOWLBL=1 PROTO=ICMPv6 TYPE=128 CODE=0 ID=1 SEQ=1 `,
    'kali3',
    [/as if from 2001:db8::13: ping to 2001:db8::14/, /forged/],
  ],
  [
    'IPv6: every machine has such an address',
    `RULE 10 -- DENY IN=vk63 OUT=vk64 MAC=33:33:00:00:00:02:${kali3}:86:dd SRC=fe80:0000:0000:0000:5054:00ff:feb1:5d1f DST=ff02:0000:0000:0000:0000:0000:0000:0002 LEN=56 TC=0 HOPLIMIT=255 FLOWLBL=0 PROTO=ICMPv6 TYPE=133 CODE=0 `,
    undefined,
    [/router solicitation/, /fe80::5054:ff:feb1:5d1f is an address that a machine gives itself/],
  ],
  [
    'a host of which nothing is known here',
    line('RULE 47 -- DENY ', 'IN=vnet7 OUT=virbr9', kali4, kali2, '10.0.0.1 > 10.0.0.2 | ping'),
    undefined,
    [/^The host file knows no 'vnet7' and 'virbr9'/m],
  ],
  [
    'an interface called as a field',
    line('RULE 47 -- DENY ', 'IN=SRC=9.9.9.9 OUT=vk64', kali4, kali2, `${ip3} > ${ip4} | ping`),
    undefined,
    [/The host file knows no 'SRC=9\.9\.9\.9'/, /from 192\.168\.50\.13|source 192\.168\.50\.13/],
  ],
  [
    'cut in the middle: half an address is no address',
    'RULE 16 -- DENY IN=virbr6 OUT=virbr6 PHYSIN=vk63 PHYSOUT=vethb2 MAC=52:54:00:f2:a4:8d:52:54:00:b1:5d:1f:08:00 SRC=192.168.50.13 DST=192.168.50.1',
    undefined,
    [/^The line ends too early/m],
  ],
  [
    'not all of the packet was there',
    'RULE 47 -- DENY IN=vk63 OUT=vk64 MAC=52:54:00:0c:6e:34:52:54:00:b1:5d:1f:08:00 SRC=192.168.50.13 DST=192.168.50.14 LEN=24 TOS=0x00 PREC=0x00 TTL=64 ID=1 PROTO=TCP INCOMPLETE [4 bytes] ',
    undefined,
    [/The kernel could not read all of the packet\./],
  ],
];

for (const [what, text, culprit, says] of rows) {
  test(`${what}: ${culprit ?? 'nobody'} is named`, () => {
    const explanation = explained([text]);
    const sentences = explanationText(explanation).join('\n');
    for (const one of says) assert.match(sentences, one);
    assert.equal(namedBy(explanation), culprit, sentences);
    const isAccusation = /Attacker: (?!somebody)|Culprit: /.test(sentences);
    if (culprit === undefined || culprit.endsWith('?')) assert.ok(!isAccusation, sentences);
  });
}

const framed = line('RULE 16 -- DENY ', 'IN=vk63 OUT=vethb2', kali2, kali3, `${ip3} > ${ip4} | ping`);
const byOther = line('RULE 16 -- DENY ', 'IN=vk64 OUT=vethb2', kali2, kali4, `${ip4} > ${ip3} | ping`);
const byHost = line('RULE 26 -- DENY ', 'IN=vmh1 OUT=vk42', kali2, host, `192.168.50.1 > ${ip4} | ping`);
const ownPort = line('RULE 13 -- DENY ', 'IN=vk42 OUT=vethb1', kali4, kali2, `${ip3} > ${ip4} | ping`);
const ofNobodyHere = line('RULE 13 -- DENY ', 'IN=vk42 OUT=vethb1', kali4, kali2, `203.0.113.9 > ${ip4} | ping`);
const byLink = line('RULE 5 -- DENY ', 'IN=vethb1 OUT=vk42', kali2, kali3, `${ip3} > ${ip4} | ping`);

const witnessed: readonly (readonly [what: string, lines: readonly string[], named: string, says: RegExp])[] = [
  [
    'one frame, whose sender chose the MAC',
    [framed],
    'kali2?',
    /MAC alone says so, and kali3, who sent the frame, chose/,
  ],
  ['the same frame again and again', [framed, framed, framed], 'kali2?', /MAC alone/],
  ['a second one by a link, which may be the same sender', [framed, byLink], 'kali2?', /MAC alone/],
  ['by a link, when two by their own ports said so before', [framed, byOther, byLink], 'kali2', /Earlier lines show/],
  ['by a link only', [byLink, byLink], 'kali2?', /and whoever sent the frame chose/],
  ['two senders by ports of their own', [byOther, framed], 'kali2', /Earlier lines show others who sent kali2/],
  ['the host as the sender', [byHost], 'kali2', /The host itself sent it there, as ARP told it/],
  ["in a victim's name by its own port, and the MAC", [ownPort, framed], 'kali2', /kali2 has sent, by its own port/],
  ["in a stranger's name by its own port", [ofNobodyHere, framed], 'kali2?', /MAC alone/],
];

for (const [what, lines, named, says] of witnessed) {
  test(`redirected, ${what}: ${named}`, () => {
    const explanation = explained(lines);
    assert.equal(namedBy(explanation), named);
    assert.match(explanationText(explanation).join('\n'), says);
  });
}

test('an ambiguous line accuses nobody', () => {
  const [, text = ''] = rows[0] ?? [];
  const explanation = explainEvent({ ...eventOf(text), ambiguous: true }, exampleSite);
  assert.equal(explanation.culprit, undefined);
  assert.match(explanationText(explanation).join('\n'), /Where its prefix ends cannot be told/);
});

test('a line of another machine is told from ours', () => {
  const [, text = ''] = rows[0] ?? [];
  const explanation = explainEvent(eventOf(text), exampleSite, { saidHost: 'rux' });
  assert.match(explanationText(explanation)[0] ?? '', /The line is from rux, and the host file describes mytux\./);
});

/** A kind that is missing here or too much fails to compile. */
const kinds: Readonly<Record<Finding['kind'], true>> = {
  unreadable: true,
  ambiguous: true,
  partial: true,
  'other-host': true,
  decision: true,
  packet: true,
  arp: true,
  'no-ip': true,
  rule: true,
  'rule-gone': true,
  'rule-differs': true,
  'foreign-rule': true,
  'unknown-doors': true,
  redirected: true,
  relayed: true,
  'forged-source': true,
  'forged-mac': true,
  'no-address-yet': true,
  'forged-arp': true,
  'arp-mismatch': true,
  flooded: true,
  'no-mac': true,
  nested: true,
};

test('every kind of finding occurs in the rows', () => {
  const [, text = ''] = rows[0] ?? [];
  const special = explainEvent({ ...eventOf(text), ambiguous: true }, exampleSite, { saidHost: 'rux' });
  const all = [...rows.map(([, line]) => explained([line])), special].flatMap(({ findings }) => findings);
  assert.deepEqual(new Set(all.map(({ kind }) => kind)), new Set(Object.keys(kinds)));
});
