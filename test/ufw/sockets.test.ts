// /proc's words about sockets and processes -> sessions of SSH, and where sshd listens.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { printIp } from '../../src/model/ip.ts';
import { sshFacts } from '../../src/ufw/sockets.ts';

const tcp = (local: string, remote: string, state: string, inode: number): string =>
  `tcp    0: ${local} ${remote} ${state} 00000000:00000000 00:00000000 00000000     0        0 ${inode} 1 0000000000000000 100 0 0 10 0`;

const nobody6 = '00000000000000000000000000000000:0000';

const usual = [
  tcp('00000000:0016', '00000000:0000', '0A', 11),
  tcp('00000000000000000000000000000000:0016', nobody6, '0A', 12),
  tcp('0100007F:177A', '00000000:0000', '0A', 13),
  tcp('00000000:1F90', '00000000:0000', '0A', 14),
  tcp('0100000A:0016', '0500000A:C350', '01', 15),
  tcp('0000000000000000FFFF00000100000A:0016', '0000000000000000FFFF00000600000A:C351', '01', 16),
  tcp('0100000A:C360', '0900000A:0016', '01', 17),
  'proc 1 systemd /sbin/init',
  'proc 500 sshd sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups ',
  'proc 600 sshd sshd: admin [priv] ',
  'proc 700 sshd sshd: admin@pts/0 ',
  'fd 500 11',
  'fd 500 12',
  'fd 600 15',
  'fd 700 16',
  'fd 700 17',
  'fd 700 13',
  'fd 700 14',
  'port 22',
  'port 2222',
];

const facts = (...lines: readonly string[]) => {
  const { sessions, listeners, idlePorts } = sshFacts(lines.join('\n'));
  return {
    sessions: sessions.map(
      ({ client, server }) => `${printIp(client.ip)}:${client.port}>${printIp(server.ip)}:${server.port}`,
    ),
    listeners: listeners.map(({ server }) => `${printIp(server.ip)}:${server.port}`),
    idlePorts,
  };
};

const five = '10.0.0.5:50000>10.0.0.1:22';
const six = '10.0.0.6:50001>10.0.0.1:22';

test('who came is known by the environment', () => {
  assert.deepEqual(facts('env SSH_CONNECTION=10.0.0.5 50000 10.0.0.1 22', ...usual), {
    sessions: [five],
    listeners: ['0.0.0.0:22', ':::22'],
    idlePorts: [2222],
  });
});

test('without it every open session may be ours; what a session forwards is none', () => {
  assert.deepEqual(facts(...usual).sessions, [five, six]);
});

test('an environment that outlived its connection, as in a terminal multiplexer, is not all there is', () => {
  const sessions = ['10.0.0.9:40000>10.0.0.1:22', five, six];
  assert.deepEqual(facts('env SSH_CONNECTION=10.0.0.9 40000 10.0.0.1 22', ...usual).sessions, sessions);
});

test('the nearest environment counts', () => {
  const lines = ['env SSH_CONNECTION=10.0.0.6 50001 10.0.0.1 22', 'env SSH_CONNECTION=10.0.0.5 50000 10.0.0.1 22'];
  assert.deepEqual(facts(...lines, ...usual).sessions, [six]);
});

test('systemd holds the socket, and sshd is configured for it', () => {
  const lines = [
    tcp('00000000000000000000000000000000:08AE', nobody6, '0A', 21),
    'proc 1 systemd /sbin/init',
    'fd 1 21',
  ];
  assert.deepEqual(facts(...lines, 'port 2222').listeners, [':::2222']);
  assert.deepEqual(facts(...lines, 'port 22').listeners, []);
});

test('IPv6 with a zone: the interface is known', () => {
  const [session] = sshFacts('env SSH_CONNECTION=fe80::5%eth0 50000 fe80::1%eth0 22').sessions;
  assert.deepEqual([session?.iif, session && printIp(session.client.ip)], ['eth0', 'fe80::5']);
});

const links: readonly (readonly [what: string, iif: string | undefined, links: readonly string[]])[] = [
  ['one besides the loopback', 'eth0', ['1: lo: <LOOPBACK,UP> mtu 65536', '2: eth0@if3: <BROADCAST,UP> mtu 1500']],
  ['two', undefined, ['1: lo: <LOOPBACK,UP>', '2: eth0: <BROADCAST,UP>', '3: wg0: <POINTOPOINT,UP>']],
  ['none that can be seen', undefined, []],
];

for (const [what, iif, lines] of links) {
  test(`by which interface a session came, where there is ${what}: ${iif ?? 'not known'}`, () => {
    const said = ['env SSH_CONNECTION=10.0.0.5 50000 10.0.0.1 22', ...lines.map((line) => `link ${line}`)];
    assert.equal(sshFacts(said.join('\n')).sessions[0]?.iif, iif);
  });
}

const hostile = [
  'env SSH_CONNECTION=$(reboot) 1 2 3',
  'env SSH_CONNECTION=10.0.0.5 99999 10.0.0.1 22',
  'env SSH_CONNECTION=10.0.0.5 50000 10.0.0.1 22 more',
  'tcp    0: 0100000A:0016 0500000A:C350 0A',
  'tcp    0: 0100000A 0500000A:C350 0A 0 0 0 0 0 1',
  tcp('ZZ00000A:0016', '0500000A:C350', '01', 15),
  'fd',
  'proc',
  'port -1',
  'port 99999',
  'link 2: a name: <UP>',
  '\x00\xff',
];

test('what is not well formed says nothing', () => {
  assert.deepEqual(facts(...hostile), { sessions: [], listeners: [], idlePorts: [] });
});
