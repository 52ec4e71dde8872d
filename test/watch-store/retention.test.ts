// What makes room, and what a flood may do.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Gap, SourceRecord } from '../../src/watch/sources/source.ts';
import { GroupCommit } from '../../src/watch/store/group-commit.ts';
import { retain, usedBytes } from '../../src/watch/store/retention.ts';
import { dayMs, gap, noon, OwnStore, record, textOfPacket } from './own-store.ts';

const own = new OwnStore();

describe('retention', () => {
  function fill(numbers: number, stored: number): void {
    own.with((store) => {
      const items = Array.from({ length: numbers }, (_, at) => record(at, { us: stored + at, wall: stored + at }));
      store.commit([{ host: '', source: 'kmsg', batch: { items } }], stored);
    });
  }
  function run(retention: { readonly maxAgeMs?: number; readonly maxBytes?: number }, now: number): number {
    return own.with((store) =>
      retain(store.database, { maxAgeMs: 90 * dayMs, maxBytes: 1024 ** 3, ...retention }, now),
    );
  }

  it('removes what is too old, and says so', () => {
    fill(10, noon);
    fill(5, noon + 50 * dayMs);
    assert.equal(run({}, noon + 60 * dayMs), 0);
    assert.equal(run({}, noon + 100 * dayMs), 10);
    assert.equal(own.texts.length, 5);
    const [gap, ...others] = own.read((reader) => reader.gaps({}));
    assert.deepEqual(others, []);
    assert.deepEqual([gap?.source, gap?.reason, gap?.lost], ['store', 'retention', { exact: 10 }]);
    assert.deepEqual([gap?.between.after?.wall, gap?.between.before?.wall], [noon, noon + 9]);
  });

  it('keeps the size, oldest first, with one word a day; ids are never given twice', () => {
    for (let round = 0; round < 5; round++) fill(10_000, noon + round * 100_000);
    const size = own.with((store) => usedBytes(store.database));
    assert.equal(run({ maxBytes: size }, noon + dayMs), 0);
    const removed = run({ maxBytes: size / 2 }, noon + dayMs) + run({ maxBytes: size / 4 }, noon + dayMs);
    assert.ok(removed > 20_000 && removed < 50_000, `${removed}`);
    assert.ok(own.with((store) => usedBytes(store.database)) <= size / 4);
    const left = own.read((reader) => [...reader.events({}, 'stored')].map(({ wall = 0 }) => wall));
    assert.equal(left.length, 50_000 - removed);
    assert.ok(Math.min(...left) >= noon + 100_000, 'the oldest are gone');
    const gaps = own.read((reader) => reader.gaps({}));
    assert.deepEqual(
      gaps.map(({ lost, reason }) => [lost, reason]),
      [[{ exact: removed }, 'retention']],
    );
    run({ maxAgeMs: 0 }, noon + 2 * dayMs);
    assert.deepEqual(own.texts, []);
    fill(1, noon + 3 * dayMs);
    assert.deepEqual(
      own.read((reader) => [...reader.events({})].map(({ id }) => id)),
      [50_001],
    );
  });
});

describe('floods', () => {
  for (const [what, us] of [
    ['without a stamp', undefined],
    ['with one forged stamp', 12_345],
  ] as const) {
    it(`keeps more equal lines of one moment than it remembers, each once: ${what}`, () => {
      const stamp = us === undefined ? {} : { us };
      const text = Buffer.from(textOfPacket(7));
      const one: SourceRecord = { kind: 'record', trust: 1, wall: noon, wallSpan: 999, text, ...stamp };
      const commit = (source: string, times: number, most: number): void =>
        own.with((store) => {
          const batch = { items: new Array<SourceRecord>(most).fill(one) };
          for (let round = 0; round < times; round++) store.commit([{ host: '', source, batch }], noon);
        });
      commit('file:/var/log/kern.log', 10, 2_000);
      assert.equal(own.texts.length, 20_000);
      commit('file:/var/log/ufw.log', 1, 50);
      assert.equal(own.texts.length, 20_000, 'a second source shows some of them');
    });
  }

  it('claims of lost lines do not push events out', () => {
    const gap: Gap = { kind: 'gap', lost: { atLeast: 1 }, reason: 'daemon', between: {}, said: 'messages lost' };
    own.with((store) => {
      store.commit([{ host: '', source: 'file:x', batch: { items: [record(1), record(2)] } }], noon);
      store.commit([{ host: '', source: 'file:x', batch: { items: new Array<Gap>(60_000).fill(gap) } }], noon);
      retain(store.database, { maxAgeMs: 90 * dayMs, maxBytes: 4 * 2 ** 20 }, noon);
    });
    assert.equal(own.texts.length, 2);
    assert.equal(own.read((reader) => reader.gaps({})).length, 10_000);
  });

  it('what was removed is recorded by its own time, by machine, also when the older came later', () => {
    const june = noon;
    const april = noon - 60 * dayMs;
    own.with((store) => {
      const batch = (wall: number) => ({ items: [record(wall % 1000, { wall })] });
      store.commit([{ host: '', source: 'stdin', batch: batch(june) }], noon);
      store.commit([{ host: 'vps', source: 'stdin', batch: batch(june + 1) }], noon);
      retain(store.database, { maxAgeMs: 90 * dayMs, maxBytes: 0 }, noon + 1);
      store.commit([{ host: '', source: 'stdin', batch: batch(april) }], noon + 2);
      retain(store.database, { maxAgeMs: 90 * dayMs, maxBytes: 0 }, noon + 3);
    });
    const gaps = own.read((reader) => reader.gaps({ until: april + dayMs }));
    assert.deepEqual(
      gaps.map(({ host, lost, between }) => [host, lost, between.after?.wall, between.before?.wall]),
      [['', { exact: 2 }, april, june]],
    );
    assert.equal(own.read((reader) => reader.gaps({ host: 'vps' })).length, 1);
  });
});

describe('retention, when the clock was wrong', () => {
  const commit = (number: number, stored: number): void => {
    const batch = { items: [record(number), gap('unknown')] };
    own.with((store) => store.commit([{ host: '', source: 'kmsg', batch }], stored));
  };
  const left = (): readonly number[] => own.read((reader) => [...reader.events({}, 'stored')].map(({ id }) => id));
  const usual = { maxAgeMs: 90 * dayMs, maxBytes: 1024 ** 3 };
  const future = noon + 4_000 * dayMs;
  const past = 1_000;

  const rows: readonly (readonly [what: string, stored: readonly number[], now: number, left: readonly number[]])[] = [
    [
      'in the future for a while: it keeps nothing for ever',
      [noon, future, noon + 1, noon + 80 * dayMs],
      noon + 100 * dayMs,
      [4],
    ],
    ['in the future just now: what it stored is not old', [future, noon, noon + 1], noon + 80 * dayMs, [1, 2, 3]],
    ['in the future, and nothing came since: of no known age', [future, future], noon, [1, 2]],
    ['in the past for a while: nothing goes before its time', [noon, past, noon + 1], noon + 80 * dayMs, [1, 2, 3]],
    [
      'in the past for a while: it goes with its neighbours',
      [noon, past, noon + 1, noon + 80 * dayMs],
      noon + 100 * dayMs,
      [4],
    ],
    ['in the past, last of all', [noon - 100 * dayMs, noon, past], noon, [2, 3]],
  ];
  for (const [what, stored, now, wanted] of rows) {
    it(what, () => {
      for (const [at, time] of stored.entries()) commit(at, time);
      own.with((store) => retain(store.database, usual, now));
      assert.deepEqual(left(), wanted);
      const gaps = own.read((reader) => reader.gaps({})).filter(({ reason }) => reason !== 'retention');
      assert.deepEqual(
        gaps.map(({ id }) => id),
        wanted,
      );
    });
  }

  it('set forward by years while we run: nothing is old at once; set right again, all goes on', async () => {
    commit(0, noon - 100 * dayMs);
    commit(1, noon);
    const clock = { now: noon + 1, ticks: 5 };
    const one = new GroupCommit(own.directory, assert.ifError, { now: () => clock.now, ticks: () => clock.ticks });
    const add = async (number: number): Promise<void> => {
      one.add({ host: '', source: 'kmsg', batch: { items: [record(number)] } }, () => undefined);
      one.flush();
    };
    clock.now = future;
    await add(2);
    assert.deepEqual(left(), [2, 3]);
    clock.ticks += 91 * dayMs;
    clock.now = noon + 91 * dayMs;
    await add(3);
    one.close();
    assert.deepEqual(left(), [3, 4], 'the one of the future goes when one that came later is old');
  });
});
