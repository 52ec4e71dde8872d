import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exactly } from '../../src/model/field.ts';
import { type Ip, parseIp } from '../../src/model/ip.ts';
import { ctState, field, lookup, type Match, notField, notLookup, type TcpFlag } from '../../src/model/match.ts';
import type { NamedSet } from '../../src/model/ruleset.ts';
import { ctStates } from '../../src/model/symbols.ts';
import { arpRequest, echoRequest, tcpSegment, udpDatagram } from '../../src/packet/build.ts';
import type { Packet } from '../../src/packet/packet.ts';
import { matches, prepareSet } from '../../src/simulate/matches.ts';
import type { BridgeInfo, View } from '../../src/simulate/view.ts';

const ip = (text: string): Ip => parseIp(text) ?? assert.fail(text);
const ether = { source: 0x5254_0000_0012, destination: 0x5254_0000_0013 };
const route = { ether, source: ip('192.168.50.12'), destination: ip('192.168.50.13') };
const ping = echoRequest({ ...route, id: 1, sequence: 1 });

const sets: ReadonlyMap<string, ReturnType<typeof prepareSet>> = new Map(
  [
    set('addresses', ['ipv4_addr'], [[exactly(ip('192.168.50.12').bits)]]),
    set('ports', ['ifname', 'ipv4_addr'], [['vk42', exactly(ip('192.168.50.12').bits)]]),
    set(
      'nets',
      ['ifname', 'ipv4_addr'],
      [['vk*', { first: ip('192.168.50.0').bits, last: ip('192.168.50.255').bits }]],
    ),
    set('senders', ['ipv4_addr'], [[exactly(ip('192.168.50.12').bits)]]),
    set('nobody', ['ipv4_addr'], []),
  ].map((one) => [one.name, prepareSet(one)]),
);

function set(name: string, types: NamedSet['types'], elements: NamedSet['elements']): NamedSet {
  return { name, types, interval: true, elements };
}

function holds(match: Match, view: Partial<View> = {}): boolean {
  const whole: View = { packet: ping, ctState: 'new', mark: 0, ...view };
  return matches(match, whole, { sets, takeToken: () => false });
}

/** What a packet knows of its bridge: in bridged FORWARD, where it came in only, not at all. */
const columns: readonly (readonly [column: string, info: BridgeInfo | undefined])[] = [
  ['both', { physin: 'vk63', physout: 'vethb2' }],
  ['in only', { physin: 'vk63' }],
  ['none', undefined],
];

type PhysdevRow = readonly [option: string, match: Match, both: boolean, inOnly: boolean, none: boolean];

const physdev = (end: 'in' | 'out', name: string, negated = false): Match => ({ kind: 'physdev', end, negated, name });
const is = (what: 'in' | 'out' | 'bridged', negated = false): Match => ({ kind: 'physdev-is', what, negated });

/** net/netfilter/xt_physdev.c, all cells: a negated test is no complement of the positive one. */
const physdevRows: readonly PhysdevRow[] = [
  ['--physdev-in vk63', physdev('in', 'vk63'), true, true, false],
  ['! --physdev-in vk63', physdev('in', 'vk63', true), false, false, true],
  ['--physdev-in vk64', physdev('in', 'vk64'), false, false, false],
  ['! --physdev-in vk64', physdev('in', 'vk64', true), true, true, true],
  ['--physdev-in vk+', physdev('in', 'vk*'), true, true, false],
  ['! --physdev-in vk+', physdev('in', 'vk*', true), false, false, true],
  ['--physdev-out vethb2', physdev('out', 'vethb2'), true, false, false],
  ['! --physdev-out vethb2', physdev('out', 'vethb2', true), false, false, true],
  ['--physdev-out vk64', physdev('out', 'vk64'), false, false, false],
  ['! --physdev-out vk64', physdev('out', 'vk64', true), true, false, true],
  ['--physdev-out veth+', physdev('out', 'veth*'), true, false, false],
  ['! --physdev-out veth+', physdev('out', 'veth*', true), false, false, true],
  ['--physdev-is-in', is('in'), true, true, false],
  ['! --physdev-is-in', is('in', true), false, false, true],
  ['--physdev-is-out', is('out'), true, false, false],
  ['! --physdev-is-out', is('out', true), false, true, true],
  ['--physdev-is-bridged', is('bridged'), true, false, false],
  ['! --physdev-is-bridged', is('bridged', true), false, true, true],
];

for (const [column, { bridgeInfo }] of columns.map(
  ([name, info]) => [name, info === undefined ? {} : { bridgeInfo: info }] as const,
)) {
  test(`physdev, ${column}`, () => {
    for (const [option, match, both, inOnly, none] of physdevRows) {
      const want = { both, 'in only': inOnly, none }[column];
      assert.equal(holds(match, bridgeInfo === undefined ? {} : { bridgeInfo }), want, option);
    }
  });
}

test('the rows of physdev ask every option in both polarities', () => {
  const options = physdevRows.map(([option]) => option.replace(/ v.*/, ''));
  assert.equal(new Set(options).size, 10);
});

test('bridge information without an input port: the test of the input is skipped', () => {
  const bridgeInfo = { physout: 'vk63' };
  assert.deepEqual(
    [holds(physdev('in', 'vk63'), { bridgeInfo }), holds(physdev('in', 'vk63', true), { bridgeInfo })],
    [true, true],
  );
});

const tcp = (flags: readonly TcpFlag[]): Packet => tcpSegment({ ...route, sport: 40_000, dport: 80, flags });
const dns = udpDatagram({ ...route, sport: 40_000, dport: 53 });
const question = arpRequest({ ether, source: ip('192.168.50.12'), destination: ip('192.168.50.13') });

const tcpProtocol = exactly(6);

const rows: readonly (readonly [holds: boolean, what: string, match: Match, view?: Partial<View>])[] = [
  [true, 'ip saddr 192.168.50.12', field('ip saddr', exactly(ip('192.168.50.12').bits))],
  [false, 'ip saddr != 192.168.50.12', notField('ip saddr', exactly(ip('192.168.50.12').bits))],
  [true, 'one of several values', field('ip saddr', exactly(1), exactly(ip('192.168.50.12').bits))],
  [false, 'none of several values', notField('ip saddr', exactly(1), exactly(ip('192.168.50.12').bits))],
  [true, 'iifname "vk63"', field('iifname', 'vk63'), { iif: 'vk63' }],
  [true, 'iifname "vk*"', field('iifname', 'vk*'), { iif: 'vk63' }],
  [false, 'an interface that is not there has an empty name', field('iifname', 'vk63'), {}],
  [true, '... which is another name', notField('iifname', 'vk63'), {}],
  [true, 'ether saddr', field('ether saddr', exactly(ether.source))],
  [true, 'ether type ip', field('ether type', exactly(0x0800))],
  [true, 'ether type arp', field('ether type', exactly(0x0806)), { packet: question }],
  [true, 'arp operation request', field('arp operation', exactly(1)), { packet: question }],
  [true, 'arp saddr ip', field('arp saddr ip', exactly(ip('192.168.50.12').bits)), { packet: question }],
  // what lacks the field does not match, negated or not
  [false, 'ip saddr of ARP', field('ip saddr', exactly(ip('192.168.50.12').bits)), { packet: question }],
  [false, 'ip saddr != of ARP', notField('ip saddr', exactly(1)), { packet: question }],
  [false, 'arp operation of IP', notField('arp operation', exactly(1))],
  [false, 'th dport of ICMP', field('th dport', { first: 0n, last: 65_535n })],
  [false, 'th dport != of ICMP', notField('th dport', exactly(80))],
  [false, 'icmp type of TCP', field('icmp type', { first: 0n, last: 255n }), { packet: tcp(['syn']) }],
  [false, 'ip6 saddr of IPv4', notField('ip6 saddr', exactly(1))],
  [true, 'meta l4proto icmp', field('meta l4proto', exactly(1))],
  [true, 'meta l4proto != tcp', notField('meta l4proto', tcpProtocol), { packet: dns }],
  [true, 'th dport 53', field('th dport', exactly(53)), { packet: dns }],
  [true, 'icmp type echo-request', field('icmp type', exactly(8))],
  [true, 'meta mark 0', field('meta mark', exactly(0))],
  [true, 'ip saddr @addresses', lookup('addresses', 'ip saddr')],
  [false, 'ip saddr != @addresses', notLookup('addresses', 'ip saddr')],
  [false, 'ip daddr @addresses', lookup('addresses', 'ip daddr')],
  [true, 'ip daddr != @addresses', notLookup('addresses', 'ip daddr')],
  [false, 'nobody is in an empty set', lookup('nobody', 'ip saddr')],
  [true, 'iifname . ip saddr @ports', lookup('ports', 'iifname', 'ip saddr'), { iif: 'vk42' }],
  [false, 'the other port', lookup('ports', 'iifname', 'ip saddr'), { iif: 'vk63' }],
  [true, 'a pattern and a range', lookup('nets', 'iifname', 'ip saddr'), { iif: 'vk63' }],
  [false, 'a part of a key is missing', lookup('ports', 'iifname', 'ip saddr'), { iif: 'vk42', packet: question }],
  [false, '... negated too', notLookup('ports', 'iifname', 'ip saddr'), { iif: 'vk42', packet: question }],
  [true, 'tcp flags & (fin|syn|rst|ack) == syn', synOnly(false), { packet: tcp(['syn']) }],
  [true, '... whatever the others are', synOnly(false), { packet: tcp(['syn', 'ecn', 'cwr']) }],
  [false, '... SYN and ACK', synOnly(false), { packet: tcp(['syn', 'ack']) }],
  [false, '... no flags', synOnly(false), { packet: tcp([]) }],
  [true, '! ..., SYN and ACK', synOnly(true), { packet: tcp(['syn', 'ack']) }],
  [false, '... of UDP', synOnly(false), { packet: dns }],
  [false, '! ... of UDP', synOnly(true), { packet: dns }],
];

function synOnly(negated: boolean): Match {
  return { kind: 'tcp-flags', negated, mask: ['fin', 'syn', 'rst', 'ack'], flags: ['syn'] };
}

test('conditions and packets', () => {
  for (const [want, what, match, view] of rows) assert.equal(holds(match, view), want, what);
  assert.deepEqual(new Set(rows.map(([want]) => want)), new Set([true, false]));
});

test('every state of a connection is itself and no other', () => {
  for (const state of ctStates) {
    for (const actual of ctStates) {
      assert.equal(holds(ctState(state), { ctState: actual }), state === actual);
      assert.equal(holds({ ...ctState(state), negated: true }, { ctState: actual }), state !== actual);
    }
  }
  assert.ok(holds(ctState('established', 'related'), { ctState: 'related' }));
});

test('a limit asks for a token', () => {
  const limit = { kind: 'limit', packets: 20, per: 'second', burst: 100 } as const;
  const view: View = { packet: ping, ctState: 'new', mark: 0 };
  for (const token of [true, false]) assert.equal(matches(limit, view, { sets, takeToken: () => token }), token);
});

test('what is only carried cannot be decided', () => {
  assert.throws(() => holds({ kind: 'opaque', text: 'ip ttl 64' }), /ip ttl 64/);
});
