// What a Linux IP stack does with one packet: deliver, route, answer, or lose it, and for which reason.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Ip, type Prefix, parseIp, parsePrefix } from '../../src/model/ip.ts';
import { broadcastMac } from '../../src/model/mac.ts';
import type { Ruleset } from '../../src/model/ruleset.ts';
import type { Scene, SceneNode } from '../../src/model/scene.ts';
import { echoRequest, tcpSegment, udpDatagram } from '../../src/packet/build.ts';
import type { Packet } from '../../src/packet/packet.ts';
import { perform } from '../../src/simulate/perform.ts';
import { emitRaw, routeTo } from '../../src/simulate/stack.ts';
import { World } from '../../src/simulate/world.ts';

const ip = (text: string): Ip => parseIp(text) ?? assert.fail(text);
const prefix = (text: string): Prefix => parsePrefix(text) ?? assert.fail(text);

const hostMac = 0x0200_0000_0001;
const guestMac = 0x0200_0000_0010;

function machine(name: string, mac: number, address: string, peer: string, gateway: string): SceneNode {
  return {
    name,
    kind: 'outside',
    interfaces: [{ name: 'eth0', mac, addresses: [prefix(address)], peer: { node: 'host', name: peer } }],
    bridges: [],
    routes: [{ to: prefix('0.0.0.0/0'), via: ip(gateway), dev: 'eth0' }],
    sysctls: {},
  };
}

/** guest 192.168.50.12 - 192.168.50.1 host 10.0.0.1 - 10.0.0.9 far; 172.16.0.0/16 lies behind far. */
function sceneWith(sysctls: Readonly<Record<string, string>>): Scene {
  const host: SceneNode = {
    name: 'host',
    kind: 'host',
    interfaces: [
      { name: 'in', mac: hostMac, addresses: [prefix('192.168.50.1/24')], peer: { node: 'guest', name: 'eth0' } },
      { name: 'out', mac: 0x0200_0000_0002, addresses: [prefix('10.0.0.1/24')], peer: { node: 'far', name: 'eth0' } },
    ],
    bridges: [],
    routes: [
      { to: prefix('172.16.0.0/16'), via: ip('10.0.0.9'), dev: 'out' },
      { to: prefix('172.16.5.0/24'), via: ip('192.168.50.12'), dev: 'in' },
    ],
    sysctls,
  };
  return {
    nodes: [
      host,
      machine('guest', guestMac, '192.168.50.12/24', 'in', '192.168.50.1'),
      machine('far', 0x0200_0000_0020, '10.0.0.9/24', 'out', '10.0.0.1'),
    ],
  };
}

const open: Ruleset = { backend: 'nft', tables: [] };
const forwarding = { 'net.ipv4.ip_forward': '1' };
const newWorld = (sysctls: Readonly<Record<string, string>> = forwarding) => new World(sceneWith(sysctls), open);

type Ends = { readonly from?: string; readonly to: string; readonly toMac?: number; readonly ttl?: number };

function ping({ from = '192.168.50.12', to, toMac = hostMac, ttl = 64 }: Ends): Packet {
  const ether = { source: guestMac, destination: toMac };
  return echoRequest({ ether, source: ip(from), destination: ip(to), ip: { ttl }, id: 1, sequence: 1 });
}

/** What was sent out of the host, and why something went no further there. */
function outcome(world: World, packet: Packet): readonly string[] {
  emitRaw(world, world.iface('guest', 'eth0'), packet);
  world.runUntil(world.now + 100_000);
  return world.events.flatMap((event) => {
    if (event.kind === 'lost' && event.node === 'host') return [event.reason];
    return event.kind === 'sent' && event.node === 'host' && !event.text.startsWith('ARP')
      ? [`${event.ifname}: ${event.text}`]
      : [];
  });
}

type Row = readonly [what: string, packet: Packet, want: readonly string[], sysctls?: Readonly<Record<string, string>>];

const answered = 'in: 192.168.50.1 -> 192.168.50.12 ICMP echo-reply id 1 seq 1';

const rows: readonly Row[] = [
  ['to the host: answered', ping({ to: '192.168.50.1' }), [answered]],
  [
    "to the host's other address: answered by that one",
    ping({ to: '10.0.0.1' }),
    ['in: 10.0.0.1 -> 192.168.50.12 ICMP echo-reply id 1 seq 1'],
  ],
  [
    'to a machine beyond: routed, and its answer too',
    ping({ to: '10.0.0.9' }),
    [
      'out: 192.168.50.12 -> 10.0.0.9 ICMP echo-request id 1 seq 1',
      'in: 10.0.0.9 -> 192.168.50.12 ICMP echo-reply id 1 seq 1',
    ],
  ],
  ['to a machine beyond, without forwarding', ping({ to: '10.0.0.9' }), ['no-forwarding'], {}],
  ['to the host, without forwarding: answered', ping({ to: '192.168.50.1' }), [answered], {}],
  ['for another MAC', ping({ to: '192.168.50.1', toMac: 0x0200_0000_0099 }), ['other-host']],
  [
    'at the end of its life',
    ping({ to: '10.0.0.9', ttl: 1 }),
    ['ttl-exceeded', 'in: 192.168.50.1 -> 192.168.50.12 ICMP time-exceeded code 0'],
  ],
  ['at the end of its life, but there: answered', ping({ to: '192.168.50.1', ttl: 1 }), [answered]],
  [
    'without a way',
    ping({ to: '203.0.113.9' }),
    ['no-route', 'in: 192.168.50.1 -> 192.168.50.12 ICMP destination-unreachable code 0'],
  ],
  ["from the host's own address", ping({ from: '192.168.50.1', to: '192.168.50.1' }), ['martian-source']],
  ["from the host's other address, to beyond", ping({ from: '10.0.0.1', to: '10.0.0.9' }), ['martian-source']],
  ['from a loopback address', ping({ from: '127.0.0.1', to: '192.168.50.1' }), ['martian-source']],
  ['from a multicast address', ping({ from: '224.0.0.1', to: '192.168.50.1' }), ['martian-source']],
  ['from the broadcast address', ping({ from: '255.255.255.255', to: '192.168.50.1' }), ['martian-source']],
  ['from nobody', ping({ from: '0.0.0.0', to: '192.168.50.1' }), ['martian-source']],
  [
    'from nobody to everybody: heard, not answered',
    ping({ from: '0.0.0.0', to: '255.255.255.255', toMac: broadcastMac }),
    [],
  ],
  ['to everybody: heard, not answered', ping({ to: '255.255.255.255', toMac: broadcastMac }), []],
  ['to everybody in the network: heard, not answered', ping({ to: '192.168.50.255', toMac: broadcastMac }), []],
  ['to one, in a frame to everybody: not routed', ping({ to: '10.0.0.9', toMac: broadcastMac }), ['no-forwarding']],
];

for (const [what, packet, want, sysctls = forwarding] of rows) {
  test(what, () => assert.deepEqual(outcome(newWorld(sysctls), packet), want));
}

test('every reason of the stack occurred', () => {
  const reasons = new Set(rows.flatMap(([, , want]) => want.filter((text) => /^[a-z-]+$/.test(text))));
  assert.deepEqual([...reasons].toSorted(), [
    'martian-source',
    'no-forwarding',
    'no-route',
    'other-host',
    'ttl-exceeded',
  ]);
});

const route = {
  ether: { source: guestMac, destination: hostMac },
  source: ip('192.168.50.12'),
  destination: ip('192.168.50.1'),
};

const answers: readonly (readonly [what: string, packet: Packet, want: readonly string[]])[] = [
  [
    'UDP to a closed port',
    udpDatagram({ ...route, sport: 40_000, dport: 53 }),
    ['in: 192.168.50.1 -> 192.168.50.12 ICMP destination-unreachable code 3'],
  ],
  [
    'SYN to an open port',
    tcpSegment({ ...route, sport: 40_000, dport: 22, flags: ['syn'] }),
    ['in: 192.168.50.1 -> 192.168.50.12 TCP 22 -> 40000 syn,ack'],
  ],
  [
    'SYN to a closed port',
    tcpSegment({ ...route, sport: 40_000, dport: 23, flags: ['syn'] }),
    ['in: 192.168.50.1 -> 192.168.50.12 TCP 23 -> 40000 rst,ack'],
  ],
  [
    'ACK to a closed port',
    tcpSegment({ ...route, sport: 40_000, dport: 23, flags: ['ack'] }),
    ['in: 192.168.50.1 -> 192.168.50.12 TCP 23 -> 40000 rst'],
  ],
  ['RST', tcpSegment({ ...route, sport: 40_000, dport: 23, flags: ['rst'] }), []],
];

for (const [what, packet, want] of answers) {
  test(`${what} is answered${want.length === 0 ? ' by nothing' : ''}`, () => {
    const world = newWorld();
    perform(world, { kind: 'listen', node: 'host', port: 22 });
    assert.deepEqual(outcome(world, packet), want);
  });
}

test('a sender hears of five packets without a way at once, then of one a second', () => {
  const world = newWorld();
  const told = () => outcome(world, ping({ to: '203.0.113.9' })).filter((text) => text.startsWith('in:')).length;
  for (let times = 1; times <= 5; times++) assert.equal(told(), times);
  assert.equal(told(), 5);
  world.runUntil(world.now + 1_000_000);
  assert.equal(told(), 6);
});

const routes: readonly (readonly [to: string, dev: string | undefined, nextHop?: string, source?: string])[] = [
  ['192.168.50.12', 'in', '192.168.50.12', '192.168.50.1'],
  ['10.0.0.9', 'out', '10.0.0.9', '10.0.0.1'],
  ['172.16.9.9', 'out', '10.0.0.9', '10.0.0.1'],
  ['172.16.5.9', 'in', '192.168.50.12', '192.168.50.1'], // the longer prefix
  ['203.0.113.9', undefined],
];

test('the longest prefix is the way', () => {
  const host = newWorld().node('host');
  for (const [to, dev, nextHop, source] of routes) {
    const way = routeTo(host, ip(to));
    assert.equal(way?.iface.name, dev, to);
    assert.deepEqual(
      [way?.nextHop.bits, way?.source?.bits],
      [nextHop, source].map((text) => text && ip(text).bits),
      to,
    );
  }
});

test('the host hears itself: by no cable, and by its rules', () => {
  const world = newWorld();
  assert.equal(
    perform(world, { kind: 'ping', node: 'host', to: ip('10.0.0.1'), ident: 1, sequence: 1 }).outcome,
    'answered',
  );
  assert.deepEqual(
    world.events.filter(({ kind }) => kind === 'sent'),
    [],
  );
});

test('the same scene and the same steps are the same run', () => {
  const runs = [1, 2].map(() => {
    const world = newWorld();
    outcome(world, ping({ to: '10.0.0.9' }));
    return world.events;
  });
  assert.deepEqual(runs[0], runs[1]);
});
