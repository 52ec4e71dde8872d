// Whom a machine believes: the neighbour cache of guest 0, and what others tell it about guest 1.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Ip, parseIp } from '../../src/model/ip.ts';
import { type Mac, printMac } from '../../src/model/mac.ts';
import type { Ruleset } from '../../src/model/ruleset.ts';
import { arpReply, arpRequest } from '../../src/packet/build.ts';
import type { Packet } from '../../src/packet/packet.ts';
import { resolve } from '../../src/simulate/neighbour.ts';
import { perform } from '../../src/simulate/perform.ts';
import { emitRaw } from '../../src/simulate/stack.ts';
import { World } from '../../src/simulate/world.ts';
import { guestAddress, guestMac, guestName, linkedBridges } from '../lab/scenes.ts';

const open: Ruleset = { backend: 'nft', tables: [] };
const ip = (text: string): Ip => parseIp(text) ?? assert.fail(text);
const [victim, other, liar] = [0, 1, 2];
const [victimIp, otherIp] = [victim, other].map((index) => ip(guestAddress(index))) as [Ip, Ip];

const newWorld = (sysctls = {}) => new World(linkedBridges(1, 3, sysctls), open);

function ping(world: World, from = victim, to = otherIp): string {
  return perform(world, { kind: 'ping', node: guestName(from), to, ident: 1, sequence: 1 }).outcome;
}

function tell(world: World, packet: Packet, from = liar): void {
  emitRaw(world, world.iface(guestName(from), 'eth0'), packet);
  world.runUntil(world.now + 1_000);
}

function believed(world: World, about = otherIp, node = guestName(victim), ifname = 'eth0'): string {
  return perform(world, { kind: 'neighbour', node, ifname, ip: about }).outcome;
}

const mac = (index: number): Mac => guestMac(index);
const truth = printMac(mac(other));
const lie = printMac(mac(liar));

const reply = arpReply({
  ether: { source: mac(liar), destination: mac(victim) },
  source: otherIp,
  destination: victimIp,
});
const question = arpRequest({ ether: { source: mac(liar) }, source: otherIp, destination: victimIp });
const gratuitous = arpRequest({ ether: { source: mac(liar) }, source: otherIp, destination: otherIp });
const probe = arpRequest({ ether: { source: mac(liar) }, source: ip('0.0.0.0'), destination: victimIp });

/** `met`: seconds since guest 0 and guest 1 have spoken; undefined when they never did. */
const rows: readonly (readonly [what: string, met: number | undefined, told: Packet, believed: string])[] = [
  ['a reply that nobody asked for, about somebody unknown', undefined, reply, 'none'],
  ['gratuitous, about somebody unknown', undefined, gratuitous, 'none'],
  ['a question for us makes an entry', undefined, question, lie],
  ['a question without a sender does not', undefined, probe, 'none'],
  ['a reply within the lock time of a second', 0.9, reply, truth],
  ['a reply behind it', 1.1, reply, lie],
  ['a question at once: it is for us', 0.1, question, lie],
  ['gratuitous at once: it is no unsolicited reply', 0.1, gratuitous, lie],
];

for (const [what, met, told, want] of rows) {
  test(`${what}: ${want === lie ? 'believed' : 'not believed'}`, () => {
    const world = newWorld();
    if (met !== undefined) {
      assert.equal(ping(world), 'answered');
      assert.equal(believed(world), truth);
      const entry = [...world.node(guestName(victim)).neighbours.values()][0];
      world.runUntil((entry?.updated ?? 0) + met * 1_000_000);
    }
    tell(world, told);
    assert.equal(believed(world), want);
  });
}

test('both outcomes occurred', () => {
  assert.deepEqual(new Set(rows.map(([, , , want]) => want)), new Set(['none', truth, lie]));
});

test('a lie locks the cache against the next message too, the true one included', () => {
  const world = newWorld();
  ping(world);
  world.runUntil(world.now + 1_100_000);
  tell(world, reply);
  const honest = arpReply({
    ether: { source: mac(other), destination: mac(victim) },
    source: otherIp,
    destination: victimIp,
  });
  tell(world, honest, other);
  assert.equal(believed(world), lie);
  world.runUntil(world.now + 1_100_000);
  tell(world, honest, other);
  assert.equal(believed(world), truth);
});

test('a permanent entry believes nobody', () => {
  const world = newWorld();
  const entry = { mac: mac(other), updated: 0, tries: 0, waiting: [], permanent: true };
  world.node(guestName(victim)).neighbours.set(`eth0 ${guestAddress(other)}`, entry);
  world.runUntil(5_000_000);
  for (const told of [reply, question, gratuitous]) tell(world, told);
  assert.equal(believed(world), truth);
});

test('who is asked is asked three times, a second apart; then everything that waits is lost', () => {
  const world = newWorld();
  const nobody = ip('192.168.50.99');
  for (let times = 0; times < 2; times++) assert.equal(ping(world, victim, nobody), 'silent');
  world.runUntil(10_000_000);
  const sent = world.events.filter((event) => event.kind === 'sent' && event.node === guestName(victim));
  assert.deepEqual(
    sent.map((event) => event.at),
    [0, 1_000_000, 2_000_000],
  );
  const lost = world.events.flatMap((event) =>
    event.kind === 'lost' && event.reason === 'no-neighbour' ? [event.at] : [],
  );
  assert.deepEqual(lost, [3_000_000, 3_000_000]);
  assert.equal(believed(world, nobody), 'none');
});

test('an answer lets go what waits for it', () => {
  const world = newWorld();
  assert.equal(ping(world), 'answered');
  assert.equal(believed(world), truth);
  assert.equal(
    believed(world, victimIp, guestName(other)),
    printMac(mac(victim)),
    'the one that was asked knows the other',
  );
});

/** A host with 192.168.50.1 on tbr0 and 192.168.51.1 on tbr1: by which bridge device does it answer for the first? */
const flux: readonly (readonly [ignore: string | undefined, answers: boolean])[] = [
  [undefined, true],
  ['0', true],
  ['1', false],
];

for (const [ignore, answers] of flux) {
  test(`arp_ignore ${ignore ?? 'not set'}: the host ${answers ? 'answers' : 'does not answer'} for the address of another interface`, () => {
    const scene = linkedBridges(2, 2);
    const [host, ...guests] = scene.nodes;
    assert.ok(host);
    // without the cable between them the two bridges are two networks
    const interfaces = host.interfaces.filter(({ name }) => !name.startsWith('l'));
    const sysctls = ignore === undefined ? {} : { 'net.ipv4.conf.all.arp_ignore': ignore };
    const world = new World({ nodes: [{ ...host, interfaces, sysctls }, ...guests] }, open);
    const asked = arpRequest({ ether: { source: mac(1) }, source: otherIp, destination: ip('192.168.50.1') });
    const before = world.events.length;
    tell(world, asked, 1);
    const replies = world.events.slice(before).filter((event) => event.kind === 'sent' && event.node === 'host');
    assert.equal(replies.length > 0, answers);
  });
}

const announcements: readonly (readonly [announce: string | undefined, sender: string])[] = [
  [undefined, '10.9.9.1'],
  ['0', '10.9.9.1'],
  ['2', '192.168.50.1'],
];

for (const [announce, sender] of announcements) {
  test(`arp_announce ${announce ?? 'not set'}: a packet from another own address is asked for as ${sender}`, () => {
    const [host, ...guests] = linkedBridges(1, 1).nodes;
    assert.ok(host);
    const spare = { name: 'spare', mac: 0x0200_0000_0777, addresses: [{ ...ip('10.9.9.1'), length: 24 }] };
    const sysctls = announce === undefined ? {} : { 'net.ipv4.conf.all.arp_announce': announce };
    const world = new World(
      { nodes: [{ ...host, interfaces: [...host.interfaces, spare], sysctls }, ...guests] },
      open,
    );
    resolve(
      world,
      world.iface('host', 'tbr0'),
      victimIp,
      ip('10.9.9.1'),
      () => {},
      () => {},
    );
    const [first] = world.events.flatMap((event) => (event.kind === 'sent' ? [event.text] : []));
    assert.match(first ?? '', new RegExp(`^ARP request who-has ${guestAddress(0)} tell ${sender} `));
  });
}
