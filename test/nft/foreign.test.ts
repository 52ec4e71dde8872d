// What others loaded: read as far as we understand it, and kept in words where we do not. Nothing is left out.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exactly } from '../../src/model/field.ts';
import { ctState, field, type Match, notField } from '../../src/model/match.ts';
import type { Expression, Statement, TableFamily } from '../../src/model/ruleset.ts';
import { parseNftJson } from '../../src/nft/parse-json.ts';

const tcpDport = { payload: { protocol: 'tcp', field: 'dport' } };
const tcpFlags = { payload: { protocol: 'tcp', field: 'flags' } };
const tcp = field('meta l4proto', exactly(6));

function match(op: string, left: unknown, right: unknown): unknown {
  return { match: { op, left, right } };
}

function opaque(text: string): Match {
  return { kind: 'opaque', text };
}

function statement(text: string): Statement {
  return { kind: 'opaque-statement', text };
}

const rows: readonly (readonly [json: unknown, want: readonly Expression[]])[] = [
  [match('==', tcpDport, 22), [tcp, field('th dport', exactly(22))]],
  [match('<=', tcpDport, 1023), [tcp, field('th dport', { first: 0n, last: 1023n })]],
  [match('>', tcpDport, 1023), [tcp, field('th dport', { first: 1024n, last: 65_535n })]],
  [match('<', tcpDport, 0), [opaque('tcp dport < 0')]],
  [
    match('==', tcpDport, { set: [22, { range: [80, 90] }] }),
    [tcp, field('th dport', exactly(22), { first: 80n, last: 90n })],
  ],
  [match('==', { payload: { protocol: 'ip', field: 'protocol' } }, 'udp'), [field('meta l4proto', exactly(17))]],
  [match('!=', { meta: { key: 'l4proto' } }, 'ipv6-icmp'), [notField('meta l4proto', exactly(58))]],
  [match('==', { meta: { key: 'protocol' } }, 'ip'), [opaque('meta protocol ip')]],
  [match('==', { payload: { protocol: 'ip', field: 'saddr' } }, '@elsewhere'), [opaque('ip saddr @elsewhere')]],
  [match('==', { payload: { protocol: 'ip', field: 'saddr' } }, '10.0.0.300'), [opaque('ip saddr 10.0.0.300')]],
  [
    match('==', { payload: { base: 'th', offset: 0, len: 32 } }, 0x10002),
    [field('th sport', exactly(1)), field('th dport', exactly(2))],
  ],
  [
    match('!=', { payload: { base: 'th', offset: 0, len: 32 } }, 0),
    [opaque('{"match":{"op":"!=","left":{"payload":{"base":"th","offset":0,"len":32}},"right":0}}')],
  ],
  [match('in', { ct: { key: 'state' } }, ['established', 'related']), [ctState('established', 'related')]],
  [match('==', { ct: { key: 'state' } }, { set: ['new'] }), [ctState('new')]],
  [match('!', { ct: { key: 'state' } }, 'invalid'), [{ ...ctState('invalid'), negated: true }]],
  [
    match('!=', { ct: { key: 'state' } }, ['new', 'related']),
    [opaque('{"match":{"op":"!=","left":{"ct":{"key":"state"}},"right":["new","related"]}}')],
  ],
  [match('==', { ct: { key: 'mark' } }, 5), [opaque('ct mark 5')]],
  [
    match('==', { '&': [tcpFlags, { '|': ['syn', 'ack'] }] }, 'syn'),
    [{ kind: 'tcp-flags', negated: false, mask: ['syn', 'ack'], flags: ['syn'] }],
  ],
  [match('in', tcpFlags, ['syn', 'ack']), [{ kind: 'tcp-flags', negated: true, mask: ['syn', 'ack'], flags: [] }]],
  [match('!', tcpFlags, 'syn'), [{ kind: 'tcp-flags', negated: false, mask: ['syn'], flags: [] }]],
  [{ limit: { rate: 10, burst: 5, per: 'second' } }, [{ kind: 'limit', packets: 10, per: 'second', burst: 5 }]],
  [
    { limit: { rate: 10, burst: 5, per: 'second', inv: true } },
    [opaque('{"limit":{"rate":10,"burst":5,"per":"second","inv":true}}')],
  ],
  [
    { limit: { rate: 10, burst: 0, per: 'second', rate_unit: 'mbytes' } },
    [opaque('{"limit":{"rate":10,"burst":0,"per":"second","rate_unit":"mbytes"}}')],
  ],
  [{ log: null }, [{ kind: 'log', prefix: '', level: 4 }]],
  [{ log: { prefix: 'x', group: 2 } }, [statement('{"log":{"prefix":"x","group":2}}')]],
  [{ counter: { packets: 5, bytes: 6 } }, [{ kind: 'counter' }]],
  [{ counter: 'named' }, [statement('counter name named')]],
  [{ mangle: { key: { meta: { key: 'mark' } }, value: 1 } }, [statement('meta mark set 1')]],
  [{ masquerade: null }, [statement('masquerade')]],
  [{ xt: { type: 'match', name: 'physdev' } }, [opaque('{"xt":{"type":"match","name":"physdev"}}')]],
  [{ xt: { type: 'target', name: 'LOG' } }, [statement('{"xt":{"type":"target","name":"LOG"}}')]],
  [{ reject: null }, [{ kind: 'verdict', verdict: { kind: 'reject' } }]],
  [
    { reject: { type: 'icmpx', expr: 'admin-prohibited' } },
    [{ kind: 'verdict', verdict: { kind: 'reject', with: 'icmpx admin-prohibited' } }],
  ],
  [{ nothing: 'known', of: 'it' }, [statement('{"nothing":"known","of":"it"}')]],
];

function listing(family: TableFamily, expr: readonly unknown[], ...more: readonly unknown[]): unknown {
  const at = { family, table: 't' };
  return {
    nftables: [
      { metainfo: { version: '1.0.6' } },
      { table: { family, name: 't' } },
      { chain: { ...at, name: 'c' } },
      ...more,
      { rule: { ...at, chain: 'c', expr } },
    ],
  };
}

for (const [json, want] of rows) {
  test(`foreign: ${JSON.stringify(json)}`, () => {
    const { ruleset, skipped } = parseNftJson(listing('ip', [json]));
    assert.deepEqual(ruleset.tables[0]?.chains[0]?.rules[0]?.body, want);
    assert.deepEqual(skipped, []);
  });
}

test('objects without a place in the tree are named, and what asks them is opaque', () => {
  const at = { family: 'ip', table: 't' };
  const { ruleset, skipped } = parseNftJson(
    listing(
      'ip',
      [match('==', { payload: { protocol: 'ip', field: 'saddr' } }, '@odd')],
      { counter: { ...at, name: 'hits', packets: 1 } },
      { set: { ...at, name: 'odd', type: 'cgroupsv2' } },
      { map: { ...at, name: 'marks', type: 'ipv4_addr', map: 'mark' } },
      { chain: { ...at, name: 'out', hook: 'egress', type: 'filter', prio: 0 } },
    ),
  );
  assert.deepEqual(skipped.toSorted(), ['chain ip t out', 'counter ip t hits', 'map ip t marks', 'set ip t odd']);
  assert.deepEqual(ruleset.tables[0]?.chains[0]?.rules[0]?.body, [opaque('ip saddr @odd')]);
});

test('elements with a time-out are elements', () => {
  const set = { family: 'ip', table: 't', name: 'banned', type: 'ipv4_addr', flags: ['timeout'] };
  const elem = [{ elem: { val: '10.0.0.1', timeout: 60, expires: 5 } }, '10.0.0.2'];
  const { ruleset } = parseNftJson(listing('ip', [], { set: { ...set, elem } }));
  assert.deepEqual(ruleset.tables[0]?.sets[0]?.elements, [[exactly(0x0a000001)], [exactly(0x0a000002)]]);
});
