// The grammar of net/netfilter/nf_log_syslog.c in rows: what other readers get wrong, how other writers write it, and what
// was cut or mangled on the way.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { portIn, portOut } from '../../src/model/log-event.ts';
import { parseLogLine } from '../../src/watch/parse-line.ts';
import { eventText } from './event-words.ts';

const parsed = (line: string) => parseLogLine(Buffer.from(line, 'latin1'));
const read = (line: string): string => eventText(parsed(line)).replace("prefix='p ' unknown ", '');

/** Rows of IP packets: `…` stands for what all of them have. */
const frame = 'p IN=v OUT= ';
const ip4 = `SRC=1.2.3.4 DST=5.6.7.8 LEN=40 TOS=0x00 PREC=0x00 TTL=64 ID=1 `;
const ip4Read = 'packet: family=4 src=1.2.3.4 dst=5.6.7.8 len=40 tos=0 prec=0 ttl=64 id=1';
const ip6 = `SRC=2001:0db8:0000:0000:0000:0000:0000:0001 DST=fe80:0000:0000:0000:0000:0000:0000:0002 LEN=90 TC=5 HOPLIMIT=1 FLOWLBL=1048575 `;
const ip6Read = 'packet: family=6 src=2001:db8::1 dst=fe80::2 len=90 tc=5 hoplimit=1 flowlabel=1048575';
/** More fragments follow. */
const moreRead = ip6Read.replace('len=90', 'len=90 mf');

type Row = readonly [line: string, want: string];

const filled = (line: string): string => line.replace('…4 ', `${frame}${ip4}`).replace('…6 ', `${frame}${ip6}`);
const inner = (rest: string): string => `[SRC=9.9.9.9 DST=8.8.8.8 LEN=77 TOS=0x00 PREC=0x20 TTL=3 ID=4 ${rest}]`;
const innerRead = (rest: string): string =>
  `[inner: family=4 src=9.9.9.9 dst=8.8.8.8 len=77 tos=0 prec=32 ttl=3 id=4 ${rest}]`;

function rows(name: string, list: readonly Row[]): void {
  describe(name, () => {
    for (const [line, want] of list) {
      test(line, () => {
        const expected = want.replace('…4', ip4Read).replace('…6 (mf)', moreRead).replace('…6', ip6Read);
        const end = expected.includes(' iif=')
          ? expected
          : expected.replace(/^(\w+(?: damaged=\S+)?)/, '$1 iif=v oif=');
        assert.equal(read(filled(line)), end);
      });
    }
  });
}

rows('no separator between prefix and IN=, and anything in the prefix', [
  ['[wan-lan-D]IN=eth0 OUT= TRUNCATED', "partial prefix='[wan-lan-D]' unknown iif=eth0 oif= packet: truncated"],
  ['IN=eth0 OUT= TRUNCATED', "partial prefix='' unknown iif=eth0 oif= packet: truncated"],
  ['IN= IN=eth0 OUT= TRUNCATED', "partial prefix='IN= ' unknown iif=eth0 oif= packet: truncated"],
  ['p IN=IN=eth0 OUT= TRUNCATED', 'partial ambiguous iif=IN=eth0 oif= packet: truncated'],
  ['SRC=9.9.9.9 IN=a OUT=b TRUNCATED', "partial prefix='SRC=9.9.9.9 ' unknown iif=a oif=b packet: truncated"],
  [
    'p IN=a OUT=b IN=eth0 OUT= TRUNCATED',
    "partial ambiguous prefix='p IN=a OUT=b ' unknown iif=eth0 oif= packet: truncated",
  ],
]);

rows('names of interfaces may be anything without a blank', [
  ['p IN=SRC=9.9.9.9 OUT=DPT=22]x TRUNCATED', 'partial iif=SRC=9.9.9.9 oif=DPT=22]x packet: truncated'],
  ['p IN=OUT= OUT=IN= TRUNCATED', 'partial iif=OUT= oif=IN= packet: truncated'],
  ['p IN=x[UFW OUT=a\x1b[31mb TRUNCATED', 'partial iif=x[UFW oif=a\x1b[31mb packet: truncated'],
  ['p IN=b OUT=b PHYSIN=OUT= PHYSOUT=IN=x TRUNCATED', 'partial iif=b oif=b physin=OUT= physout=IN=x packet: truncated'],
]);

rows('ports of a bridge, in the old order too', [
  [
    'p IN=br0 PHYSIN=eth0 OUT=br0 PHYSOUT=eth1 TRUNCATED',
    'partial iif=br0 oif=br0 physin=eth0 physout=eth1 packet: truncated',
  ],
  [
    'p IN=br0 OUT=br0 PHYSIN=eth0 PHYSOUT=eth1 TRUNCATED',
    'partial iif=br0 oif=br0 physin=eth0 physout=eth1 packet: truncated',
  ],
  ['p IN= OUT=br0 MAC= TRUNCATED', 'partial iif= oif=br0 packet: truncated'],
]);

test('the port is in PHYSIN, or in IN for rules of the bridge family', () => {
  const [both, bridge] = [parsed('p IN=br0 OUT=br0 PHYSIN=a PHYSOUT=b TRUNCATED'), parsed('p IN=a OUT=b TRUNCATED')];
  assert.ok(both !== undefined && bridge !== undefined);
  assert.deepEqual([portIn(both), portOut(both)], ['a', 'b']);
  assert.deepEqual([portIn(bridge), portOut(bridge)], ['a', 'b']);
});

rows('MAC= is split where it has 14 octets; decoded headers; tunnels', [
  [
    'p IN=v OUT= MAC=02:00:00:00:00:02:02:00:00:00:00:01:88:cc ',
    'ok iif=v oif= mac=02:00:00:00:00:01>02:00:00:00:00:02,88cc',
  ],
  [
    'p IN=v OUT= MAC=00:00:00:00:00:00:00:00:00:00:00:00:08:00:11:22:33:44 TRUNCATED',
    'partial iif=v oif= macText=00:00:00:00:00:00:00:00:00:00:00:00:08:00:11:22:33:44 packet: truncated',
  ],
  [
    'p IN=v OUT= MACSRC=02:00:00:00:00:01 MACDST=02:00:00:00:00:02 VPROTO=8100 VID=7 MACPROTO=88cc ',
    'ok iif=v oif= mac=02:00:00:00:00:01>02:00:00:00:00:02,88cc,vlan:8100:7',
  ],
  [
    'p IN=s OUT= MAC=45:00:00:7c:ad:d0:00:00:ff:29:b9:a4:c0:a8:01:01:0a:00:00:01 TUNNEL=192.168.1.1->10.0.0.1 TRUNCATED',
    'partial iif=s oif= macText=45:00:00:7c:ad:d0:00:00:ff:29:b9:a4:c0:a8:01:01:0a:00:00:01 tunnel=192.168.1.1->10.0.0.1 packet: truncated',
  ],
]);

rows('ARP has its own MACSRC and MACDST', [
  [
    'p IN=v OUT= MACSRC=02:00:00:00:00:01 MACDST=ff:ff:ff:ff:ff:ff MACPROTO=0806 ARP HTYPE=1 PTYPE=0x0800 OPCODE=2 MACSRC=02:00:00:00:00:66 IPSRC=10.0.0.1 MACDST=00:00:00:00:00:00 IPDST=10.0.0.2',
    'ok iif=v oif= mac=02:00:00:00:00:01>ff:ff:ff:ff:ff:ff,0806 arp: hardware=1 protocol=2048 operation=2 senderMac=02:00:00:00:00:66 senderIp=10.0.0.1 targetMac=00:00:00:00:00:00 targetIp=10.0.0.2',
  ],
  [
    'p IN=v OUT= ARP HTYPE=1 PTYPE=0x0800 OPCODE=1 INCOMPLETE [4 bytes]',
    'partial iif=v oif= arp: hardware=1 protocol=2048 operation=1 incomplete=4',
  ],
  ['p IN=v OUT= ARP HTYPE=6 PTYPE=0x86dd OPCODE=9', 'ok iif=v oif= arp: hardware=6 protocol=34525 operation=9'],
]);

rows('the packet in an ICMP error is a packet of its own, however its block ends', [
  [
    `…4 PROTO=ICMP TYPE=3 CODE=4 ${inner('PROTO=TCP INCOMPLETE [8 bytes] ')} MTU=5 UID=0 GID=7 MARK=0x5 `,
    `ok iif=v oif= uid=0 gid=7 mark=5 …4 protocol=1 icmpType=3 icmpCode=4 mtu=5 ${innerRead('protocol=6 incomplete=8')}`,
  ],
  [
    `…4 PROTO=ICMP TYPE=4 CODE=0 ${inner('PROTO=TCP SPT=1 DPT=2 WINDOW=3 RES=0x00 URGP=0 OPT (TRUNCATED)')} `,
    `ok …4 protocol=1 icmpType=4 icmpCode=0 ${innerRead('protocol=6 sport=1 dport=2 window=3 res=0 flags=none urgp=0 truncated')}`,
  ],
  [
    `…4 PROTO=ICMP TYPE=11 CODE=0 ${inner('PROTO=ICMP TYPE=3 CODE=4 MTU=77 ')} MARK=0x1 `,
    `ok iif=v oif= mark=1 …4 protocol=1 icmpType=11 icmpCode=0 ${innerRead('protocol=1 icmpType=3 icmpCode=4 mtu=77')}`,
  ],
  [
    `…4 PROTO=ICMP TYPE=5 CODE=1 GATEWAY=6.6.6.6 ${inner('PROTO=ICMP TYPE=5 CODE=0 GATEWAY=7.7.7.7 ')} `,
    `ok …4 protocol=1 icmpType=5 icmpCode=1 gateway=6.6.6.6 ${innerRead('protocol=1 icmpType=5 icmpCode=0 gateway=7.7.7.7')}`,
  ],
  [
    `…4 PROTO=ICMP TYPE=3 CODE=0 ${inner('TRUNCATED')} `,
    `ok …4 protocol=1 icmpType=3 icmpCode=0 ${innerRead('truncated')}`,
  ],
  ['…4 PROTO=ICMP TYPE=3 CODE=0 [TRUNCATED] ', 'ok …4 protocol=1 icmpType=3 icmpCode=0 [inner: truncated]'],
  [
    `…6 PROTO=ICMPv6 TYPE=2 CODE=0 [${ip6}OPT ( ESP SPI=0x5 )] MTU=1280 MARK=0x1 `,
    `ok iif=v oif= mark=1 …6 protocol=58 icmpType=2 icmpCode=0 mtu=1280 [inner: ${ip6Read.replace('packet: ', '')} extensions=1 spi=5]`,
  ],
  [
    `…6 PROTO=ICMPv6 TYPE=4 CODE=1 POINTER=0000002a [${ip6}PROTO=ICMPv6 TYPE=4 CODE=2 POINTER=00000001 ] `,
    `ok …6 protocol=58 icmpType=4 icmpCode=1 pointer=42 [inner: ${ip6Read.replace('packet: ', '')} protocol=58 icmpType=4 icmpCode=2 pointer=1]`,
  ],
]);

rows('one key, several meanings', [
  ['…4 PROTO=UDP SPT=5 DPT=6 LEN=20 ', 'ok …4 protocol=17 sport=5 dport=6 udpLen=20'],
  ['…4 PROTO=ICMP TYPE=8 CODE=0 ID=7 SEQ=9 ', 'ok …4 protocol=1 icmpType=8 icmpCode=0 icmpId=7 icmpSeq=9'],
  [
    '…4 PROTO=TCP SPT=1 DPT=2 SEQ=4294967295 ACK=7 WINDOW=3 RES=0x38 AE CWR ECE URG ACK PSH RST SYN FIN URGP=9 OPT (020405B4) ',
    'ok …4 protocol=6 sport=1 dport=2 seq=4294967295 ack=7 window=3 res=56 flags=fin,syn,rst,psh,ack,urg,ecn,cwr,ae urgp=9 tcpOptions=020405B4',
  ],
  ['…4 OPT (94040000) PROTO=2 ', 'ok …4 options=94040000 protocol=2'],
  ['…4 CE DF MF FRAG:16 PROTO=UDP MARK=0x1f ', 'ok iif=v oif= mark=31 …4 ce df mf frag=16 protocol=17'],
  [
    '…6 OPT ( FRAG:0 INCOMPLETE ID:0000002a ) OPT ( ) PROTO=UDP SPT=7 DPT=8 LEN=12 ',
    'ok …6 (mf) extensions=2 frag=0 fragId=42 protocol=17 sport=7 dport=8 udpLen=12',
  ],
  ['…6 FRAG:1480 ID:0000002a PROTO=ICMPv6 ', 'ok …6 frag=1480 fragId=42 protocol=58'],
  [
    '…6 OPT ( AH SPI=0x1002 ) PROTO=TCP SPT=1 DPT=2 WINDOW=3 RES=0x00 SYN URGP=0 ',
    'ok …6 extensions=1 protocol=6 sport=1 dport=2 window=3 res=0 flags=syn urgp=0 spi=4098',
  ],
]);

rows('the first AH header counts', [
  ['…6 OPT ( AH SPI=0x1 ) OPT ( AH SPI=0x2 ) PROTO=59 ', 'ok …6 extensions=2 protocol=59 spi=1'],
]);

rows('where the kernel stopped, and whether a mark follows', [
  ['…4 PROTO=TCP INCOMPLETE [9 bytes] ', 'partial …4 protocol=6 incomplete=9'],
  ['…4 PROTO=ICMP INCOMPLETE [2 bytes] MARK=0x5 ', 'partial iif=v oif= mark=5 …4 protocol=1 incomplete=2'],
  ['…4 PROTO=AH INCOMPLETE [2 bytes] MARK=0x5 ', 'partial iif=v oif= mark=5 …4 protocol=51 incomplete=2'],
  ['…4 TRUNCATED', 'partial …4 truncated'],
  ['p IN=v OUT= MAC= TRUNCATED', 'partial packet: truncated'],
  ['…6 TRUNCATED', 'partial …6 truncated'],
  ['…6 FRAG:TRUNCATED ', 'partial …6 truncated'],
  ['…6 OPT ( FRAG:TRUNCATED ', 'partial …6 extensions=1 truncated'],
  ['…6 Unknown Ext Hdr 139', 'partial …6'],
  ['…6 OPT ( Unknown Ext Hdr 135', 'partial …6 extensions=1'],
  ['…6 OPT ( AH INCOMPLETE [8 bytes] )', 'partial …6 extensions=1 incomplete=8'],
  ['…6 OPT ( ESP INCOMPLETE [4 bytes] )', 'partial …6 extensions=1 incomplete=4'],
  ['…6 OPT ( ESP SPI=0x5 )', 'partial …6 extensions=1 spi=5'],
  ['…6 OPT ( FRAG:1480 ID:0000002a ) OPT ( AH )', 'partial …6 extensions=2 frag=1480 fragId=42'],
]);

rows('lines without PROTO=', [
  ['…4 FRAG:5 MARK=0x5 ', 'ok iif=v oif= mark=5 …4 frag=5'], // a later AH fragment
  ['…6 ', 'partial …6'], // ESP, without log flags
  ['…4 ', 'cut …4'],
  ['…4 MARK=0x5 ', 'cut iif=v oif= mark=5 …4'],
  ['…6 MARK=0x5 ', 'damaged damaged=protocol iif=v oif= mark=5 …6 protocol=null'],
]);

rows('a NULL scan has no flags, and that is told only where all flags were seen', [
  [
    '…4 PROTO=TCP SPT=1 DPT=2 WINDOW=3 RES=0x00 URGP=0 ',
    'ok …4 protocol=6 sport=1 dport=2 window=3 res=0 flags=none urgp=0',
  ],
  ['…4 PROTO=TCP SPT=1 DPT=2 WINDOW=3 RES=0x00 ', 'cut …4 protocol=6 sport=1 dport=2 window=3 res=0'],
  [
    '…4 PROTO=TCP SPT=1 DPT=2 WINDOW=3 RES=0x00 S?N URGP=0 ',
    'damaged …4 protocol=6 sport=1 dport=2 window=3 res=0 urgp=0',
  ],
]);

rows('how others write it', [
  [
    'p IN=v OUT= SRC=1.2.3.4 DST=5.6.7.8 LEN=40 TOS=00 PREC=0x00 TTL=64 ID=1 PROTO=TCP SPT=1 DPT=2 WINDOW=3 SYN URGn=0 MARK=0',
    'ok iif=v oif= mark=0 …4 protocol=6 sport=1 dport=2 window=3 flags=syn urgp=0',
  ],
  ['…4 FRAG: 123 PROTO=udp', 'ok …4 frag=123 protocol=17'],
  ['…4 PROTO=tcp SPT=1 DPT=2 WINDOW=3 ACK FIN ', 'ok …4 protocol=6 sport=1 dport=2 window=3 flags=fin,ack'],
  ['…4 PROTO=UDP SPT=5 DPT=6 LEN=20       ', 'ok …4 protocol=17 sport=5 dport=6 udpLen=20'],
  ['…4 PROTO=UDP SPT=5 DPT=6 LEN=20\r\n', 'ok …4 protocol=17 sport=5 dport=6 udpLen=20'],
  ['p IN=v SRC=1.2.3.4 DST=5.6.7.8 LEN=40 TOS=0x00 PREC=0x00 TTL=64 ID=1 PROTO=2', 'ok …4 protocol=2'],
  ['p IN=v OUT= SRC=2001:db8::1 DST=fe80::2 LEN=90 TC=5 HOPLIMIT=1 FLOWLBL=1048575 PROTO=59 ', 'ok …6 protocol=59'],
]);

rows('addresses that somebody took out are no damage', [
  [
    'p IN=v OUT= SRC=1.2.x.x DST=REDACTED LEN=40 TOS=0x00 PREC=0x00 TTL=64 ID=1 PROTO=2 ',
    'ok packet: family=4 src=null dst=null srcText=1.2.x.x dstText=REDACTED len=40 tos=0 prec=0 ttl=64 id=1 protocol=2',
  ],
]);

rows('mangled: nothing is guessed, nothing is shifted', [
  [
    'p IN=v OUT= SRC=1.2.3.4 DST=5.6.7.8 LEN=40 TOS=0x00 PREC=0x00 =64 ID=1 PROTO=2 ',
    `damaged damaged=ttl iif=v oif= ${ip4Read.replace('ttl=64', 'ttl=null')} protocol=2`,
  ],
  [
    'p IN=v OUT= SRC=1.2.3.4 DST=5.6.7.8 LEN=40 TOS=0x00 PREC=0x00 TTL ID=1 PROTO=2 ',
    `damaged damaged=ttl iif=v oif= ${ip4Read.replace('ttl=64', 'ttl=null')} protocol=2`,
  ],
  [
    'p IN=v OUT= MAC=54:00:f2:a4:8d:52:54:00:b1:5d:1f:08:00 TRUNCATED',
    'damaged damaged=mac iif=v oif= mac=null packet: truncated',
  ],
  [
    'p IN=v OUT= SRC=1.2.3.4 DST=5.6.7.8 LEN=99999999 TOS=0x100 PREC=0x00 TTL=256 ID=01 PROTO=UDP SPT=65536 DPT=-1 LEN=x ',
    'damaged damaged=len,tos,ttl,id,sport,dport,udpLen iif=v oif= packet: family=4 src=1.2.3.4 dst=5.6.7.8 len=null tos=null prec=0 ttl=null id=null protocol=17 sport=null dport=null udpLen=null',
  ],
  [
    'p IN=v OUT= SRC=1.2.3.256 DST=5.6.7.08 LEN=40 TOS=0x00 PREC=0x00 TTL=64 ID=1 PROTO=2 ',
    'damaged damaged=src,dst iif=v oif= packet: family=4 src=null dst=null len=40 tos=0 prec=0 ttl=64 id=1 protocol=2',
  ],
  // a block that ends before its packet: what follows may be of that packet too
  [
    `…4 PROTO=ICMP TYPE=3 CODE=4 ${inner('PROTO=ICMP TYPE=3 CODE=4 ')} MTU=9999 ] MTU=1400 MARK=0x1 `,
    `damaged damaged=mtu,[mtu] iif=v oif= …4 protocol=1 icmpType=3 icmpCode=4 mtu=null ${innerRead('protocol=1 icmpType=3 icmpCode=4 mtu=null')}`,
  ],
  // two messages in one line: from the second key on nobody knows whose fields they are
  [
    'p IN=v OUT= SRC=1.2.3.4 DST=5.6.7.8 LEN=40 SRC=6.6.6.6 TOS=0x00 PREC=0x00 TTL=64 ID=1 PROTO=2 ',
    'damaged damaged=tos,prec,ttl,id iif=v oif= packet: family=4 src=1.2.3.4 dst=5.6.7.8 len=40 tos=null prec=null ttl=null id=null',
  ],
  [
    `…4 PROTO=ICMP TYPE=3 CODE=1 ${inner('PROTO=2 ')} ${inner('PROTO=2 ')} MARK=0x1 `,
    `damaged …4 protocol=1 icmpType=3 icmpCode=1 ${innerRead('protocol=2')}`,
  ],
  [
    'p IN=v OUT= SRC=1.2.3.4 DST=5.6.7.8 LEN=40 TOS=0x00 IN=w OUT= TRUNCATED',
    "damaged damaged=prefix ambiguous prefix='p IN=v OUT= SRC=1.2.3.4 DST=5.6.7.8 LEN=40 TOS=0x00 ' unknown iif=w oif=",
  ],
]);

rows('cut: the last value may be cut too', [
  ['…4 PROTO=TCP SPT=1 DPT=2', 'cut damaged=dport iif=v oif= …4 protocol=6 sport=1 dport=null'],
  ['…4 PROTO=TCP SPT=1 DPT=2 ', 'cut …4 protocol=6 sport=1 dport=2'],
  ['…4 PROTO=TCP SPT=1 DPT=2 WIN', 'cut …4 protocol=6 sport=1 dport=2'],
  [
    '…4 PROTO=ICMP TYPE=3 CODE=1 [SRC=9.9.9.9 DST=8.8',
    'cut damaged=[dst] iif=v oif= …4 protocol=1 icmpType=3 icmpCode=1 [inner: family=4 src=9.9.9.9 dst=null]',
  ],
  // without OUT= it may all be in the prefix
  ['p IN=v SRC=1.2.3.4 DS', 'cut ambiguous iif=v oif= packet: family=4 src=1.2.3.4'],
  ['p IN=eth0 OUT=et', 'cut damaged=oif iif=eth0 oif='],
  ['p IN=v OUT= MAC=52:54:00', 'cut damaged=mac iif=v oif= mac=null'],
]);

test('what is no log line', () => {
  const texts = [
    '',
    ' ',
    'IN=',
    'IN=eth0',
    `x [PHYSIN=x ${ip4}`,
    `xIN=v ${ip4}`,
    'IN=eth0 SRC',
    'OUT=',
    'martian source 1.2.3.4 from 5.6.7.8, on dev eth0',
  ];
  for (const text of texts) assert.equal(parsed(text), undefined, text);
  assert.equal(parsed('\0'.repeat(2_000)), undefined);
});
