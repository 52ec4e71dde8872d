// What goes to the thread that stores comes out as it was: every field, there or not, in its order.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads';
import type { Batch, SourceItem, SourceRecord } from '../../src/watch/sources/source.ts';
import { type PackedBatch, packed, transferOf, unpacked } from '../../src/watch/store/packed-batch.ts';

const text = (words: string) => new Uint8Array(Buffer.from(words, 'latin1'));
const bare: SourceRecord = { kind: 'record', trust: 0, text: text('IN= OUT=') };
const whole: SourceRecord = {
  kind: 'record',
  trust: 3,
  epoch: 'a'.repeat(32),
  us: 2 ** 45 + 1,
  wall: 1_700_000_000_123,
  wallSpan: 999,
  sequence: 2 ** 52 + 1,
  facility: 0,
  folded: true,
  text: text('IN=\xff\0 OUT= '),
};
const gap = { kind: 'gap', lost: { exact: 3 }, reason: 'overrun', between: { after: { us: 1 } } } as const;
const finding = { kind: 'finding', code: 'x', message: 'y' } as const;

const rows: readonly [name: string, batch: Batch][] = [
  ['nothing', { items: [] }],
  ['a place only', { items: [], cursor: { offset: 7, tail: 'abc' } }],
  ['a record with everything, and one with nothing', { items: [whole, bare] }],
  ['zeros are numbers', { items: [{ ...bare, us: 0, wall: 0, wallSpan: 0, sequence: 0, facility: 0 }] }],
  ['an empty text', { items: [{ ...bare, text: text('') }, bare] }],
  [
    'boots one after the other, and back',
    { items: ['a', 'a', 'b', undefined, 'a'].map((epoch) => ({ ...bare, epoch })) },
  ],
  ['gaps and findings between records', { items: [gap, whole, finding, bare, gap], reread: true }],
  ['one record several times', { items: [whole, whole, whole] }],
];

/** Fields that are not there and fields that are `undefined` mean the same. */
function plain(items: readonly SourceItem[]): readonly object[] {
  return items.map((item) => {
    const entries = Object.entries(item).filter(([, value]) => value !== undefined);
    return Object.fromEntries(entries.map(([key, value]) => [key, value instanceof Uint8Array ? [...value] : value]));
  });
}

describe('a batch in another thread', () => {
  for (const [name, batch] of rows) {
    it(name, () => {
      const { port1, port2 } = new MessageChannel();
      const made = packed(batch);
      port1.postMessage(made, transferOf(made));
      const { message } = receiveMessageOnPort(port2) as { readonly message: PackedBatch };
      port1.close();
      const { items, cursor, reread } = unpacked(message);
      assert.deepEqual(plain(items), plain(batch.items));
      assert.deepEqual([cursor, reread], [batch.cursor, batch.reread ?? false]);
    });
  }

  it('the texts that were sent are still there: they are told when the batch is stored', () => {
    const record = { ...bare, text: text('IN=eth0 OUT=') };
    const made = packed({ items: [record] });
    structuredClone(made, { transfer: [...transferOf(made)] });
    assert.equal(Buffer.from(record.text).toString(), 'IN=eth0 OUT=');
    assert.equal(made.texts.length, 0, 'the copy has gone');
  });
});
