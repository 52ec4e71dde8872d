import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exactly, type Value, valueHolds, valueKey } from '../../src/model/field.ts';
import { isInterfacePattern, isOneLine, shortInterfacePattern } from '../../src/model/symbols.ts';

const range = (first: number, last: number): Value => ({ first: BigInt(first), last: BigInt(last) });

const held: readonly (readonly [value: Value, actual: string | bigint, holds: boolean])[] = [
  ['vk63', 'vk63', true],
  ['vk63', 'vk631', false],
  ['vk6*', 'vk63', true],
  ['vk6*', 'vk6', true],
  ['vk6*', 'xvk6', false],
  ['*', '', true],
  ['', '', true],
  ['vk63', 63n, false],
  [exactly(80), 80n, true],
  [exactly(80), 81n, false],
  [exactly(80), '80', false],
  [range(80, 90), 80n, true],
  [range(80, 90), 90n, true],
  [range(80, 90), 79n, false],
  [range(80, 90), 91n, false],
];

test('a value holds for names by text, for numbers by range, and never across', () => {
  for (const [value, actual, holds] of held)
    assert.equal(valueHolds(value, actual), holds, `${valueKey(value)} ${actual}`);
  assert.deepEqual(new Set(held.map(([, , holds]) => holds)), new Set([true, false]));
});

test('values share a key exactly when they are equal', () => {
  const values: readonly Value[] = ['a', 'a*', '1', range(1, 1), range(1, 2), range(12, 12)];
  const keys = values.map(valueKey);
  // as names and numbers never meet in one field, '1' and 1 may share theirs
  assert.deepEqual(keys, ['a', 'a*', '1', '1', '1-2', '12']);
  assert.equal(valueKey(exactly(5)), valueKey(range(5, 5)));
});

const patterns: readonly (readonly [text: string, valid: boolean, short?: string])[] = [
  ['vnet*', true, 'vnet*'],
  ['vnet0', true, 'vnet0'],
  ['abcdefghijklmno', true, 'abcdefghijklmno'], // 15, IFNAMSIZ without the NUL
  ['abcdefghijklmnop', false],
  ['abcdefghijklmno*', true, 'abcdefghijklmno'], // a prefix of a whole name
  ['*', false],
  ['', false],
  ['a*b', false],
  ['a b', false],
  ['a"', false],
  ['a\n', false],
];

test('an interface pattern is a name, or the beginning of names', () => {
  for (const [text, valid, short] of patterns) {
    assert.equal(isInterfacePattern(text), valid, JSON.stringify(text));
    if (short !== undefined) assert.equal(shortInterfacePattern(text), short);
  }
});

const lines: readonly (readonly [text: string, one: boolean])[] = [
  ['guest/kali3/out/destination', true],
  ['ä — ok', true],
  ['a\nb', false],
  ['a\u0000', false],
  ['\u001b[31m', false],
  ['a\u0085b', false],
  ['\ud800', false], // half a surrogate pair
];

test('one line has no control characters and is well-formed', () => {
  for (const [text, one] of lines) assert.equal(isOneLine(text), one, JSON.stringify(text));
});
