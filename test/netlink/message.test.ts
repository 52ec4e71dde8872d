// Octets of netlink, back and forth, and whatever is cut off or makes no sense.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import {
  decodeAttributes,
  decodeMessages,
  decodeText,
  encodeAttributes,
  encodeMessage,
  encodeText,
  messageFlag,
} from '../../src/netlink/message.ts';
import { interfaceNameKey } from '../../src/netlink/nf-tables.ts';
import { Notices } from '../../src/netlink/notices.ts';
import { encodeTransaction } from '../../src/netlink/transaction.ts';

const octets = fc.uint8Array({ maxLength: 40 });

suite('messages of netlink', () => {
  test('come back as they were, one behind the other', () => {
    const message = fc.record(
      { type: fc.nat(0xffff), flags: fc.nat(0xffff), sequence: fc.nat(0xffffffff), body: octets },
      { noNullPrototype: true },
    );
    fc.assert(
      fc.property(fc.array(message, { maxLength: 4 }), (messages) => {
        const datagram = Uint8Array.from(messages.flatMap((one) => [...encodeMessage(one)]));
        assert.deepEqual(decodeMessages(datagram), messages);
      }),
    );
  });

  test('attributes and nests of them come back', () => {
    const value = { type: 3, value: [{ type: 1, value: encodeText('bk') }] };
    const inside = decodeAttributes(encodeAttributes([value])).get(3);
    assert.equal(decodeText(decodeAttributes(inside ?? new Uint8Array(0)).get(1) ?? new Uint8Array(0)), 'bk');
    assert.throws(() => encodeAttributes([{ type: 1, value: new Uint8Array(0x10000) }]), RangeError);
  });

  test('garbage is no exception', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (garbage) => {
        const notices = new Notices();
        decodeMessages(garbage);
        notices.heard(garbage);
        for (const type of [(10 << 8) | 15, (10 << 8) | 12]) {
          notices.heard(encodeMessage({ type, flags: 0, sequence: 0, body: garbage }));
        }
        decodeAttributes(garbage);
      }),
    );
  });

  test('of many changes of one table one is told, and each change of another', () => {
    const change = (family: number, table: string): Uint8Array =>
      encodeMessage({
        type: (10 << 8) | 12,
        flags: 0,
        sequence: 0,
        body: Uint8Array.of(family, 0, 0, 0, ...encodeAttributes([{ type: 1, value: encodeText(table) }])),
      });
    const end = encodeMessage({ type: (10 << 8) | 15, flags: 0, sequence: 0, body: Uint8Array.of(0, 0, 0, 0) });
    const tables = (...datagrams: readonly Uint8Array[]): readonly string[] => {
      const notices = new Notices();
      const heard = datagrams.flatMap((one) => notices.heard(one));
      return heard.map((one) => (one.kind === 'end' ? 'end' : `${one.family} ${one.table}`));
    };
    const bk = change(7, 'bk');
    assert.deepEqual(tables(bk, bk, change(7, 'bk_present'), bk, change(2, 'bk'), change(99, 'bk'), end, bk), [
      'bridge bk',
      'bridge bk_present',
      'bridge bk',
      'ip bk',
      ' bk',
      'end',
      'bridge bk',
    ]);
    const both = Uint8Array.from([...bk, ...bk, ...end, ...bk]);
    assert.deepEqual(tables(both), ['bridge bk', 'end', 'bridge bk']);
  });

  test('a name that no device can have is none', () => {
    assert.throws(() => interfaceNameKey(''), RangeError);
    assert.throws(() => interfaceNameKey('sixteen-letters!'), RangeError);
  });

  test('a long change is cut into messages that each fit, and a batch of nothing asks for no answer', () => {
    const keys = Array.from({ length: 2_500 }, (_, at) => interfaceNameKey(`g${at}`));
    const change = { what: 'add', family: 'bridge', table: 't', set: 's', keys } as const;
    const batch = encodeTransaction([change], 7);
    assert.equal(batch?.last, 12);
    const messages = decodeMessages(batch.octets);
    assert.deepEqual(
      messages.map(({ sequence }) => sequence),
      [7, 8, 9, 10, 11, 12, 13],
    );
    // one answer is enough
    assert.deepEqual(
      messages.filter(({ flags }) => (flags & messageFlag.ack) !== 0).map(({ sequence }) => sequence),
      [12],
    );
    assert.equal(encodeTransaction([{ ...change, keys: [] }], 7)?.isEmpty, true);
  });
});
