import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSameTree, stableText } from '../../src/model/stable-text.ts';

const rows: readonly (readonly [a: unknown, b: unknown, isSame: boolean])[] = [
  [1, 1, true],
  [1, 1n, false],
  [1n, 1n, true],
  [null, {}, false],
  [undefined, null, false],
  [{ a: 1, b: [2, { c: 3 }] }, { b: [2, { c: 3 }], a: 1 }, true],
  [{ a: 1, b: [2, { c: 3 }] }, { a: 1, b: [2, { c: 4 }] }, false],
  [[1, 2], [1, 2], true],
  [[1, 2], [2, 1], false],
  [[1, 2], [1], false],
  [[1], [1, 2], false],
  [[], {}, false],
  [{}, [], false],
  [{ a: 1 }, { a: 1, b: 1 }, false],
  [{ a: 1, b: 1 }, { a: 1 }, false],
  [{ a: 1 }, { b: 1 }, false],
  [{ toString: 1 }, {}, false],
  [{}, { toString: 1 }, false],
];

for (const [a, b, isSame] of rows) {
  test(`${stableText(a)} and ${stableText(b)} are ${isSame ? 'the same' : 'different'}`, () => {
    assert.equal(isSameTree(a, b), isSame);
  });
}
