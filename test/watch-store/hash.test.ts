// The hash of a text stands in every stored row: another one would find none of the events that are there.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { hashOf } from '../../src/watch/dedupe.ts';
import { Random } from '../kernel/random.ts';

const rows: readonly (readonly [text: string, hash: number])[] = [
  ['', 0],
  ['I', 1_208_103_259],
  ['IN=', -1_226_112_478],
  ['IN=\xff', -872_988_588],
  ['[UFW BLOCK] IN=eth0 OUT= SRC=192.0.2.7 DST=192.0.2.1 ID=1', 522_288_305],
];

describe('the hash of a text is for ever', () => {
  for (const [text, hash] of rows) {
    it(JSON.stringify(text), () => {
      const bytes = Buffer.from(text, 'latin1');
      assert.equal(hashOf(bytes, bytes.length), hash);
    });
  }
});

/** Octet by octet. */
function slowHash(text: Uint8Array, length: number): number {
  let hash = length;
  const whole = length - (length % 4);
  for (let at = 0; at < whole; at += 4) {
    const four = [0, 1, 2, 3].reduce((sum, octet) => sum + (text[at + octet] ?? 0) * 2 ** (8 * octet), 0);
    hash = Math.imul(hash ^ four, 0x9e37_79b1);
    hash ^= hash >>> 15;
  }
  for (let at = whole; at < length; at++) hash = Math.imul(hash ^ (text[at] ?? 0), 0x0100_0193);
  return hash ^ (hash >>> 13);
}

it('wherever the text stands, in whatever buffer', () => {
  const random = new Random(3);
  const buffers = Array.from({ length: 4 }, () => {
    return Uint8Array.from({ length: 2_000 }, () => random.between(0, 255));
  });
  for (let round = 0; round < 5_000; round++) {
    const buffer = random.pick(buffers);
    const from = random.between(0, 900);
    const length = random.between(0, 300);
    const text = buffer.subarray(from, from + length + random.between(0, 20));
    assert.equal(hashOf(text, length), slowHash(text, length), `${from}, ${length}`);
  }
});
