// ulogd2's JSON: lines that the real one wrote, and the real one itself where it is installed.
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, globSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ulogd } from '../../src/watch/sources/ulogd.ts';
import { parseUlogdLine } from '../../src/watch/sources/ulogd-line.ts';
import { ended } from '../support/child.ts';
import { until } from '../support/until.ts';
import { collect } from './collected.ts';

/** ulogd 2.0.8, what is not needed left out. */
const common =
  '"timestamp": "2026-11-24T00:25:29.883349", "dvc": "Netfilter", "raw.pktlen": 84, "oob.prefix": "RULE 7 -- DENY ", ' +
  '"oob.time.sec": 1795479929, "oob.time.usec": 883349, "oob.mark": 0, "oob.hook": 1';
const mac = '"mac.str": "00:00:00:00:00:00:00:00:00:00:00:00:08:00"';
const ip4 =
  '"oob.family": 2, "ip.tos": 0, "ip.ttl": 64, "ip.totlen": 84, "ip.ihl": 5, "ip.id": 48135, "src_ip": "127.0.0.1", "dest_ip": "127.0.0.1"';
const head4 = 'SRC=127.0.0.1 DST=127.0.0.1 LEN=84 TOS=0x00 PREC=0x00 TTL=64 ID=48135';

const rows: readonly [name: string, fields: string, text: string][] = [
  [
    'a ping',
    `${common}, ${ip4}, "ip.protocol": 1, "ip.fragoff": 16384, "icmp.type": 8, "icmp.code": 0, "icmp.echoid": 7897, "icmp.echoseq": 1, "oob.in": "lo", "oob.out": "", ${mac}`,
    `RULE 7 -- DENY IN=lo OUT= MAC=00:00:00:00:00:00:00:00:00:00:00:00:08:00 ${head4} DF PROTO=ICMP TYPE=8 CODE=0 ID=7897 SEQ=1 `,
  ],
  [
    'a SYN',
    `${common}, ${ip4}, "ip.protocol": 6, "ip.fragoff": 0, "src_port": 38010, "dest_port": 81, "tcp.seq": 3019133409, "tcp.ackseq": 0, "tcp.window": 65495, "tcp.reserved": 0, "tcp.urg": 0, "tcp.ack": 0, "tcp.psh": 0, "tcp.rst": 0, "tcp.syn": 1, "tcp.fin": 0, "oob.in": "lo", "oob.out": ""`,
    `RULE 7 -- DENY IN=lo OUT= ${head4} PROTO=TCP SPT=38010 DPT=81 SEQ=3019133409 ACK=0 WINDOW=65495 RES=0x00 SYN URGP=0 `,
  ],
  [
    'a datagram that the host sends',
    `${common}, ${ip4}, "ip.protocol": 17, "ip.fragoff": 0, "src_port": 39705, "dest_port": 9, "udp.len": 9, "oob.uid": 0, "oob.gid": 5, "oob.mark": 31, "oob.in": "", "oob.out": "a0"`.replace(
      '"oob.mark": 0, ',
      '',
    ),
    `RULE 7 -- DENY IN= OUT=a0 ${head4} PROTO=UDP SPT=39705 DPT=9 LEN=9 UID=0 GID=5 MARK=0x1f `,
  ],
  [
    'a fragment',
    `${common}, ${ip4}, "ip.protocol": 17, "ip.fragoff": 8377, "oob.in": "lo", "oob.out": ""`,
    `RULE 7 -- DENY IN=lo OUT= ${head4} MF FRAG:185 PROTO=UDP `,
  ],
  [
    'IPv6',
    `${common}, "oob.family": 10, "ip.protocol": 58, "ip6.payloadlen": 64, "ip6.priority": 0, "ip6.flowlabel": 503695, "ip6.hoplimit": 64, "ip6.nexthdr": 58, "icmpv6.type": 128, "icmpv6.code": 0, "icmpv6.echoid": 7898, "icmpv6.echoseq": 1, "oob.in": "lo", "oob.out": "", "src_ip": "::1", "dest_ip": "::1"`,
    'RULE 7 -- DENY IN=lo OUT= SRC=::1 DST=::1 LEN=104 TC=0 HOPLIMIT=64 FLOWLBL=503695 PROTO=ICMPv6 TYPE=128 CODE=0 ID=7898 SEQ=1 ',
  ],
  [
    'ARP',
    `${common}, "oob.family": 3, "oob.protocol": 2054, "oob.in": "", "oob.out": "a0"`,
    'RULE 7 -- DENY IN= OUT=a0 ',
  ],
  [
    'values that are no words',
    `${common}, "oob.in": "a b", "oob.out": 5, "src_ip": ["x"], "dest_ip": "1.2.3.4"`,
    'RULE 7 -- DENY IN= OUT= ',
  ],
];

describe('a line of JSON', () => {
  for (const [name, fields, text] of rows) {
    it(name, () => assert.deepEqual(parseUlogdLine(`{${fields}}`), { text, wall: 1_795_479_929_883 }));
  }

  for (const line of ['', '{}', '[]', 'null', '{"oob.prefix": 5}', '{"oob.prefix": "x"', '"x"', '{"ct.event": 1}']) {
    it(`${line || 'nothing'} is no packet`, () => assert.equal(parseUlogdLine(line), undefined));
  }
});

const plugins = globSync('/usr/lib/*/ulogd')[0] ?? process.env.ULOGD_PLUGINS ?? '';
const needed = ['inppkt_NFLOG', 'raw2packet_BASE', 'filter_IFINDEX', 'filter_IP2STR', 'filter_HWHDR', 'output_JSON'];
const files = needed.map((name) => join(plugins, `ulogd_${name}.so`));
const skip =
  process.getuid?.() !== 0
    ? 'needs root for a network namespace'
    : files.every(existsSync)
      ? false
      : 'needs the packages ulogd2 and ulogd2-json';

describe('the real ulogd2', { skip }, () => {
  let directory: string;
  let daemon: ChildProcess;
  const json = (): string => join(directory, 'ulogd.json');

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'bridgekeeper-ulogd-'));
    writeFileSync(
      join(directory, 'ulogd.conf'),
      [
        '[global]',
        `logfile="${join(directory, 'ulogd.log')}"`,
        ...files.map((file) => `plugin="${file}"`),
        'stack=log1:NFLOG,base1:BASE,ifi1:IFINDEX,ip2str1:IP2STR,mac2str1:HWHDR,json1:JSON',
        '[log1]',
        'group=1',
        '[json1]',
        'sync=1',
        `file="${json()}"`,
        '',
      ].join('\n'),
    );
    writeFileSync(
      join(directory, 'rules'),
      'table inet t {\n chain i {\n type filter hook input priority 0;\n icmp type echo-request log prefix "RULE 7 -- DENY " group 1\n }\n}\n',
    );
    const script =
      'ip link set lo up && nft -f "$1/rules" || exit 1; ulogd -c "$1/ulogd.conf" & daemon=$!; read go; ' +
      'ping -c 3 -i 0.01 127.0.0.1 >/dev/null; read stop; kill $daemon; wait $daemon';
    daemon = spawn('unshare', ['-n', 'sh', '-c', script, 'sh', directory], { stdio: ['pipe', 'ignore', 'inherit'] });
    await until(() => existsSync(json()), 'ulogd has made its file');
  });
  after(async () => {
    const gone = ended(daemon);
    daemon.stdin?.end('stop\n');
    await gone;
    rmSync(directory, { recursive: true });
  });

  it('gives every packet of a ping with full trust', async () => {
    const following = collect(ulogd(json(), { pollMs: 10 }), { enough: ({ records }) => records.length >= 3 });
    daemon.stdin?.write('go\n');
    const { records, texts } = await following;
    assert.deepEqual(
      texts.map((text) => / PROTO=ICMP TYPE=8 CODE=0 ID=\d+ SEQ=(\d) /.exec(text)?.[1]),
      ['1', '2', '3'],
    );
    assert.ok(texts.every((text) => text.startsWith('RULE 7 -- DENY IN=lo OUT= MAC=00:')));
    assert.deepEqual(
      records.map(({ trust }) => trust),
      [3, 3, 3],
    );
    assert.ok(Math.abs((records[0]?.wall ?? 0) - Date.now()) < 10_000);
    execFileSync('chmod', ['g+w', json()]);
    const open = await collect(ulogd(json(), { once: true }));
    assert.deepEqual(
      open.records.map(({ trust }) => trust),
      [1, 1, 1],
      'others may write it now',
    );
  });
});
