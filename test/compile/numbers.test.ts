// A log line of last week must mean the same rule today: ids are made of names, numbers stay with their ids while the
// policy changes around them, and a number is never given to another rule.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compile } from '../../src/compile/compile.ts';
import { type Numbering, numberIds } from '../../src/compile/numbers.ts';
import { type RuleList, rulesOf } from '../../src/model/rule-list.ts';
import { compiledFrom, example, factsOf, type Texts } from '../support/compiled.ts';

/** A host of two bridges with these guests, in this order; every third is on the second bridge. */
function textsWith(guests: readonly number[], lines: readonly number[]): Texts {
  const port = (guest: number) => [`v${guest}`, { guest: `g${guest}`, mac: `52:54:00:00:01:${10 + guest}` }] as const;
  const on = (second: boolean) => guests.filter((guest) => (guest % 3 === 0) === second).map(port);
  const host = {
    host: 'numbers',
    bridges: {
      br1: { ports: { ...Object.fromEntries(on(false)), l1: { peer: 'l2' } } },
      br2: { ports: { ...Object.fromEntries(on(true)), l2: { peer: 'l1' }, h1: { peer: 'h2' } } },
    },
    interfaces: { h2: { peer: 'h1', addresses: ['10.0.0.1/24'] } },
  };
  const policy = {
    guests: Object.fromEntries(guests.map((guest) => [`g${guest}`, { ip: `10.0.0.${20 + guest}` }])),
    allow: lines.map((line) => possible[line]),
  };
  return { host: JSON.stringify(host), policy: JSON.stringify(policy) };
}

const possible = [
  { from: 'guests', to: 'host', service: 'ping' },
  { from: 'guests', to: 'guests', service: 'ping' },
  { from: 'host', to: 'guests', service: 'ssh' },
  { from: 'br1', to: 'br2', service: ['http', 'https'] },
  { from: 'br2', to: 'host', service: 'dns' },
];

function numbersOf(list: RuleList): ReadonlyMap<string, number> {
  const numbered = list.entries.flatMap(({ id, number }) => (number === undefined ? [] : [[id, number] as const]));
  return new Map(numbered);
}

/** One state of the policy after the other: some guests in some order, some lines in some order. */
const history = fc.array(
  fc.record({
    guests: fc.shuffledSubarray([1, 2, 3, 4, 5, 6, 7], { minLength: 2 }),
    lines: fc.shuffledSubarray([0, 1, 2, 3, 4], { minLength: 1 }),
  }),
  { minLength: 2, maxLength: 6 },
);

test('while guests and lines come, go and change places, a number means one rule for ever', () => {
  let kept = 0;
  let back = 0;
  fc.assert(
    fc.property(history, (states) => {
      const owners = new Map<number, string>();
      const ever = new Map<string, number>();
      let numbering: Numbering = {};
      let before: ReadonlyMap<string, number> = new Map();
      for (const { guests, lines } of states) {
        const { host, policy } = factsOf(textsWith(guests, lines));
        const { value } = compile(policy, host, numbering);
        assert.ok(value);
        const now = numbersOf(value.list);
        assert.equal(new Set(now.values()).size, now.size, 'two entries have one number');
        for (const [id, number] of now) {
          assert.equal(owners.get(number) ?? id, id, `number ${number} had another meaning`);
          assert.equal(ever.get(id) ?? number, number, `${id} had another number`);
          if (before.has(id)) kept++;
          else if (ever.has(id)) back++;
          owners.set(number, id);
          ever.set(id, number);
        }
        assert.deepEqual(new Map(Object.entries(value.numbering)), ever);
        before = now;
        numbering = value.numbering;
      }
    }),
    { seed: 47, numRuns: 100 },
  );
  assert.ok(kept > 1_000 && back > 100, `${kept} numbers were kept, ${back} came back`);
});

test('ids do not depend on the order of guests, ports or lines', () => {
  const ids = ({ guests, lines }: { readonly guests: readonly number[]; readonly lines: readonly number[] }) => {
    const { list } = compiledFrom(factsOf(textsWith(guests, lines)));
    return list.entries.map(({ id }) => id).toSorted();
  };
  fc.assert(
    fc.property(
      fc.shuffledSubarray([1, 2, 3, 4], { minLength: 4 }),
      fc.shuffledSubarray([0, 1, 2], { minLength: 3 }),
      (guests, lines) => {
        assert.deepEqual(ids({ guests, lines }), ids({ guests: [1, 2, 3, 4], lines: [0, 1, 2] }));
      },
    ),
    { numRuns: 50 },
  );
});

test('no two entries of a list have one id', () => {
  const ids = compiledFrom(example()).list.entries.map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length);
});

type Step = readonly [what: string, ids: readonly string[], numbers: readonly number[]];

const steps: readonly Step[] = [
  ['the first list', ['heading', 'a', 'b', 'rest'], [1, 2, 3, 4]],
  ['a new rule between others', ['heading', 'a', 'new', 'b', 'rest'], [1, 2, 5, 3, 4]],
  ['two rules less', ['heading', 'b', 'rest'], [1, 3, 4]],
  ['another rule: the free numbers are not for it', ['heading', 'b', 'other', 'rest'], [1, 3, 6, 4]],
  ['the first one comes back', ['heading', 'a', 'b', 'other', 'rest'], [1, 2, 3, 6, 4]],
];

test('numbers, step by step', () => {
  let numbering: Numbering = {};
  for (const [what, ids, numbers] of steps) {
    numbering = numberIds(ids, numbering);
    assert.deepEqual(
      ids.map((id) => numbering[id]),
      numbers,
      what,
    );
  }
});

test('a numbering of any size is taken, and names like those of objects are ids like others', () => {
  const ids = Array.from({ length: 300_000 }, (_, index) => `guest/g${index}/in/source`);
  const first = numberIds(ids);
  const next = numberIds(['constructor', '__proto__', 'toString', ...ids], first);
  assert.deepEqual(
    ['guest/g0/in/source', 'guest/g299999/in/source', 'constructor', 'toString'].map((id) => next[id]),
    [1, 300_000, 300_001, 300_003],
  );
});

test("the order of evaluation is the list's, whatever the numbers are", () => {
  const { host, policy } = factsOf(textsWith([1, 2, 3], [0, 1]));
  const first = compiledFrom(factsOf(textsWith([3], [1])));
  const grown = compile(policy, host, first.numbering).value;
  const fresh = compile(policy, host).value;
  assert.ok(grown && fresh);
  const ids = (list: RuleList) => rulesOf(list).map(({ id }) => id);
  assert.deepEqual(ids(grown.list), ids(fresh.list));
  assert.notDeepEqual(
    grown.list.entries.map(({ number }) => number),
    fresh.list.entries.map(({ number }) => number),
  );
});
