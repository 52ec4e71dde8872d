// What is behind every port follows from the tree of bridges: nobody lists it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import fc from 'fast-check';
import { ruleTable } from '../../src/cli/rule-table.ts';
import { intersectIps, printIpSet, unionIps } from '../../src/model/ip-set.ts';
import type { RuleList } from '../../src/model/rule-list.ts';
import { compiledFrom, factsOf, listOf } from '../support/compiled.ts';
import { hostPlan, textsOf } from '../support/random-hosts.ts';
import { type TopologyName, topologies } from '../support/topologies.ts';
import { assertGolden } from '../yaml/golden.ts';

type Row = readonly [topology: TopologyName, port: string, kind: string, behind: string, near: string];

/** A guest port has its guest behind it; `near` is asked of border ports only, and of the host's bridge devices. */
const rows: readonly Row[] = [
  ['oneBridge', 'vnet0', 'guest', '192.168.122.11', ''],
  ['oneBridge', 'vnet1', 'guest', '192.168.122.12/31', ''],
  ['oneBridge', 'virbr0', 'device', '192.168.122.1,198.51.100.25', '192.168.122.11-192.168.122.13'],

  ['row', 'g1', 'guest', '10.0.0.11', ''],
  ['row', 'l12', 'link', '10.0.0.1,10.0.0.12/31', '10.0.0.11'],
  ['row', 'l21', 'link', '10.0.0.11', '10.0.0.1,10.0.0.12/31'],
  ['row', 'g2', 'guest', '10.0.0.12', ''],
  ['row', 'l23', 'link', '10.0.0.1,10.0.0.13', '10.0.0.11-10.0.0.12'],
  ['row', 'l32', 'link', '10.0.0.11-10.0.0.12', '10.0.0.1,10.0.0.13'],
  ['row', 'g3', 'guest', '10.0.0.13', ''],
  ['row', 'h1', 'host', '10.0.0.1', '10.0.0.11-10.0.0.13'],

  ['star', 'x1', 'link', '10.0.0.11', '10.0.0.1,10.0.0.22,10.0.0.33'],
  ['star', 'x2', 'link', '10.0.0.22', '10.0.0.1,10.0.0.11,10.0.0.33'],
  ['star', 'x3', 'link', '10.0.0.1,10.0.0.33', '10.0.0.11,10.0.0.22'],
  ['star', 'u1', 'link', '10.0.0.1,10.0.0.22,10.0.0.33', '10.0.0.11'],
  ['star', 'g1', 'guest', '10.0.0.11', ''],
  ['star', 'u2', 'link', '10.0.0.1,10.0.0.11,10.0.0.33', '10.0.0.22'],
  ['star', 'g2', 'guest', '10.0.0.22', ''],
  ['star', 'u3', 'link', '10.0.0.11,10.0.0.22', '10.0.0.1,10.0.0.33'],
  ['star', 'g3', 'guest', '10.0.0.33', ''],
  ['star', 'h1', 'host', '10.0.0.1', '10.0.0.11,10.0.0.22,10.0.0.33'],

  // the guests' and the host's own addresses lie in the network outside, but not behind the uplink
  [
    'uplink',
    'eno1',
    'uplink',
    '10.0.0.0-10.0.0.4,10.0.0.6-10.0.0.9,10.0.0.12-10.0.0.255',
    '10.0.0.5,10.0.0.10/31,172.16.0.9',
  ],
  ['uplink', 'tap1', 'guest', '10.0.0.10', ''],
  ['uplink', 'tap2', 'guest', '10.0.0.11', ''],
  ['uplink', 'br0', 'device', '10.0.0.5,172.16.0.9', '10.0.0.0-10.0.0.4,10.0.0.6-10.0.0.255'],

  // nobody has 0.0.0.0; what the host reaches by another card is not behind the uplink
  [
    'anybody',
    'eno1',
    'uplink',
    '1.0.0.0-10.0.0.4,10.0.0.6-10.0.0.9,10.0.0.12-172.16.0.4,172.16.0.6-172.16.0.8,172.16.0.10-255.255.255.255',
    '10.0.0.5,10.0.0.10/31,172.16.0.5,172.16.0.9',
  ],
  ['anybody', 'tap1', 'guest', '10.0.0.10', ''],
  ['anybody', 'tap2', 'guest', '10.0.0.11', ''],
  [
    'anybody',
    'br0',
    'device',
    '10.0.0.5,172.16.0.5,172.16.0.9',
    '1.0.0.0-10.0.0.4,10.0.0.6-172.16.0.4,172.16.0.6-172.16.0.8,172.16.0.10-255.255.255.255',
  ],

  ['routed', 'vnet0', 'guest', '192.168.100.10', ''],
  ['routed', 'virbr0', 'device', '192.168.100.1,192.168.101.10', '192.168.100.10'],
  ['routed', 'vnet1', 'guest', '192.168.101.10', ''],
  ['routed', 'virbr1', 'device', '192.168.100.10,192.168.101.1', '192.168.101.10'],

  ['twoUplinks', 'eno1', 'uplink', '1.0.0.0-10.0.0.9,10.0.0.12-255.255.255.255', '1.0.0.0-255.255.255.255'],
  ['twoUplinks', 'tap1', 'guest', '10.0.0.10', ''],
  [
    'twoUplinks',
    'l01',
    'link',
    '1.0.0.0-10.0.0.9,10.0.0.11-255.255.255.255',
    '1.0.0.0-10.0.0.10,10.0.0.12-255.255.255.255',
  ],
  ['twoUplinks', 'eno2', 'uplink', '1.0.0.0-10.0.0.9,10.0.0.12-255.255.255.255', '1.0.0.0-255.255.255.255'],
  ['twoUplinks', 'tap2', 'guest', '10.0.0.11', ''],
  [
    'twoUplinks',
    'l10',
    'link',
    '1.0.0.0-10.0.0.10,10.0.0.12-255.255.255.255',
    '1.0.0.0-10.0.0.9,10.0.0.11-255.255.255.255',
  ],
];

function rowsOf(topology: TopologyName, { ground }: RuleList): readonly Row[] {
  return ground.bridges.flatMap(({ name, ports, device }): readonly Row[] => [
    ...ports.map((port): Row => {
      return [topology, port.name, port.kind, printIpSet(port.own?.ips ?? port.behind), printIpSet(port.near)];
    }),
    ...(device === undefined
      ? []
      : [[topology, name, 'device', printIpSet(device.behind), printIpSet(device.near)] as const]),
  ]);
}

for (const [name, texts] of Object.entries(topologies) as readonly [TopologyName, (typeof topologies)['row']][]) {
  test(`${name}: what is behind every port, and what is on its own side`, () => {
    assert.deepEqual(
      rowsOf(name, listOf(texts)),
      rows.filter(([topology]) => topology === name),
    );
  });

  test(`${name}: the rules that follow`, () => {
    assertGolden(`${stripVTControlCharacters(ruleTable(listOf(texts)))}\n`, `compile/${name}.txt`);
  });
}

test('behind an uplink are also those with whom only the host speaks there; not those that it reaches by another card', () => {
  const lines = `
allow:
  - { from: nas, to: host, service: ssh }
  - { from: host, to: [store, nas] }
dhcp: none
`;
  const { host, policy } = topologies.uplink;
  const found = rowsOf('uplink', listOf({ host, policy: policy.slice(0, policy.indexOf('allow:')) + lines }));
  assert.deepEqual(
    found.filter(([, port]) => ['eno1', 'br0'].includes(port)),
    [
      ['uplink', 'eno1', 'uplink', '10.0.0.200', '10.0.0.5,10.0.0.10/31'],
      ['uplink', 'br0', 'device', '10.0.0.5', '10.0.0.10/31,10.0.0.200'],
    ],
  );
});

test('every kind of port occurred', () => {
  assert.deepEqual(new Set(rows.map(([, , kind]) => kind)), new Set(['guest', 'link', 'host', 'uplink', 'device']));
});

test('any host: a link has behind it what its other end has on its own side, and both together are all', () => {
  let links = 0;
  let overlapping = 0;
  fc.assert(
    fc.property(hostPlan, (plan) => {
      const facts = factsOf(textsOf(plan));
      const { bridges } = compiledFrom(facts).list.ground;
      const ports = new Map(bridges.flatMap((bridge) => bridge.ports.map((port) => [port.name, port])));
      const beyond = [...ports.values()].filter(({ kind }) => kind === 'uplink' || kind === 'host');
      const waysOut = beyond.length + bridges.filter(({ device }) => device !== undefined).length;
      for (const port of facts.host.bridges.flatMap((bridge) => bridge.ports)) {
        const [here, there] = [ports.get(port.name), ports.get(port.peer ?? '')];
        if (here?.kind !== 'link' || there === undefined) continue;
        assert.deepEqual(here.behind, there.near, `${here.name} leads to ${there.name}`);
        assert.deepEqual(unionIps(here.behind, here.near), unionIps(there.behind, there.near));
        const shared = intersectIps(here.behind, here.near);
        assert.ok(shared.length === 0 || waysOut > 1, `on both sides of ${here.name}: ${printIpSet(shared)}`);
        links++;
        overlapping += Number(shared.length > 0);
      }
    }),
    { seed: 1, numRuns: 200 },
  );
  assert.ok(links > 100 && overlapping > 0, `${links} links, ${overlapping} with the same outside on both sides`);
});

test('any host: no address of a guest or of the host is behind an uplink, and none of a guest behind two guest ports', () => {
  let uplinks = 0;
  fc.assert(
    fc.property(hostPlan, (plan) => {
      const { bridges } = compiledFrom(factsOf(textsOf(plan))).list.ground;
      const ports = bridges.flatMap((bridge) => bridge.ports);
      const guests = ports.flatMap(({ own }) => (own === undefined ? [] : [own.ips]));
      for (const uplink of ports.filter(({ kind }) => kind === 'uplink')) {
        assert.deepEqual(intersectIps(uplink.behind, unionIps(...guests)), []);
        uplinks++;
      }
      for (const [index, ips] of guests.entries()) {
        assert.deepEqual(intersectIps(ips, unionIps(...guests.slice(index + 1))), []);
      }
    }),
    { seed: 2, numRuns: 200 },
  );
  assert.ok(uplinks > 50, `${uplinks}`);
});
