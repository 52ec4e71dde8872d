// Only the devices that something happened to are asked: what is known then is what a reading of all of them says.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ChangedFacts, changedFacts } from '../../src/topology/changed-facts.ts';
import type { IpDevice } from '../../src/topology/ip-json.ts';
import type { LiveFacts } from '../../src/topology/live.ts';

function tap(ifindex: number, ifname: string, more: Partial<IpDevice> = {}): IpDevice {
  return { ifindex, ifname, linkinfo: { info_kind: 'tun' }, addr_info: [], ...more };
}

const bridge = tap(2, 'br0', { linkinfo: { info_kind: 'bridge' } });
const known: readonly IpDevice[] = [
  bridge,
  tap(3, 'a', { master: 'br0' }),
  tap(4, 'b'),
  tap(5, 'b.7', { link: 'b', linkinfo: { info_kind: 'vlan' } }),
  tap(6, 'v', { link: 'w', linkinfo: { info_kind: 'veth' } }),
  tap(7, 'w', { link: 'v', linkinfo: { info_kind: 'veth' } }),
  tap(8, 'c', { link_index: 2, link_netnsid: 0, linkinfo: { info_kind: 'veth' } }),
];

const rest: Omit<ChangedFacts, 'devices'> = { routes: [], namespaces: [], sysctls: {} };
const facts: LiveFacts = { ...rest, links: known.map(({ addr_info: _none, ...link }) => link), addresses: [] };

const rows: readonly (readonly [what: string, names: string, devices: readonly IpDevice[], isEnough: boolean])[] = [
  ['nothing', '', [], true],
  ['a tap goes', 'a', [], true],
  ['a tap comes', 'd', [tap(9, 'd', { master: 'br0' })], true],
  ['another one has its name', 'a', [tap(9, 'a')], true],
  ['it joins a bridge, which says so too', 'b br0', [tap(4, 'b', { master: 'br0' }), bridge], true],
  ['a tap has got the name of another one', 'a d', [tap(3, 'd')], false],
  ['it has, and nobody told of the old name', 'd', [tap(3, 'd')], false],
  ['two have changed their names', 'a b', [tap(3, 'b'), tap(4, 'a')], false],
  ['what a vlan is on goes', 'b', [], false],
  ['what a vlan is on is another device', 'b', [tap(9, 'b')], false],
  ['the vlan goes', 'b.7', [], false],
  ['a bridge goes', 'br0', [], false],
  ['a bridge comes', 'br1', [tap(9, 'br1', { linkinfo: { info_kind: 'bridge' } })], false],
  ['a bridge is another one', 'br0', [{ ...bridge, ifindex: 9 }], false],
  ['a bridge has another card', 'br0', [{ ...bridge, address: '52:54:00:00:00:01' }], true],
  ['an end of a cable goes elsewhere', 'v', [], false],
  ['what leads to another namespace goes', 'c', [], true],
  [
    'what leads to another namespace leads here',
    'c',
    [tap(8, 'c', { link: 'w', linkinfo: { info_kind: 'veth' } })],
    false,
  ],
  ['an answer that nobody asked for', 'a', [tap(9, 'd')], false],
];

for (const [what, names, devices, isEnough] of rows) {
  test(`${what}: ${isEnough ? 'that is all that is to be asked' : 'all have to be asked'}`, () => {
    const asked = new Set(names === '' ? [] : names.split(' '));
    const now = changedFacts(facts, asked, { ...rest, devices });
    assert.equal(now !== undefined, isEnough);
    if (now === undefined) return;
    const left = known.filter(({ ifname }) => !asked.has(ifname)).map(({ ifname }) => ifname);
    const wanted = [...left, ...devices.map(({ ifname }) => ifname)];
    assert.deepEqual(now.links.map(({ ifname }) => ifname).toSorted(), wanted.toSorted());
  });
}
