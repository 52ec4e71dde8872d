import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Group } from '../../src/model/policy.ts';
import { groupCycles } from '../../src/policy/group-cycles.ts';

const span = { file: 'p', line: 1, column: 1 };

function group(name: string, members: readonly string[]): Group {
  return { name, members: members.map((member) => ({ name: member, span })), span };
}

test('circles are shown from the group that closes them', () => {
  const rows: readonly (readonly [groups: readonly Group[], circles: readonly string[]])[] = [
    [[group('a', ['b']), group('b', ['c'])], []],
    [[group('a', ['a'])], ["group 'a' contains itself: a -> a"]],
    [[group('a', ['b']), group('b', ['a'])], ["group 'a' contains itself: a -> b -> a"]],
    [[group('a', ['b', 'c']), group('b', ['d']), group('c', ['d']), group('d', [])], []],
    [
      [group('x', ['a']), group('a', ['b']), group('b', ['c']), group('c', ['b'])],
      ["group 'b' contains itself: b -> c -> b"],
    ],
  ];
  for (const [groups, circles] of rows) {
    assert.deepEqual(
      groupCycles(groups).map(({ message }) => message),
      circles,
    );
  }
});

test('a circle is found exactly when a group can be reached from itself', () => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f'];
  const graph = fc.tuple(...names.map(() => fc.subarray(names, { maxLength: 2 })));
  const seen = { with: 0, without: 0 };
  fc.assert(
    fc.property(graph, (members) => {
      const groups = names.map((name, index) => group(name, members[index] ?? []));
      const circular = names.some((name) => reachable(name, groups).has(name));
      assert.equal(groupCycles(groups).length > 0, circular);
      seen[circular ? 'with' : 'without']++;
    }),
    { numRuns: 1000 },
  );
  assert.ok(seen.with > 50 && seen.without > 50, JSON.stringify(seen));
});

/** The obvious way: go on until nothing new is found. */
function reachable(start: string, groups: readonly Group[]): ReadonlySet<string> {
  const membersOf = (name: string) =>
    groups.find((one) => one.name === name)?.members.map((member) => member.name) ?? [];
  const found = new Set(membersOf(start));
  for (const name of found) for (const member of membersOf(name)) found.add(member);
  return found;
}

test('a chain of a hundred thousand groups is no trouble', () => {
  const length = 100_000;
  const groups = Array.from({ length }, (_, index) => group(`g${index}`, [`g${index + 1}`]));
  assert.deepEqual(groupCycles(groups), []);
  assert.equal(groupCycles([...groups, group(`g${length}`, ['g0'])]).length, 1);
});
