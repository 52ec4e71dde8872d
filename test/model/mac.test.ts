import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { broadcastMac, isGroupMac, parseMac, printMac } from '../../src/model/mac.ts';

const texts: readonly (readonly [text: string, canonical: string | undefined])[] = [
  ['52:54:00:b1:5d:1f', '52:54:00:b1:5d:1f'],
  ['52:54:00:B1:5D:1F', '52:54:00:b1:5d:1f'],
  ['00:00:00:00:00:00', '00:00:00:00:00:00'],
  ['ff:ff:ff:ff:ff:ff', 'ff:ff:ff:ff:ff:ff'],
  ['52-54-00-b1-5d-1f', undefined],
  ['5254.00b1.5d1f', undefined],
  ['525400b15d1f', undefined],
  ['52:54:0:b1:5d:1f', undefined],
  ['52:54:00:b1:5d', undefined],
  ['52:54:00:b1:5d:1f:00', undefined],
  ['52:54:00:b1:5d:1g', undefined],
  ['52:54:00:b1:5d:1f\n', undefined],
  ['', undefined],
];

test('a MAC is six pairs with colons, as `ip link` prints it', () => {
  for (const [text, canonical] of texts) {
    const mac = parseMac(text);
    assert.equal(mac === undefined ? undefined : printMac(mac), canonical, JSON.stringify(text));
  }
  assert.equal(parseMac('ff:ff:ff:ff:ff:ff'), broadcastMac);
});

test('every MAC comes back from its text', () => {
  fc.assert(
    fc.property(
      fc.maxSafeNat().map((value) => value % 2 ** 48),
      (mac) => parseMac(printMac(mac)) === mac,
    ),
  );
});

const groups: readonly (readonly [mac: string, group: boolean])[] = [
  ['ff:ff:ff:ff:ff:ff', true],
  ['01:80:c2:00:00:00', true],
  ['33:33:00:00:00:01', true],
  ['02:00:00:00:00:00', false], // locally administered
  ['fe:ff:ff:ff:ff:ff', false],
  ['00:00:00:00:00:01', false],
];

test('the group bit is the lowest of the first octet', () => {
  for (const [text, group] of groups) assert.equal(isGroupMac(parseMac(text) ?? -1), group, text);
});
