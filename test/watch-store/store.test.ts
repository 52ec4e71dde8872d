// The store: batches and their cursors in one transaction, the way of a packet, gaps.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { logFile } from '../../src/watch/sources/file.ts';
import type { Gap, Lost, SourceRecord } from '../../src/watch/sources/source.ts';
import { EventStore } from '../../src/watch/store/event-store.ts';
import { follow, type Told } from '../../src/watch/store/follow.ts';
import { openStoreWriter } from '../../src/watch/store/store-writer.ts';
import { gap, noon, OwnStore, record, textOfPacket } from './own-store.ts';

const own = new OwnStore();

describe('events and cursors', () => {
  it('are one transaction: after an exception there is neither', () => {
    const poison = { ...record(2), text: undefined as unknown as Buffer };
    own.with((store) => {
      store.commit([{ host: '', source: 'kmsg', batch: { items: [record(1)], cursor: { sequence: 1 } } }], noon);
      const bad = { items: [record(3), poison], cursor: { sequence: 3 } };
      assert.throws(() => store.commit([{ host: '', source: 'kmsg', batch: bad }], noon));
    });
    own.with((store) => assert.deepEqual(store.cursor('', 'kmsg'), { sequence: 1 }));
    assert.deepEqual(own.texts, [textOfPacket(1)]);
  });

  it('are read back as they were; the next run goes on with numbers and knows what it has seen', () => {
    const full = record(1, { sequence: 77, wallSpan: 5 });
    const first = own.with((store) => store.commit([{ host: '', source: 'kmsg', batch: { items: [full] } }], noon));
    const again = own.with((store) =>
      store.commit([{ host: '', source: 'journal', batch: { items: [record(1), record(2)] } }], noon),
    );
    assert.deepEqual([first, again], [[[1]], [[0, 2]]]);
    const [one] = own.read((reader) => [...reader.events({})]);
    assert.deepEqual(
      [one?.id, one?.host, one?.epoch, one?.us, one?.wall, one?.wallSpan, one?.trust, one?.sequence, one?.folded],
      [1, '', 'a', 1000, noon + 1, 5, 3, 77, false],
    );
    assert.deepEqual(one?.sources, ['kmsg', 'journal']);
    assert.equal(one?.event.packet?.dport, 2);
  });

  it('of two machines are kept apart', () => {
    own.keep('kmsg', [record(1)]);
    own.keep('kmsg', [record(1)], 'lab');
    assert.deepEqual(
      own.read((reader) => [...reader.events({})].map(({ host }) => host)),
      ['', 'lab'],
    );
  });

  it('a late witness makes the stored event better, and adds none', () => {
    own.keep('file:/var/log/ufw.log', [{ kind: 'record', trust: 1, wall: noon, wallSpan: 999, text: record(1).text }]);
    own.keep('kmsg', [record(1, { sequence: 9 })]);
    const events = own.read((reader) => [...reader.events({})]);
    assert.deepEqual(
      events.map(({ us, wall, wallSpan, trust, sequence, sources }) => [us, wall, wallSpan, trust, sequence, sources]),
      [[1000, noon + 1, 0, 3, 9, ['file:/var/log/ufw.log', 'kmsg']]],
    );
  });

  it('a source that lost its place shows old lines again, as another witness', () => {
    const old = [1, 1, 2].map((number) => record(number, { us: undefined as never, wall: noon }));
    own.with((store) => {
      const batches = [{ items: old }, { items: [...old, record(3)], reread: true }];
      for (const batch of batches) store.commit([{ host: '', source: 'file:/x', batch }], noon);
    });
    assert.deepEqual(own.texts, [1, 1, 2, 3].map(textOfPacket));
  });

  it('what is no line of the firewall is not kept', () => {
    own.keep('kmsg', [{ ...record(1), text: Buffer.from('usb 1-1: new device') }]);
    assert.deepEqual(own.texts, []);
  });

  it('hardly anything in memory: the store itself knows the rest', () => {
    const store = new EventStore(own.directory, { capacity: 4 });
    const batch = (source: string, bare: boolean) => ({
      host: '',
      source,
      batch: {
        items: Array.from({ length: 300 }, (_, at) =>
          bare
            ? { ...record(at % 100), us: undefined as never, epoch: undefined as never }
            : record(at % 100, { us: at }),
        ),
      },
    });
    for (const [source, bare] of [
      ['kmsg', false],
      ['file:/x', true],
      ['journal', false],
      ['dmesg', false],
    ] as const)
      store.commit([batch(source, bare)], noon);
    store.close();
    const events = own.read((reader) => [...reader.events({})]);
    assert.equal(events.length, 300);
    assert.ok(events.every(({ sources }) => sources.length === 4));
  });

  const broken = ['{', '5', '"x"', 'null', '[]', ''];
  for (const text of broken) {
    it(`a damaged cursor (${text || 'empty'}) is none`, () => {
      own.with((store) => {
        store.commit([{ host: '', source: 'kmsg', batch: { items: [record(1)], cursor: { sequence: 1 } } }], noon);
        store.database.prepare('UPDATE reading SET cursor = ?').run(text);
      });
      own.with((store) => {
        assert.equal(store.cursor('', 'kmsg'), undefined);
        // nobody knows the place: all is read again, and stays what it is
        store.commit([{ host: '', source: 'kmsg', batch: { items: [record(1), record(2)] } }], noon);
        store.commit([{ host: '', source: 'kmsg', batch: { items: [record(2)] } }], noon);
      });
      assert.deepEqual(own.texts, [1, 2, 2].map(textOfPacket));
    });
  }
});

describe('one packet on its way', () => {
  const names = ['bridge-host-journal.log', 'kernel-long.log'] as const;
  const fixture = (name: (typeof names)[number]): string => join(import.meta.dirname, '../golden/logs', name);

  it('over two bridges: events of their own, with one path', async () => {
    const told: Told[] = [];
    const writer = await openStoreWriter(own.directory);
    assert.ok(writer !== undefined);
    const source = logFile(fixture('bridge-host-journal.log'), { once: true });
    await follow([source], writer, new AbortController().signal, (some) => void told.push(...some));
    await writer.close();
    const events = own.read((reader) => [...reader.events({})]);
    assert.equal(events.length, 14);
    const paths = Map.groupBy(events, ({ path }) => path);
    const rules = [...paths.values()].map((some) => some.map(({ event }) => event.rule).join(' '));
    assert.deepEqual(rules, ['16', '16', '32 5', '43 40 2', '18', '43 18', '32 20', '20', '20']);
    const crossed = events.filter(({ event }) => event.packet?.id === 48428);
    assert.deepEqual(
      crossed.map(({ id, path, event }) => [id, path, event.rule, event.action]),
      [
        [3, 3, 32, 'accept'],
        [4, 3, 5, 'deny'],
      ],
    );
    assert.equal(told.filter(({ kind }) => kind === 'event').length, 14);
  });

  it('by two rules of one machine', () => {
    const lines = readFileSync(fixture('kernel-long.log'), 'latin1').trimEnd().split('\n');
    const items = lines.map((line): SourceRecord => {
      const [, us = '', text = ''] = /^\d+,\d+,(\d+),[^;]*;(.*)$/.exec(line) ?? [];
      return record(0, {
        us: Number(us),
        wall: noon + Math.round(Number(us) / 1000),
        text: Buffer.from(text, 'latin1'),
      });
    });
    own.keep('kmsg', items);
    const events = own.read((reader) => [...reader.events({})]);
    assert.equal(events.length, 90);
    const packets = events.filter(({ path }) => path !== undefined);
    assert.ok(new Set(packets.map(({ path }) => path)).size <= packets.length / 2 + 2);
    assert.ok(packets.length > 60, `${packets.length}`);
  });

  it('not later than a second', () => {
    own.keep('kmsg', [
      record(1),
      record(1, { us: 2_000, wall: noon + 900 }),
      record(1, { us: 3_000, wall: noon + 2_000 }),
    ]);
    assert.deepEqual(
      own.read((reader) => [...reader.events({})].map(({ path }) => path)),
      [1, 1, 3],
    );
  });
});

describe('gaps', () => {
  const all: readonly Lost[] = [{ exact: 7 }, { atLeast: 7 }, 'unknown', 'notCovered'];
  it('come back as they were', () => {
    const between = { after: { wall: noon, epoch: 'a', us: 5, sequence: 6 }, before: { wall: noon + 1 } };
    const gaps = all.map((lost) => ({ ...gap(lost, between), said: 'Missed 7 kernel messages' }));
    own.keep('journal', [...gaps, gap('unknown', {}, 'vacuumed')]);
    const found = own.read((reader) => reader.gaps({}));
    assert.deepEqual(
      found.map(({ lost, reason, between, said }) => ({ kind: 'gap', lost, reason, between, said })),
      [...gaps, { ...gap('unknown', {}, 'vacuumed'), said: undefined }],
    );
    assert.ok(found.every(({ source, host, stored }) => source === 'journal' && host === '' && stored === noon));
  });

  const rows: readonly [name: string, lost: Lost, delivered: number, healed: boolean][] = [
    ['all that is missing came by another source: healed', { exact: 3 }, 3, true],
    ['one is still missing', { exact: 4 }, 3, false],
    ['nobody knows how many: never healed', 'unknown', 3, false],
    ['at least so many: never healed', { atLeast: 3 }, 3, false],
  ];
  for (const [name, lost, delivered, healed] of rows) {
    it(name, () => {
      const point = (number: number) => ({ epoch: 'a', us: number * 1000, wall: noon + number });
      own.keep('kmsg', [record(1), gap(lost, { after: point(1), before: point(5) }), record(5)]);
      own.keep(
        'journal',
        [1, 2, 3, 4, 5, 6].map((number) => record(number)),
      );
      const [found, ...others] = own.read((reader) => reader.gaps({}));
      assert.deepEqual([found?.delivered, found?.healed, others.length], [delivered, healed, 0]);
    });
  }

  it('what the source itself showed in this time was not lost', () => {
    const point = (number: number) => ({ epoch: 'a', us: number * 1000 });
    own.keep('journal', [
      record(1),
      gap({ exact: 2 }, { after: point(1), before: point(9) }, 'missed'),
      record(4),
      record(5),
    ]);
    own.keep(
      'kmsg',
      [1, 2, 3, 4, 5].map((number) => record(number)),
    );
    const [found] = own.read((reader) => reader.gaps({}));
    assert.deepEqual([found?.delivered, found?.healed], [2, true]);
  });

  it('are asked for by time', () => {
    const at = (ms: number): Gap => gap('unknown', { before: { wall: noon + ms } });
    own.keep('kmsg', [at(0), at(100), gap('unknown')]);
    const count = (filter: object) => own.read((reader) => reader.gaps(filter)).length;
    assert.deepEqual([count({}), count({ since: noon + 50 }), count({ until: noon + 50 })], [3, 1, 2]);
  });
});
