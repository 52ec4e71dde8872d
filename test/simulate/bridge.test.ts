// One frame and what becomes of it on real shapes of bridges: who gets it, in which order, what the bridge learns.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Ip, parseIp } from '../../src/model/ip.ts';
import { broadcastMac, type Mac } from '../../src/model/mac.ts';
import { field } from '../../src/model/match.ts';
import { drop, type HookName, type Ruleset, type TableFamily } from '../../src/model/ruleset.ts';
import { echoRequest } from '../../src/packet/build.ts';
import type { Packet } from '../../src/packet/packet.ts';
import { emitRaw } from '../../src/simulate/stack.ts';
import { World } from '../../src/simulate/world.ts';
import { guestAddress, guestMac, guestName, linkedBridges } from '../lab/scenes.ts';

const open: Ruleset = { backend: 'nft', tables: [] };

/** Drops what comes in by this port, at this hook. */
function closedAt(family: TableFamily, hook: HookName, iif: string): Ruleset {
  const rules = [{ body: [field('iifname', iif), drop] }];
  const chain = { name: 'closed', base: { type: 'filter', hook, priority: 0, policy: 'accept' }, rules } as const;
  return { backend: 'nft', tables: [{ family, name: 'closed', sets: [], maps: [], chains: [chain] }] };
}

const ip = (text: string): Ip => parseIp(text) ?? assert.fail(text);

/** To an address that nobody has, so that nobody answers. */
function frame(source: Mac, destination: Mac): Packet {
  const route = { ether: { source, destination }, source: ip(guestAddress(0)), destination: ip('192.168.50.250') };
  return echoRequest({ ...route, id: 1, sequence: 1 });
}

/** Guests 0 and 2 are on bridge 0, guests 1 and 3 on bridge 1; `l0a` and `l0b` link them. */
function newWorld(ruleset = open, bridges = 2, guests = 4): World {
  return new World(linkedBridges(bridges, guests), ruleset);
}

/** Lets a guest send, and gives the interfaces that the frame was sent out of, in order. */
function send(world: World, guest: number, packet: Packet): readonly string[] {
  const before = world.events.length;
  emitRaw(world, world.iface(guestName(guest), 'eth0'), packet);
  world.runUntil(world.now + 1_000);
  return world.events
    .slice(before)
    .flatMap((event) => (event.kind === 'sent' && event.node === 'host' ? [event.ifname] : []));
}

function portOf(world: World, bridge: string, mac: Mac): string | undefined {
  return world.node('host').bridges.get(bridge)?.fdb.get(mac)?.port.name;
}

test('a broadcast leaves by every other port, the last one enslaved first, and then by the next bridge', () => {
  const world = newWorld(open, 2, 6);
  // enslaved: l0a, vk0, vk2, vk4 on bridge 0; l0b, vk1, vk3, vk5 on bridge 1
  assert.deepEqual(send(world, 0, frame(guestMac(0), broadcastMac)), ['vk4', 'vk2', 'l0a', 'vk5', 'vk3', 'vk1']);
});

test('a bridge has done with all of its ports and with the host before the next bridge begins', () => {
  const world = newWorld();
  emitRaw(world, world.iface(guestName(0), 'eth0'), frame(guestMac(0), broadcastMac));
  world.runUntil(1_000);
  const order = world.events.flatMap((event) => {
    if (event.kind === 'received' && event.node === 'host') return [`host by ${event.ifname}`];
    return event.kind === 'sent' && event.node === 'host' ? [event.ifname] : [];
  });
  assert.deepEqual(order, ['vk2', 'l0a', 'host by tbr0', 'vk3', 'vk1', 'host by tbr1']);
});

test('an unknown destination is flooded, a known one gets its frame alone', () => {
  const world = newWorld();
  assert.deepEqual(send(world, 0, frame(guestMac(0), guestMac(1))), ['vk2', 'l0a', 'vk3', 'vk1']);
  assert.deepEqual(send(world, 1, frame(guestMac(1), guestMac(0))), ['l0b', 'vk0']);
  assert.deepEqual(send(world, 0, frame(guestMac(0), guestMac(1))), ['l0a', 'vk1']);
});

test('the bridge learns from every frame: a guest that moved is found at its new port', () => {
  const world = newWorld();
  send(world, 1, frame(guestMac(1), broadcastMac));
  assert.deepEqual([portOf(world, 'tbr0', guestMac(1)), portOf(world, 'tbr1', guestMac(1))], ['l0a', 'vk1']);
  send(world, 2, frame(guestMac(1), broadcastMac));
  assert.deepEqual([portOf(world, 'tbr0', guestMac(1)), portOf(world, 'tbr1', guestMac(1))], ['vk2', 'l0b']);
});

/** What dropped the one frame that kali3 sends with the MAC of another guest, and whose the entry is then. */
const thefts: readonly (readonly [what: string, ruleset: Ruleset, entry: string])[] = [
  ['nothing', open, 'vk0'],
  ['bridge forward', closedAt('bridge', 'forward', 'vk0'), 'vk0'],
  ['ip forward, as iptables has it', closedAt('ip', 'forward', 'tbr0'), 'vk0'],
  ['bridge prerouting', closedAt('bridge', 'prerouting', 'vk0'), 'vk2'],
  ['ip prerouting, as iptables raw has it', closedAt('ip', 'prerouting', 'tbr0'), 'vk2'],
];

for (const [what, ruleset, entry] of thefts) {
  test(`learning comes before FORWARD and after PREROUTING: dropped by ${what}, the entry is ${entry === 'vk0' ? 'stolen' : 'kept'}`, () => {
    const world = newWorld(ruleset);
    const victim = world.node('host').bridges.get('tbr0');
    victim?.fdb.set(guestMac(2), { port: world.iface('host', 'vk2'), learned: 0 });
    send(world, 0, frame(guestMac(2), guestMac(1)));
    assert.equal(portOf(world, 'tbr0', guestMac(2)), entry);
  });
}

test('an entry that was not renewed for 300 s is gone', () => {
  const world = newWorld();
  send(world, 2, frame(guestMac(2), broadcastMac));
  world.runUntil(299_000_000);
  assert.deepEqual(send(world, 0, frame(guestMac(0), guestMac(2))), ['vk2']);
  world.runUntil(301_000_000);
  assert.deepEqual(send(world, 0, frame(guestMac(0), guestMac(2))), ['vk2', 'l0a', 'vk3', 'vk1']);
});

const lost: readonly (readonly [what: string, packet: Packet, reason: string])[] = [
  ['01:80:c2:00:00:00, spanning tree', frame(guestMac(0), 0x0180_c200_0000), 'link-local'],
  ['01:80:c2:00:00:03, EAPOL', frame(guestMac(0), 0x0180_c200_0003), 'link-local'],
  ['01:80:c2:00:00:0e, LLDP', frame(guestMac(0), 0x0180_c200_000e), 'link-local'],
  ['01:80:c2:00:00:0f, the last of them', frame(guestMac(0), 0x0180_c200_000f), 'link-local'],
  ['a group address as sender', frame(0x0100_5e00_0001, guestMac(1)), 'group-source'],
  ['the broadcast address as sender', frame(broadcastMac, guestMac(1)), 'group-source'],
  ['to a guest behind the same port: no hairpin', frame(guestMac(0), 0x0200_0000_0999), 'same-port'],
];

for (const [what, packet, reason] of lost) {
  test(`not forwarded: ${what}`, () => {
    const world = newWorld();
    const bridge = world.node('host').bridges.get('tbr0');
    bridge?.fdb.set(0x0200_0000_0999, { port: world.iface('host', 'vk0'), learned: 0 });
    assert.deepEqual(send(world, 0, packet), []);
    const reasons = world.events.flatMap((event) => (event.kind === 'lost' ? [event.reason] : []));
    assert.deepEqual(reasons, [reason]);
  });
}

test('01:80:c2:00:00:10 is a group like others', () => {
  assert.deepEqual(send(newWorld(), 0, frame(guestMac(0), 0x0180_c200_0010)), ['vk2', 'l0a', 'vk3', 'vk1']);
});

test('the MACs of the bridge and of its ports lead to the host, and nobody can take them', () => {
  const world = newWorld();
  for (const own of ['tbr0', 'vk0', 'l0a']) {
    const { mac } = world.iface('host', own);
    send(world, 2, frame(mac, guestMac(1)));
    assert.equal(portOf(world, 'tbr0', mac), undefined, own);
    assert.deepEqual(send(world, 0, frame(guestMac(0), mac)), [], own);
  }
});

test('what is malformed is lost before any rule sees it', () => {
  const world = newWorld(closedAt('ip', 'prerouting', 'tbr0'));
  const broken: Packet = {
    ether: { source: guestMac(0), destination: broadcastMac, type: 0x0800 },
    payload: { kind: 'bytes', bytes: Uint8Array.of(0x45, 0) },
  };
  assert.deepEqual(send(world, 0, broken), []);
  assert.deepEqual(
    world.events.flatMap((event) =>
      event.kind === 'lost' ? [event.reason] : event.kind === 'hook' ? [event.hook] : [],
    ),
    ['malformed'],
  );
});

/** The way that an ip hook saw of a ping from guest 0 to the host, with br_netfilter's switch on or off. */
const switched: readonly (readonly [call: string, hook: HookName, seen: string])[] = [
  ['1', 'prerouting', 'tbr0 by vk0'],
  ['1', 'input', 'tbr0 by vk0'],
  ['0', 'prerouting', 'tbr0 by no port'],
  ['0', 'input', 'tbr0 by no port'],
];

test('without br_netfilter the host is asked all the same, but of no port', () => {
  for (const [call, hook, seen] of switched) {
    const scene = linkedBridges(1, 2, { 'net.bridge.bridge-nf-call-iptables': call });
    const world = new World(scene, closedAt('ip', hook, 'tbr0'));
    const { mac } = world.iface('host', 'tbr0');
    const route = { ether: { source: guestMac(0), destination: mac }, source: ip(guestAddress(0)) };
    send(world, 0, echoRequest({ ...route, destination: ip('192.168.50.1'), id: 1, sequence: 1 }));
    const visits = world.events.flatMap((event) => (event.kind === 'hook' ? [event] : []));
    const ways = visits.map(({ iif, physin }) => `${iif} by ${physin ?? 'no port'}`);
    assert.deepEqual(ways, [seen], `call-iptables ${call}, ${hook}`);
  }
});

test('without br_netfilter bridged frames see no ip hook', () => {
  for (const [call, ports] of [
    ['1', []],
    ['0', ['vk1']],
  ] as const) {
    const scene = linkedBridges(1, 2, { 'net.bridge.bridge-nf-call-iptables': call });
    const world = new World(scene, closedAt('ip', 'forward', 'tbr0'));
    assert.deepEqual(send(world, 0, frame(guestMac(0), guestMac(1))), ports, `call-iptables ${call}`);
  }
});

test('the host sends to who is known by one port, and to everybody by all', () => {
  const world = newWorld();
  send(world, 2, frame(guestMac(2), broadcastMac));
  const bridge = world.iface('host', 'tbr0');
  const out = (destination: Mac) => {
    const before = world.events.length;
    emitRaw(world, bridge, frame(bridge.mac, destination));
    return world.events.slice(before).flatMap((event) => (event.kind === 'sent' ? [event.ifname] : []));
  };
  assert.deepEqual(out(guestMac(2)), ['vk2']);
  assert.deepEqual(out(broadcastMac), ['vk2', 'vk0', 'l0a']);
  assert.deepEqual(out(0x0200_0000_0998), ['vk2', 'vk0', 'l0a']);
});
