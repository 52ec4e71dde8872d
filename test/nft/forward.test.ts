// What the bridge table does with ports that nobody knows; and that a hook leads to the chains of ports by one way: whenever a
// guest comes, kernels before 6.19 follow each way to its end.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIp } from '../../src/model/ip.ts';
import type { Expression, Table } from '../../src/model/ruleset.ts';
import { lowerNft } from '../../src/nft/lower.ts';
import { Firewall } from '../../src/simulate/evaluate.ts';
import { compiledFrom, example } from '../support/compiled.ts';

const ruleset = lowerNft(compiledFrom(example()).list, { arp: 'bound' });

const rows: readonly (readonly [from: string, to: string, want: string])[] = [
  ['vk63', 'vk64', 'accepted'],
  ['vk63', 'tap0', 'dropped by rest'],
  ['tap0', 'vk64', 'dropped by rest'],
  ['vk63', 'vethb2', 'dropped by port/vethb2/out/destination'],
  ['tap0', 'tap1', 'accepted'],
];

function ip(text: string) {
  const parsed = parseIp(text);
  assert.ok(parsed);
  return parsed;
}

for (const [from, to, want] of rows) {
  test(`a frame of kali3 to kali4, from ${from} to ${to}: ${want}`, () => {
    const bits = { ttl: 64, tos: 0, id: 0, dontFragment: false, moreFragments: false, fragmentOffset: 0 };
    const addresses = { source: ip('192.168.50.13'), destination: ip('192.168.50.14'), protocol: 6 };
    const packet = {
      ether: { source: 0x5254_00b1_5d1f, destination: 0x5254_000c_6e34, type: 0x0800 },
      payload: {
        kind: 'ip4',
        ip: { ...bits, ...addresses, options: new Uint8Array() },
        transport: { kind: 'bytes', bytes: new Uint8Array() },
      },
    } as const;
    const view = { packet, mark: 0, ctState: 'new', iif: from, oif: to } as const;
    const { verdict, by } = new Firewall(ruleset).decide('bridge', 'forward', view, 0, () => {});
    assert.equal(verdict === 'drop' ? `dropped by ${by?.comment}` : 'accepted', want);
  });
}

function targets({ maps }: Table, expression: Expression): readonly string[] {
  if (expression.kind === 'verdict') return 'chain' in expression.verdict ? [expression.verdict.chain] : [];
  if (expression.kind !== 'vmap') return [];
  const elements = maps.find(({ name }) => name === expression.map)?.elements ?? [];
  return elements.flatMap(({ verdict }) => ('chain' in verdict ? [verdict.chain] : []));
}

/** The chains that are come to from this one, each as often as there are ways. */
function reached(table: Table, chain: string): readonly string[] {
  const rules = table.chains.find(({ name }) => name === chain)?.rules ?? [];
  const next = rules.flatMap(({ body }) => body.flatMap((expression) => targets(table, expression)));
  return next.flatMap((name) => [name, ...reached(table, name)]);
}

test('from a hook one way leads to each chain of a port', () => {
  let ports = 0;
  for (const table of ruleset.tables) {
    for (const { name } of table.chains.filter(({ base }) => base !== undefined)) {
      const ofPorts = reached(table, name).filter((chain) => /^(?:in|out|allow)_/.test(chain));
      assert.deepEqual(ofPorts.toSorted(), [...new Set(ofPorts)].toSorted(), `${table.family} ${name}`);
      ports += ofPorts.length;
    }
  }
  assert.ok(ports > 20, `${ports}`);
});
