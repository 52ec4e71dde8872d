import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exactly } from '../../src/model/field.ts';
import { parseIp } from '../../src/model/ip.ts';
import { field, type LimitMatch } from '../../src/model/match.ts';
import {
  accept,
  type Chain,
  count,
  drop,
  type Expression,
  goTo,
  jump,
  type KernelRule,
  log,
  type Ruleset,
  returnToCaller,
  type Table,
} from '../../src/model/ruleset.ts';
import { echoRequest } from '../../src/packet/build.ts';
import { Firewall } from '../../src/simulate/evaluate.ts';
import type { View } from '../../src/simulate/view.ts';

const ip = parseIp('192.168.50.12') ?? assert.fail();
const packet = echoRequest({ ether: { source: 1, destination: 2 }, source: ip, destination: ip, id: 1, sequence: 1 });
const view: View = { packet, iif: 'vk42', ctState: 'new', mark: 0 };

const never = field('iifname', 'vk63');

/** A rule that logs its name, so that a test sees the way, and then does something. */
function at(name: string, ...body: readonly Expression[]): KernelRule {
  return { body: [log(name), ...body], comment: name };
}

function user(name: string, ...rules: readonly KernelRule[]): Chain {
  return { name, rules };
}

function base(policy: 'accept' | 'drop', ...rules: readonly KernelRule[]): Chain {
  return { name: 'FORWARD', base: { type: 'filter', hook: 'forward', priority: 0, policy }, rules };
}

function table(chains: readonly Chain[], more: Partial<Table> = {}): Table {
  return { family: 'ip', name: 'filter', sets: [], maps: [], chains, ...more };
}

function run(ruleset: Ruleset, now = 0): string {
  const way: string[] = [];
  const { verdict, by } = new Firewall(ruleset).decide('ip', 'forward', view, now, (prefix) => way.push(prefix));
  const last = by === undefined ? 'nothing' : by.rule === undefined ? `policy of ${by.chain}` : `${by.comment}`;
  return `${way.join(' ')}: ${verdict} by ${last}`.replace(/^: /, '');
}

const nft = (...tables: readonly Table[]): Ruleset => ({ backend: 'nft', tables });

const rows: readonly (readonly [want: string, what: string, chains: readonly Chain[]])[] = [
  ['a: accept by policy of FORWARD', 'the end of a base chain is its policy', [base('accept', at('a'))]],
  ['a: drop by policy of FORWARD', 'the end of a base chain is its policy, DROP', [base('drop', at('a', count))]],
  [
    'a: drop by policy of FORWARD',
    'RETURN in a base chain is its policy, whatever stands behind it',
    [base('drop', at('a', returnToCaller), at('b', accept))],
  ],
  ['a b: accept by b', 'the first verdict decides', [base('drop', at('a'), at('b', accept), at('c', drop))]],
  [
    'b: accept by b',
    'a condition that fails ends its rule',
    [base('drop', { body: [never, log('a'), drop] }, at('b', accept))],
  ],
  [
    'a: drop by a',
    'REJECT drops, with an answer',
    [base('accept', at('a', { kind: 'verdict', verdict: { kind: 'reject' } }))],
  ],
  [
    'a u1 b: accept by b',
    'the end of a user chain goes back behind the jump',
    [base('drop', at('a', jump('u')), at('b', accept)), user('u', at('u1'))],
  ],
  [
    'a u1 b: accept by b',
    'RETURN in a user chain goes back behind the jump',
    [base('drop', at('a', jump('u')), at('b', accept)), user('u', at('u1', returnToCaller), at('u2', drop))],
  ],
  [
    'a u1 v1 u2 b: accept by b',
    'jumps nest',
    [base('drop', at('a', jump('u')), at('b', accept)), user('u', at('u1', jump('v')), at('u2')), user('v', at('v1'))],
  ],
  [
    'a u1 v1: accept by v1',
    'a verdict in a nested chain decides',
    [base('drop', at('a', jump('u')), at('b', drop)), user('u', at('u1', jump('v'))), user('v', at('v1', accept))],
  ],
  [
    'a u1 v1 b: accept by b',
    'behind a goto, evaluation goes on where the current chain was called, not behind the goto',
    [
      base('drop', at('a', jump('u')), at('b', accept)),
      user('u', at('u1', goTo('v')), at('u2', drop)),
      user('v', at('v1')),
    ],
  ],
  [
    'a u1 v1 w1 b: accept by b',
    'a goto behind a goto goes back to the same place',
    [
      base('drop', at('a', jump('u')), at('b', accept)),
      user('u', at('u1', goTo('v')), at('u2', drop)),
      user('v', at('v1', goTo('w')), at('v2', drop)),
      user('w', at('w1', returnToCaller), at('w2', drop)),
    ],
  ],
  [
    'a v1: drop by policy of FORWARD',
    'behind a goto in a base chain there is only its policy',
    [base('drop', at('a', goTo('v')), at('b', accept)), user('v', at('v1'))],
  ],
  [
    'a u1 v1 u2 b: accept by b',
    'a jump inside of what a goto led to comes back into it',
    [
      base('drop', at('a', goTo('u')), at('c', drop)),
      user('u', at('u1', jump('v')), at('u2'), at('b', accept)),
      user('v', at('v1')),
    ],
  ],
];

for (const [want, what, chains] of rows) test(what, () => assert.equal(run(nft(table(chains))), want));

test('no chain at the hook: accepted, and nobody decided', () => {
  assert.equal(run(nft()), 'accept by nothing');
});

test('a chain that is not there is a bug of ours', () => {
  assert.throws(() => run(nft(table([base('drop', at('a', jump('nowhere')))]))), /nowhere/);
});

function prioritized(name: string, priority: number, ...rules: readonly KernelRule[]): Chain {
  return { name, base: { type: 'filter', hook: 'forward', priority, policy: 'accept' }, rules };
}

const severalBases: readonly (readonly [want: string, what: string, tables: readonly Table[]])[] = [
  [
    'early late: drop by late',
    'accept ends its own base chain only',
    [table([prioritized('b', 10, at('late', drop)), prioritized('a', -10, at('early', accept))])],
  ],
  [
    'early: drop by early',
    'drop is final',
    [table([prioritized('b', 10, at('late', accept)), prioritized('a', -10, at('early', drop))])],
  ],
  [
    'one two three: accept by three',
    'base chains run by priority, those of one priority as they were added, over all tables',
    [
      table([prioritized('c', 5, at('three', accept)), prioritized('a', 0, at('one'))]),
      table([prioritized('b', 0, at('two'))], { name: 'other' }),
    ],
  ],
  [
    'inet: accept by inet',
    'an inet table sees IPv4',
    [table([prioritized('a', 0, at('inet', accept))], { family: 'inet' })],
  ],
  [
    'accept by nothing',
    'a bridge table does not',
    [table([prioritized('a', 0, at('bridge', drop))], { family: 'bridge' })],
  ],
];

for (const [want, what, tables] of severalBases) test(what, () => assert.equal(run(nft(...tables)), want));

test('address translation is refused: it can turn bridging into routing', () => {
  const chain: Chain = { name: 'a', base: { type: 'nat', hook: 'forward', priority: 0, policy: 'accept' }, rules: [] };
  assert.throws(() => new Firewall(nft(table([chain]))), /translation/);
});

const mapped: Partial<Table> = {
  maps: [
    {
      name: 'ports',
      types: ['ifname'],
      interval: false,
      elements: [
        { key: ['vk42'], verdict: { kind: 'jump', chain: 'u' } },
        { key: ['vk63'], verdict: { kind: 'drop' } },
      ],
    },
    {
      name: 'asking',
      types: ['arp_op'],
      interval: false,
      elements: [{ key: [exactly(1)], verdict: { kind: 'drop' } }],
    },
  ],
};

test('a verdict map decides when it hits, and comes back from a jump; a miss or a missing field is nothing', () => {
  const chains = [
    base(
      'drop',
      at('a', { kind: 'vmap', fields: ['iifname'], map: 'ports' }),
      at('b', { kind: 'vmap', fields: ['oifname'], map: 'ports' }),
      at('c', { kind: 'vmap', fields: ['arp operation'], map: 'asking' }),
      at('d', accept),
    ),
    user('u', at('u1')),
  ];
  assert.equal(run(nft(table(chains, mapped))), 'a u1 b c d: accept by d');
});

type Limited = readonly [seconds: number, taken: boolean];

const tenASecond: LimitMatch = { kind: 'limit', packets: 10, per: 'second', burst: 3 };

/** A bucket of three tokens, ten new ones a second. */
const limited: readonly Limited[] = [
  [0, true],
  [0, true],
  [0, true],
  [0, false],
  [0.05, false], // half a token
  [0.1, true],
  [0.1, false],
  [0.3, true],
  [0.3, true],
  [0.3, false],
  [60, true], // no more than the burst, however long it was
  [60, true],
  [60, true],
  [60, false],
];

test('a limit fills with time, up to its burst', () => {
  const firewall = new Firewall(nft(table([base('accept', { body: [tenASecond, log('taken'), drop] })])));
  for (const [seconds, taken] of limited) {
    const { verdict } = firewall.decide('ip', 'forward', view, seconds * 1_000_000, () => {});
    assert.equal(verdict, taken ? 'drop' : 'accept', `after ${seconds} s`);
  }
});

const units: readonly (readonly [per: LimitMatch['per'], seconds: number])[] = [
  ['second', 1],
  ['minute', 60],
  ['hour', 3_600],
  ['day', 86_400],
];

test('a token a second, a minute, an hour, a day', () => {
  for (const [per, seconds] of units) {
    const limit: LimitMatch = { kind: 'limit', packets: 1, per, burst: 1 };
    const firewall = new Firewall(nft(table([base('accept', { body: [limit, drop] })])));
    const verdicts = [0, seconds * 0.9, seconds].map(
      (time) => firewall.decide('ip', 'forward', view, time * 1_000_000, () => {}).verdict,
    );
    assert.deepEqual(verdicts, ['drop', 'accept', 'drop'], per);
  }
});

test('every rule has a bucket of its own, and so has every firewall', () => {
  const once: LimitMatch = { kind: 'limit', packets: 1, per: 'day', burst: 1 };
  const ruleset = nft(table([base('accept', at('a'), { body: [once, log('b')] }, { body: [once, log('c')] })]));
  for (let times = 0; times < 2; times++) {
    const firewall = new Firewall(ruleset);
    const ways = [1, 2].map(() => {
      const way: string[] = [];
      firewall.decide('ip', 'forward', view, 0, (prefix) => way.push(prefix));
      return way.join(' ');
    });
    assert.deepEqual(ways, ['a b c', 'a']);
  }
});
