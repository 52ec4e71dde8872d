import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePolicy } from '../../src/policy/parse-policy.ts';

function idsOf(...lines: readonly string[]): readonly string[] {
  const text = `allow: [${lines.map((line) => `{ ${line} }`).join(', ')}]`;
  return parsePolicy(text, 'policy.yaml').value?.allow.map(({ id }) => id) ?? [];
}

test('ids are made of the words of the line', () => {
  const many = Array.from({ length: 40 }, (_, index) => `guest${index}`).join(', ');
  const rows: readonly (readonly [lines: readonly string[], ids: readonly string[]])[] = [
    [['from: a, to: b'], ['a-to-b-any']],
    [['from: [a, b], to: c, service: [http, tcp/8080], via: br0'], ['a+b-to-c-http+tcp-8080-via-br0']],
    [
      ['from: a, to: b', 'from: a, to: b', 'from: a, to: b'],
      ['a-to-b-any', 'a-to-b-any-2', 'a-to-b-any-3'],
    ],
    [
      ['from: a, to: b, log: true', 'from: a, to: b'],
      ['a-to-b-any', 'a-to-b-any-2'],
    ],
    [
      ['from: a, to: b, id: x', 'from: a, to: b'],
      ['x', 'a-to-b-any'],
    ],
    [
      ['from: a, to: b', 'from: c, to: d, id: a-to-b-any'],
      ['a-to-b-any-2', 'a-to-b-any'],
    ],
    [
      ['from: a, to: b-any', 'from: a, to: b', 'from: a, to: b, service: any'],
      ['a-to-b-any-any', 'a-to-b-any', 'a-to-b-any-2'],
    ],
  ];
  for (const [lines, ids] of rows) assert.deepEqual(idsOf(...lines), ids, lines.join(' | '));
  const [id = ''] = idsOf(`from: [${many}], to: a`);
  const [other = ''] = idsOf(`from: [${many}], to: b`);
  assert.match(id, /^guest0\+guest1\+.*-[0-9a-f]{8}$/);
  assert.deepEqual([id.length, other.length, id === other], [64, 64, false]);
});

test('an id does not depend on where the line stands', () => {
  const lines = ['from: a, to: b', 'from: b, to: a, service: ping', 'from: c, to: d, via: br0'];
  assert.deepEqual(idsOf(...lines.toReversed()), idsOf(...lines).toReversed());
});
