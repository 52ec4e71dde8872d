import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { allPorts } from '../../src/model/host.ts';
import { printPrefix } from '../../src/model/ip.ts';
import { printMac } from '../../src/model/mac.ts';
import { parseHost } from '../../src/topology/host-file.ts';
import { printHost } from '../../src/topology/print-host.ts';
import { marked, placesOf } from '../yaml/marked.ts';

const example = join(import.meta.dirname, '..', '..', 'examples', 'two-bridge', 'host.yaml');

test('the example is the reference host, in its order', () => {
  const { value: host, diagnostics } = parseHost(readFileSync(example, 'utf8'), 'host.yaml');
  assert.deepEqual(diagnostics, []);
  assert.ok(host !== undefined);
  assert.deepEqual(
    host.bridges.map(({ name, ports }) => [name, ...ports.map((port) => port.name)]),
    [
      ['virbr6', 'vk63', 'vk64', 'vk65', 'vethb2'],
      ['virbr4', 'vk42', 'vethb1', 'vmh1'],
      ['br0', 'eth0'],
    ],
  );
  assert.deepEqual(
    allPorts(host).map(({ guest, mac, peer, uplink }) => guest ?? peer ?? (uplink ? `uplink` : mac)),
    ['kali3', 'kali4', 'kali5', 'vethb1', 'kali2', 'vethb2', 'vmh2', 'uplink'],
  );
  const [kali3] = allPorts(host);
  assert.equal(printMac(kali3?.mac ?? 0), '52:54:00:b1:5d:1f');
  assert.deepEqual(
    host.interfaces.map(({ name, peer, addresses }) => [name, peer, addresses.map(printPrefix).join(' ')]),
    [
      ['vmh2', 'vmh1', '192.168.50.1/24'],
      ['br0', undefined, '192.168.0.19/24'],
    ],
  );
  assert.deepEqual(
    { ...host.sysctls },
    {
      'net.ipv4.ip_forward': '1',
      'net.ipv4.conf.all.arp_ignore': '1',
      'net.ipv4.conf.all.arp_announce': '2',
    },
  );
  const macs = new Set([...allPorts(host), ...host.interfaces].flatMap(({ mac }) => mac ?? []));
  assert.equal(macs.size, 6, 'every card has a MAC of its own');
});

const ports = (text: string) => `host: h\nbridges: { b: { ports: { ${text} } } }`;
const interfaces = (text: string) => `host: h\ninterfaces: { ${text} }`;

/** `¦` stands before each place that a fault of this code must point to, and nowhere else are there faults. */
const rows: readonly (readonly [code: string, text: string])[] = [
  ['syntax', 'host: h\nbridges: {\n¦routes: []'],
  ['duplicate-key', ports('p: {}, ¦p: {}')],
  ['unknown-key', 'host: h\n¦briges: {}'],
  ['unknown-key', ports('p: { ¦gest: a }')],
  ['missing-key', '¦bridges: {}'],
  ['missing-key', 'host: h\nroutes: [¦{ via: 10.0.0.1 }]'],
  ['wrong-type', 'host: h\nbridges: ¦[]\ninterfaces: ¦x'],
  ['wrong-type', ports('¦p: , q: { uplink: ¦yes }')],
  ['wrong-type', 'host: h\nsysctls: { net.x: ¦[1], net.y: ¦"a\\nb" }'],
  ['not-text', `host: ¦7\nbridges: { ¦12: { ports: { ¦0777: {} } } }\ninterfaces: { ¦1e3: {} }`],
  ['not-text', 'host: h\nsysctls: { net.x: ¦true }'],
  ['bad-name', 'host: ¦a b\nsysctls: { ¦../x: 1, ¦x: 1 }'],
  ['bad-name', ports("p: { guest: ¦'a b' }")],
  ['bad-interface', `host: h\nbridges: { ¦'a b': { ports: { ¦..: {} } } }\ninterfaces: { ¦'$(x)': {} }`],
  ['bad-interface', 'host: h\nbridges: { ¦__proto__: {} }'],
  ['bad-interface', `${ports("p: { peer: ¦'a b' }")}\nroutes: [{ to: default, dev: ¦a/b }]`],
  ['bad-mac', ports('p: { mac: ¦52-54-00-b1-5d-1f }, q: { mac: ¦ff:ff:ff:ff:ff:ff }')],
  ['bad-address', interfaces('i: { addresses: [10.0.0.1/24, ¦10.0.0.1/33, ¦x] }, j: { addresses: ¦01.0.0.1 }')],
  ['bad-address', 'host: h\nroutes: [{ to: ¦10.0.0.1/24 }, { to: ¦defalt }, { to: default, via: ¦10.0.0.1/24 }]'],
  ['empty-side', interfaces('i: { addresses: ¦[] }')],
  ['port-conflict', 'host: h\nbridges: { a: { ports: { p: {} } }, b: { ports: { ¦p: {} } } }'],
  ['port-conflict', ports('¦p: { guest: a, uplink: true }, ¦q: { peer: r, guest: a }, r: { peer: q }')],
  ['duplicate-name', `${ports('p: {}')}\ninterfaces: { ¦p: {} }`],
  ['duplicate-name', 'host: h\nbridges: { a: { ports: { b: {} } }, ¦b: {} }'],
  ['peer-mismatch', ports('p: { peer: ¦q }')],
  ['peer-mismatch', ports('p: { peer: ¦p }')],
  ['peer-mismatch', ports('p: { peer: ¦q }, q: {}')],
  ['peer-mismatch', ports('p: { peer: ¦q }, q: { peer: r }, r: { peer: q }')],
  ['peer-mismatch', `${ports('p: { peer: ¦q }')}\ninterfaces: { q: {} }`],
  ['peer-mismatch', `${ports('p: {}')}\ninterfaces: { q: { peer: ¦p } }`],
  ['duplicate-mac', ports('p: { mac: 52:54:00:b1:5d:1f }, q: { mac: ¦52:54:00:B1:5D:1F }')],
  ['unknown-interface', `${interfaces('eth0: {}')}\nroutes: [{ to: default, dev: ¦eth1 }]`],
];

test('each fault is reported once, at the key or value that it is about', () => {
  for (const [code, row] of rows) {
    const { text, places } = marked(row);
    const { value, diagnostics } = parseHost(text, 'host.yaml');
    assert.ok(places.length > 0, row);
    assert.deepEqual(
      placesOf(diagnostics),
      places.map((place) => `${place} ${code}`),
      text,
    );
    assert.equal(value === undefined, code !== 'duplicate-mac', 'only errors take the value away');
  }
  assert.equal(new Set(rows.map(([code]) => code)).size, 16);
});

test('what is no fault is not reported', () => {
  const texts = [
    'host: h',
    'host: h\nbridges: {}\ninterfaces: {}\nroutes: []\nsysctls: {}',
    'host: h\nbridges: { br0: { stp: true, ports: {} } }\ninterfaces: { br0: { addresses: 10.0.0.1/24 } }',
    ports('p: { peer: q }, q: { peer: p }, r: { guest: a }, s: { guest: a }'),
    `${ports('p: {}')}\nroutes: [{ to: default, via: 10.0.0.1 }, { to: 10.0.0.0/8, dev: b }]`,
  ];
  for (const text of texts) assert.deepEqual(parseHost(text, 'host.yaml').diagnostics, [], text);
});

test('sysctls keep the characters that they were written with', () => {
  const { value } = parseHost(
    'host: h\nsysctls: { net.a: 0777, net.b: "4096 87380", net.c: -1, net.d: 1e3 }',
    'host.yaml',
  );
  assert.deepEqual({ ...value?.sysctls }, { 'net.a': '0777', 'net.b': '4096 87380', 'net.c': '-1', 'net.d': '1e3' });
});

test('a printed host has one line for each port, interface and route', () => {
  const { value } = parseHost(readFileSync(example, 'utf8'), 'host.yaml');
  assert.ok(value !== undefined);
  assert.equal(
    printHost(value),
    readFileSync(example, 'utf8')
      .replace(/ *#.*\n/g, (comment) => (comment.startsWith(' ') ? '\n' : ''))
      .replaceAll(/\[(\S+)\]/g, '[ $1 ]'),
  );
});
