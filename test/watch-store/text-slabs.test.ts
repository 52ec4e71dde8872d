// Texts in slabs: each stays what it was until it is dropped, and the slabs are used again.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { type Slab, standsAt, TextSlabs } from '../../src/watch/text-slabs.ts';
import { Random } from '../kernel/random.ts';

type Kept = { readonly slab: Slab; readonly at: number; readonly text: Buffer };

it('hold what was put, long texts too, while the oldest go', () => {
  const random = new Random(7);
  const slabs = new TextSlabs();
  const seen = new Set<Slab>();
  const kept: Kept[] = [];
  let long = 0;
  let alone = 0;
  for (let round = 0; round < 20_000; round++) {
    const length = random.chance(0.001) ? 70_000 : random.between(0, 900);
    const text = Buffer.alloc(length + random.between(0, 3), random.between(1, 255));
    const at = slabs.put(text, length);
    kept.push({ slab: slabs.slab, at, text: text.subarray(0, length) });
    seen.add(slabs.slab);
    if (length > 65_536) long++;
    const most = random.pick([0, 1, 300, 300, 300]);
    while (kept.length > most && random.chance(0.9)) drop(slabs, kept.shift());
    if (kept.length === 0) alone++;
  }
  assert.ok(long > 5 && alone > 100, `${long} long ones, ${alone} times none`);
  assert.ok(seen.size - long < 30, `${seen.size} slabs for 9 MB of texts`);
});

function drop(slabs: TextSlabs, one: Kept | undefined): void {
  assert.ok(one !== undefined);
  const { slab, at, text } = one;
  assert.ok(standsAt(slab, at, text, text.length));
  slabs.drop(slab);
}

it('a text is another when its last octet is', () => {
  const slabs = new TextSlabs();
  const at = slabs.put(Buffer.from('IN=a'), 4);
  assert.ok(standsAt(slabs.slab, at, Buffer.from('IN=a OUT='), 4));
  assert.ok(!standsAt(slabs.slab, at, Buffer.from('IN=b'), 4));
});
