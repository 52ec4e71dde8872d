// What a policy leaves to the host: ports by MAC, and addresses by whom it believes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bindGuests } from '../../src/compile/ground.ts';
import { settlePolicy } from '../../src/compile/settle.ts';
import { printIpSet } from '../../src/model/ip-set.ts';
import { parsePolicy } from '../../src/policy/parse-policy.ts';
import { parseHost } from '../../src/topology/host-file.ts';

const host = `
host: h
bridges:
  br0:
    ports:
      vnet0: { guest: web, mac: 52:54:00:00:00:01 }
      vnet1: { guest: two, mac: 52:54:00:00:00:02 }
      vnet2: { guest: two, mac: 52:54:00:00:00:03 }
      vnet3: { mac: 52:54:00:00:00:04 }
      vnet4: { guest: db, mac: 52:54:00:00:00:05 }
      vnet5: { mac: 52:54:00:00:00:09 }
      vnet6: { mac: 52:54:00:00:00:09 }
interfaces:
  br0: { addresses: [10.0.0.1/24] }
guests:
  web: { running: true, cards: [{ mac: 52:54:00:00:00:01, reservation: 10.0.0.10, filter: 10.0.0.11, agent: [10.0.0.12, 10.0.0.13] }] }
  two: { cards: [{ mac: 52:54:00:00:00:02, filter: 10.0.0.22 }, { mac: 52:54:00:00:00:03, filter: 10.0.0.23 }] }
  db: { cards: [{ mac: 52:54:00:00:00:05, agent: 10.0.0.12 }] }
  liar: { cards: [{ mac: 52:54:00:00:00:06, agent: 10.0.0.1 }] }
`;

/** Each guest as `name port addresses`, and the codes of what is said. */
const rows: readonly (readonly [policy: string, guests: string, codes: string])[] = [
  // nobody is believed unless the policy says so
  ['guests: { web: { ip: 10.0.0.9 } }', 'web - 10.0.0.9', ''],
  ['guests: { web: { addresses-from: reservation } }', 'web - 10.0.0.10', ''],
  ['guests: { web: { addresses-from: [reservation, filter] } }', 'web - 10.0.0.10/31', ''],
  ['guests: { web: { addresses-from: agent } }', 'web - 10.0.0.12/31', ''],
  ['guests: { web: { ip: 10.0.0.9, addresses-from: reservation } }', 'web - 10.0.0.9-10.0.0.10', ''],
  ['guests: { db: { addresses-from: reservation } }', 'db - ', 'no-address'],
  ['guests: { nobody: { addresses-from: agent } }', 'nobody - ', 'no-address'],
  // what belongs to somebody else
  ['guests: { liar: { addresses-from: agent } }', 'liar - ', 'duplicate-address'],
  ['guests: { liar: { ip: 10.0.0.66, addresses-from: agent } }', 'liar - ', 'duplicate-address'],
  ['guests: { db: { addresses-from: agent }, x: { ip: 10.0.0.12 } }', 'db - , x - 10.0.0.12', 'duplicate-address'],
  [
    'guests: { db: { addresses-from: agent } }\noutside: { o: { ip: 10.0.0.12, behind: br0 } }',
    'db - ',
    'duplicate-address',
  ],
  [
    'guests: { db: { addresses-from: agent } }\noutside: { o: { ip: 10.0.0.0/24, behind: br0 } }',
    'db - 10.0.0.12',
    '', // a network outside holds the guests' addresses too
  ],
  [
    'guests: { db: { addresses-from: agent }, web: { addresses-from: agent } }',
    'db - , web - ',
    'duplicate-address duplicate-address',
  ],
  // cards by their MACs
  ['guests: { odd: { ip: 10.0.0.40, mac: "52:54:00:00:00:04" } }', 'odd vnet3 10.0.0.40', ''],
  ['guests: { b: { ip: 10.0.0.23, mac: "52:54:00:00:00:03" } }', 'b vnet2 10.0.0.23', ''],
  ['guests: { two: { addresses-from: filter, mac: "52:54:00:00:00:03" } }', 'two vnet2 10.0.0.23', ''],
  ['guests: { b: { addresses-from: filter, mac: "52:54:00:00:00:02" } }', 'b vnet1 10.0.0.22', ''],
  ['guests: { two: { addresses-from: filter } }', 'two - ', 'no-address'],
  ['guests: { x: { addresses-from: filter, port: vnet1 } }', 'x vnet1 10.0.0.22', ''],
  ['guests: { web: { ip: 10.0.0.10, mac: "52:54:00:00:00:77" } }', 'web - 10.0.0.10', ''],
  ['guests: { x: { ip: 10.0.0.10, mac: "52:54:00:00:00:77" } }', 'x - 10.0.0.10', ''],
  ['guests: { x: { ip: 10.0.0.10, mac: "52:54:00:00:00:09" } }', 'x - 10.0.0.10', 'duplicate-mac'],
];

const facts = parseHost(host, 'h');

for (const [text, guests, codes] of rows) {
  test(text.replaceAll('\n', ' '), () => {
    const policy = parsePolicy(text, 'p');
    assert.ok(facts.value !== undefined && policy.value !== undefined, JSON.stringify(policy.diagnostics));
    const { value, diagnostics } = settlePolicy(policy.value, facts.value);
    const settled = value?.guests.map(
      ({ name, port = '-', addresses }) => `${name} ${port} ${addresses.length === 0 ? '' : printIpSet(addresses)}`,
    );
    assert.equal(settled?.join(', '), guests);
    assert.equal(diagnostics.map(({ code }) => code).join(' '), codes);
  });
}

test('a guest needs addresses or somebody to believe, and there are three to believe', () => {
  const faults = (text: string) => parsePolicy(text, 'p').diagnostics.map(({ code, hint = '' }) => `${code} ${hint}`);
  assert.deepEqual(faults('guests: { web: {} }'), ['missing-key ']);
  assert.deepEqual(faults('guests: { web: { addresses-from: agnet } }'), ["unknown-name did you mean 'agent'?"]);
  assert.deepEqual(faults('guests: { web: { addresses-from: [] } }').length, 1);
  const closed = parsePolicy('guests: { web: { ip: 10.0.0.300, addresses-from: agent } }', 'p');
  assert.deepEqual(closed.value?.guests[0]?.addressesFrom, [], 'a guest with a fault gets no other addresses instead');
});

test('a port of another guest is taken with the MAC that is behind it, and not by its name alone', () => {
  const codes = (text: string) => {
    const { value: policy } = parsePolicy(text, 'p');
    assert.ok(facts.value !== undefined && policy !== undefined);
    const { value = policy } = settlePolicy(policy, facts.value);
    return bindGuests(value, facts.value)
      .diagnostics.filter(({ severity }) => severity === 'error')
      .map(({ code }) => code);
  };
  assert.deepEqual(codes('guests: { b: { ip: 10.0.0.23, mac: "52:54:00:00:00:03" } }'), []);
  assert.deepEqual(codes('guests: { b: { ip: 10.0.0.23, port: vnet2, mac: "52:54:00:00:00:03" } }'), []);
  assert.deepEqual(codes('guests: { b: { ip: 10.0.0.23, port: vnet2 } }'), ['port-conflict']);
  assert.deepEqual(codes('guests: { b: { ip: 10.0.0.23, port: vnet2, mac: "52:54:00:00:00:07" } }'), ['port-conflict']);
});
