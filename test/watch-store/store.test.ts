// The store: batches and their cursors in one transaction, gaps, questions, retention, older and foreign files, one writer.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { HostError } from '../../src/model/host-error.ts';
import { logFile } from '../../src/watch/sources/file.ts';
import type { Gap, Lost, SourceItem, SourceRecord } from '../../src/watch/sources/source.ts';
import { databaseFile, openForReading, openForWriting } from '../../src/watch/store/database.ts';
import { EventStore } from '../../src/watch/store/event-store.ts';
import { follow, memoryKeeper, type Told } from '../../src/watch/store/follow.ts';
import { GroupCommit } from '../../src/watch/store/group-commit.ts';
import { retain, usedBytes } from '../../src/watch/store/retention.ts';
import { type Migration, migrate, migrations, pragma } from '../../src/watch/store/schema.ts';
import { StoreReader } from '../../src/watch/store/store-reader.ts';
import { openStoreWriter } from '../../src/watch/store/store-writer.ts';

const noon = 1_700_000_000_000;
const dayMs = 86_400_000;

let root: string;
let directory: string;
let stores = 0;
before(() => {
  root = mkdtempSync(join(tmpdir(), 'bridgekeeper-store-'));
});
beforeEach(() => {
  directory = join(root, `${stores++}`);
});
after(() => rmSync(root, { recursive: true }));

function textOfPacket(number: number): string {
  return `[UFW BLOCK] IN=eth0 OUT= SRC=192.0.2.7 DST=192.0.2.1 LEN=44 TTL=54 ID=${number} PROTO=UDP SPT=1 DPT=2 LEN=24`;
}

function record(number: number, facts: Partial<SourceRecord> = {}): SourceRecord {
  const text = Buffer.from(textOfPacket(number));
  return { kind: 'record', trust: 3, epoch: 'a', us: number * 1000, wall: noon + number, text, ...facts };
}

function gap(lost: Lost, between: Gap['between'] = {}, reason: Gap['reason'] = 'overrun'): Gap {
  return { kind: 'gap', lost, reason, between };
}

function read<T>(question: (reader: StoreReader) => T): T {
  const reader = new StoreReader(directory);
  try {
    return question(reader);
  } finally {
    reader.close();
  }
}

const storedTexts = (): readonly string[] =>
  read((reader) => [...reader.events({}, 'stored')].map(({ text }) => text.toString('latin1')));

function withStore<T>(action: (store: EventStore) => T): T {
  const store = new EventStore(directory);
  try {
    return action(store);
  } finally {
    store.close();
  }
}

function keep(source: string, items: readonly SourceItem[], host = ''): void {
  withStore((store) => store.commit([{ host, source, batch: { items } }], noon));
}

const refusal =
  (code: string, words: RegExp) =>
  (error: unknown): boolean => {
    assert.equal((error as HostError).code, code);
    assert.match((error as HostError).message, words);
    return true;
  };

describe('events and cursors', () => {
  it('are one transaction: after an exception there is neither', () => {
    const poison = { ...record(2), text: undefined as unknown as Buffer };
    withStore((store) => {
      store.commit([{ host: '', source: 'kmsg', batch: { items: [record(1)], cursor: { sequence: 1 } } }], noon);
      const bad = { items: [record(3), poison], cursor: { sequence: 3 } };
      assert.throws(() => store.commit([{ host: '', source: 'kmsg', batch: bad }], noon));
    });
    withStore((store) => assert.deepEqual(store.cursor('', 'kmsg'), { sequence: 1 }));
    assert.deepEqual(storedTexts(), [textOfPacket(1)]);
  });

  it('are read back as they were; the next run goes on with numbers and knows what it has seen', () => {
    const full = record(1, { sequence: 77, wallSpan: 5 });
    const first = withStore((store) => store.commit([{ host: '', source: 'kmsg', batch: { items: [full] } }], noon));
    const again = withStore((store) =>
      store.commit([{ host: '', source: 'journal', batch: { items: [record(1), record(2)] } }], noon),
    );
    assert.deepEqual([first, again], [[[1]], [[0, 2]]]);
    const [one] = read((reader) => [...reader.events({})]);
    assert.deepEqual(
      [one?.id, one?.host, one?.epoch, one?.us, one?.wall, one?.wallSpan, one?.trust, one?.sequence, one?.folded],
      [1, '', 'a', 1000, noon + 1, 5, 3, 77, false],
    );
    assert.deepEqual(one?.sources, ['kmsg', 'journal']);
    assert.equal(one?.event.packet?.dport, 2);
  });

  it('of two machines are kept apart', () => {
    keep('kmsg', [record(1)]);
    keep('kmsg', [record(1)], 'lab');
    assert.deepEqual(
      read((reader) => [...reader.events({})].map(({ host }) => host)),
      ['', 'lab'],
    );
  });

  it('a late witness makes the stored event better, and adds none', () => {
    keep('file:/var/log/ufw.log', [{ kind: 'record', trust: 1, wall: noon, wallSpan: 999, text: record(1).text }]);
    keep('kmsg', [record(1, { sequence: 9 })]);
    const events = read((reader) => [...reader.events({})]);
    assert.deepEqual(
      events.map(({ us, wall, wallSpan, trust, sequence, sources }) => [us, wall, wallSpan, trust, sequence, sources]),
      [[1000, noon + 1, 0, 3, 9, ['file:/var/log/ufw.log', 'kmsg']]],
    );
  });

  it('a source that lost its place shows old lines again, as another witness', () => {
    const old = [1, 1, 2].map((number) => record(number, { us: undefined as never, wall: noon }));
    withStore((store) => {
      const batches = [{ items: old }, { items: [...old, record(3)], reread: true }];
      for (const batch of batches) store.commit([{ host: '', source: 'file:/x', batch }], noon);
    });
    assert.deepEqual(storedTexts(), [1, 1, 2, 3].map(textOfPacket));
  });

  it('what is no line of the firewall is not kept', () => {
    keep('kmsg', [{ ...record(1), text: Buffer.from('usb 1-1: new device') }]);
    assert.deepEqual(storedTexts(), []);
  });

  it('hardly anything in memory: the store itself knows the rest', () => {
    const store = new EventStore(directory, { capacity: 4 });
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
    const events = read((reader) => [...reader.events({})]);
    assert.equal(events.length, 300);
    assert.ok(events.every(({ sources }) => sources.length === 4));
  });

  const broken = ['{', '5', '"x"', 'null', '[]', ''];
  for (const text of broken) {
    it(`a damaged cursor (${text || 'empty'}) is none`, () => {
      withStore((store) => {
        store.commit([{ host: '', source: 'kmsg', batch: { items: [record(1)], cursor: { sequence: 1 } } }], noon);
        store.database.prepare('UPDATE reading SET cursor = ?').run(text);
      });
      withStore((store) => {
        assert.equal(store.cursor('', 'kmsg'), undefined);
        // nobody knows the place: all is read again, and stays what it is
        store.commit([{ host: '', source: 'kmsg', batch: { items: [record(1), record(2)] } }], noon);
        store.commit([{ host: '', source: 'kmsg', batch: { items: [record(2)] } }], noon);
      });
      assert.deepEqual(storedTexts(), [1, 2, 2].map(textOfPacket));
    });
  }
});

describe('one packet on its way', () => {
  const names = ['bridge-host-journal.log', 'kernel-long.log'] as const;
  const fixture = (name: (typeof names)[number]): string => join(import.meta.dirname, '../golden/logs', name);

  it('over two bridges: events of their own, with one path', async () => {
    const told: Told[] = [];
    const writer = await openStoreWriter(directory);
    assert.ok(writer !== undefined);
    const source = logFile(fixture('bridge-host-journal.log'), { once: true, history: false });
    await follow([source], writer, new AbortController().signal, (some) => void told.push(...some));
    await writer.close();
    const events = read((reader) => [...reader.events({})]);
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
    keep('kmsg', items);
    const events = read((reader) => [...reader.events({})]);
    assert.equal(events.length, 90);
    const packets = events.filter(({ path }) => path !== undefined);
    assert.ok(new Set(packets.map(({ path }) => path)).size <= packets.length / 2 + 2);
    assert.ok(packets.length > 60, `${packets.length}`);
  });

  it('not later than a second', () => {
    keep('kmsg', [record(1), record(1, { us: 2_000, wall: noon + 900 }), record(1, { us: 3_000, wall: noon + 2_000 })]);
    assert.deepEqual(
      read((reader) => [...reader.events({})].map(({ path }) => path)),
      [1, 1, 3],
    );
  });
});

describe('gaps', () => {
  const all: readonly Lost[] = [{ exact: 7 }, { atLeast: 7 }, 'unknown', 'notCovered'];
  it('come back as they were', () => {
    const between = { after: { wall: noon, epoch: 'a', us: 5, sequence: 6 }, before: { wall: noon + 1 } };
    const gaps = all.map((lost) => ({ ...gap(lost, between), said: 'Missed 7 kernel messages' }));
    keep('journal', [...gaps, gap('unknown', {}, 'vacuumed')]);
    const found = read((reader) => reader.gaps({}));
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
      keep('kmsg', [record(1), gap(lost, { after: point(1), before: point(5) }), record(5)]);
      keep(
        'journal',
        [1, 2, 3, 4, 5, 6].map((number) => record(number)),
      );
      const [found, ...others] = read((reader) => reader.gaps({}));
      assert.deepEqual([found?.delivered, found?.healed, others.length], [delivered, healed, 0]);
    });
  }

  it('what the source itself showed in this time was not lost', () => {
    const point = (number: number) => ({ epoch: 'a', us: number * 1000 });
    keep('journal', [
      record(1),
      gap({ exact: 2 }, { after: point(1), before: point(9) }, 'missed'),
      record(4),
      record(5),
    ]);
    keep(
      'kmsg',
      [1, 2, 3, 4, 5].map((number) => record(number)),
    );
    const [found] = read((reader) => reader.gaps({}));
    assert.deepEqual([found?.delivered, found?.healed], [2, true]);
  });

  it('are asked for by time', () => {
    const at = (ms: number): Gap => gap('unknown', { before: { wall: noon + ms } });
    keep('kmsg', [at(0), at(100), gap('unknown')]);
    const count = (filter: object) => read((reader) => reader.gaps(filter)).length;
    assert.deepEqual([count({}), count({ since: noon + 50 }), count({ until: noon + 50 })], [3, 1, 2]);
  });
});

describe('the group commit', () => {
  function group(): { readonly commits: number[]; readonly add: (items: number) => Promise<unknown>; close(): void } {
    const commits: number[] = [];
    const one = new GroupCommit(directory, assert.ifError);
    let number = 0;
    return {
      commits,
      add: (items) =>
        new Promise((resolve) => {
          const batch = { items: Array.from({ length: items }, () => record(number++)) };
          one.add({ host: '', source: 'kmsg', batch }, (fresh) => {
            commits.push(pragma(one.store.database, 'data_version'));
            resolve(fresh);
          });
        }),
      close: () => one.close(),
    };
  }

  it('waits 20 ms for others, and no longer', async () => {
    const { add, close } = group();
    const begin = performance.now();
    await Promise.all([add(1), add(1), add(1)]);
    const took = performance.now() - begin;
    assert.ok(took >= 19 && took < 2_000, `${took} ms`);
    close();
    assert.equal(storedTexts().length, 3);
  });

  it('does not wait when 256 are together', async () => {
    const { add, close, commits } = group();
    const waiting = [add(255), add(1)];
    assert.equal(commits.length, 2, 'stored at once');
    await Promise.all(waiting);
    const late = add(255);
    assert.equal(commits.length, 2);
    close(); // what waits is stored
    await late;
    assert.equal(storedTexts().length, 511);
  });
});

describe('retention', () => {
  function fill(numbers: number, stored: number): void {
    withStore((store) => {
      const items = Array.from({ length: numbers }, (_, at) => record(at, { us: stored + at, wall: stored + at }));
      store.commit([{ host: '', source: 'kmsg', batch: { items } }], stored);
    });
  }
  function run(retention: { readonly maxAgeMs?: number; readonly maxBytes?: number }, now: number): number {
    return withStore((store) =>
      retain(store.database, { maxAgeMs: 90 * dayMs, maxBytes: 1024 ** 3, ...retention }, now),
    );
  }

  it('removes what is too old, and says so', () => {
    fill(10, noon);
    fill(5, noon + 50 * dayMs);
    assert.equal(run({}, noon + 60 * dayMs), 0);
    assert.equal(run({}, noon + 100 * dayMs), 10);
    assert.equal(storedTexts().length, 5);
    const [gap, ...others] = read((reader) => reader.gaps({}));
    assert.deepEqual(others, []);
    assert.deepEqual([gap?.source, gap?.reason, gap?.lost], ['store', 'retention', { exact: 10 }]);
    assert.deepEqual([gap?.between.after?.wall, gap?.between.before?.wall], [noon, noon + 9]);
  });

  it('keeps the size, oldest first, with one word a day; ids are never given twice', () => {
    for (let round = 0; round < 5; round++) fill(10_000, noon + round * 100_000);
    const size = withStore((store) => usedBytes(store.database));
    assert.equal(run({ maxBytes: size }, noon + dayMs), 0);
    const removed = run({ maxBytes: size / 2 }, noon + dayMs) + run({ maxBytes: size / 4 }, noon + dayMs);
    assert.ok(removed > 20_000 && removed < 50_000, `${removed}`);
    assert.ok(withStore((store) => usedBytes(store.database)) <= size / 4);
    const left = read((reader) => [...reader.events({}, 'stored')].map(({ wall = 0 }) => wall));
    assert.equal(left.length, 50_000 - removed);
    assert.ok(Math.min(...left) >= noon + 100_000, 'the oldest are gone');
    const gaps = read((reader) => reader.gaps({}));
    assert.deepEqual(
      gaps.map(({ lost, reason }) => [lost, reason]),
      [[{ exact: removed }, 'retention']],
    );
    run({ maxAgeMs: 0 }, noon + 2 * dayMs);
    assert.deepEqual(storedTexts(), []);
    fill(1, noon + 3 * dayMs);
    assert.deepEqual(
      read((reader) => [...reader.events({})].map(({ id }) => id)),
      [50_001],
    );
  });
});

describe('retention, when the clock was wrong', () => {
  const commit = (number: number, stored: number): void => {
    const batch = { items: [record(number), gap('unknown')] };
    withStore((store) => store.commit([{ host: '', source: 'kmsg', batch }], stored));
  };
  const left = (): readonly number[] => read((reader) => [...reader.events({}, 'stored')].map(({ id }) => id));
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
      withStore((store) => retain(store.database, usual, now));
      assert.deepEqual(left(), wanted);
      const gaps = read((reader) => reader.gaps({})).filter(({ reason }) => reason !== 'retention');
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
    const one = new GroupCommit(directory, assert.ifError, { now: () => clock.now, ticks: () => clock.ticks });
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
        withStore((store) => {
          const batch = { items: new Array<SourceRecord>(most).fill(one) };
          for (let round = 0; round < times; round++) store.commit([{ host: '', source, batch }], noon);
        });
      commit('file:/var/log/kern.log', 10, 2_000);
      assert.equal(storedTexts().length, 20_000);
      commit('file:/var/log/ufw.log', 1, 50);
      assert.equal(storedTexts().length, 20_000, 'a second source shows some of them');
    });
  }

  it('claims of lost lines do not push events out', () => {
    const gap: Gap = { kind: 'gap', lost: { atLeast: 1 }, reason: 'daemon', between: {}, said: 'messages lost' };
    withStore((store) => {
      store.commit([{ host: '', source: 'file:x', batch: { items: [record(1), record(2)] } }], noon);
      store.commit([{ host: '', source: 'file:x', batch: { items: new Array<Gap>(60_000).fill(gap) } }], noon);
      retain(store.database, { maxAgeMs: 90 * dayMs, maxBytes: 4 * 2 ** 20 }, noon);
    });
    assert.equal(storedTexts().length, 2);
    assert.equal(read((reader) => reader.gaps({})).length, 10_000);
  });

  it('what was removed is recorded by its own time, by machine, also when the older came later', () => {
    const june = noon;
    const april = noon - 60 * dayMs;
    withStore((store) => {
      const batch = (wall: number) => ({ items: [record(wall % 1000, { wall })] });
      store.commit([{ host: '', source: 'stdin', batch: batch(june) }], noon);
      store.commit([{ host: 'vps', source: 'stdin', batch: batch(june + 1) }], noon);
      retain(store.database, { maxAgeMs: 90 * dayMs, maxBytes: 0 }, noon + 1);
      store.commit([{ host: '', source: 'stdin', batch: batch(april) }], noon + 2);
      retain(store.database, { maxAgeMs: 90 * dayMs, maxBytes: 0 }, noon + 3);
    });
    const gaps = read((reader) => reader.gaps({ until: april + dayMs }));
    assert.deepEqual(
      gaps.map(({ host, lost, between }) => [host, lost, between.after?.wall, between.before?.wall]),
      [['', { exact: 2 }, april, june]],
    );
    assert.equal(read((reader) => reader.gaps({ host: 'vps' })).length, 1);
  });
});

describe('files of other versions', () => {
  /** As version 1 was; a later step adds to it. */
  const steps: readonly Migration[] = [
    ...migrations,
    (database) => database.exec("ALTER TABLE event ADD COLUMN note TEXT NOT NULL DEFAULT 'none'"),
    (database) => database.exec("UPDATE event SET note = 'seen' WHERE id = 1"),
  ];

  it('older ones get what is missing, and keep what they have', () => {
    keep('kmsg', [record(1), record(2)]);
    const database = new DatabaseSync(databaseFile(directory));
    migrate(database, steps);
    assert.equal(pragma(database, 'user_version'), migrations.length + 2);
    const notes = database.prepare('SELECT id, note FROM event ORDER BY id').all();
    assert.deepEqual(
      notes.map(({ id, note }) => [id, note]),
      [
        [1, 'seen'],
        [2, 'none'],
      ],
    );
    migrate(database, steps);
    database.close();
  });

  it('a step that fails changes nothing', () => {
    keep('kmsg', [record(1)]);
    const database = new DatabaseSync(databaseFile(directory));
    const bad: Migration = (one) => one.exec('ALTER TABLE event ADD COLUMN note TEXT; SELECT nonsense');
    assert.throws(() => migrate(database, [...migrations, bad]), /nonsense/);
    assert.equal(pragma(database, 'user_version'), migrations.length);
    assert.ok(!database.prepare('SELECT * FROM event').get()?.note);
    database.close();
    assert.deepEqual(storedTexts(), [textOfPacket(1)]);
  });

  const rows: readonly [name: string, make: (database: DatabaseSync) => void, code: string, words: RegExp][] = [
    [
      'a newer one is left alone',
      (database) => {
        migrate(database, steps);
        database.exec(`PRAGMA user_version = ${migrations.length + 1}`);
      },
      'store-too-new',
      new RegExp(`version ${migrations.length + 1}, this program knows ${migrations.length}`),
    ],
    [
      'a file of another program is left alone',
      (database) => database.exec('CREATE TABLE bookmarks (url TEXT)'),
      'store-foreign',
      /not an event store/,
    ],
    [
      'also one that has a version of its own',
      (database) => database.exec('PRAGMA application_id = 7; PRAGMA user_version = 1'),
      'store-foreign',
      /not an event store/,
    ],
  ];
  for (const [name, make, code, words] of rows) {
    it(name, () => {
      mkdirSync(directory);
      const database = new DatabaseSync(databaseFile(directory));
      make(database);
      database.close();
      const before = readFileSync(databaseFile(directory));
      assert.throws(() => openForWriting(directory), refusal(code, words));
      assert.throws(() => openForReading(directory), refusal(code, words));
      if (code === 'store-foreign') assert.deepEqual(readFileSync(databaseFile(directory)), before, 'not one byte');
    });
  }

  it('what is no database at all is refused', () => {
    mkdirSync(directory);
    writeFileSync(databaseFile(directory), 'dear diary, '.repeat(1000));
    for (const open of [openForWriting, openForReading])
      assert.throws(() => open(directory), refusal('store-damaged', /not a database/));
  });

  it('where there is none, a reader says so', () => {
    assert.throws(() => openForReading(directory), refusal('store-absent', /no event store/));
    mkdirSync(directory);
    writeFileSync(databaseFile(directory), '');
    assert.throws(() => openForReading(directory), refusal('store-absent', /no event store .* yet/));
  });
});

describe('one writer', () => {
  it('at a time; readers as many as like, who see what is committed', async () => {
    const writer = await openStoreWriter(directory);
    assert.ok(writer !== undefined);
    assert.equal(await openStoreWriter(directory), undefined, 'the second one may read');
    const reader = new StoreReader(directory);
    const before = reader.version();
    assert.deepEqual(
      await writer.store('', 'kmsg', { items: [record(1), record(1)], cursor: { sequence: 2 } }),
      [1, 2],
    );
    assert.deepEqual(await writer.cursor('', 'kmsg'), { sequence: 2 });
    assert.notEqual(reader.version(), before);
    assert.deepEqual(reader.last(), { event: 2, gap: 0 });
    await writer.close();
    const next = await openStoreWriter(directory);
    assert.ok(next !== undefined, 'the lock is free again');
    assert.deepEqual(await next.cursor('', 'kmsg'), { sequence: 2 });
    await next.close();
    reader.close();
  });

  it('gives the lock back also when closing fails', async () => {
    const writer = await openStoreWriter(directory);
    assert.ok(writer !== undefined);
    const poison = { ...record(2), text: undefined as unknown as Buffer };
    const storing = writer.store('', 'kmsg', { items: [poison] });
    const [stored, closed] = await Promise.allSettled([storing, writer.close()]);
    assert.equal(stored.status, 'rejected', `${closed.status}`);
    const next = await openStoreWriter(directory);
    assert.ok(next !== undefined, 'the lock is free again');
    await next.close();
  });

  it('has a lock that nobody else can take, whatever the umask', async () => {
    const before = process.umask(0);
    try {
      const writer = await openStoreWriter(directory);
      const modes = readdirSync(directory).map((name) => [
        name,
        (statSync(join(directory, name)).mode & 0o777).toString(8),
      ]);
      await writer?.close();
      assert.deepEqual(
        modes.filter(([name]) => name?.startsWith('writer.lock')),
        [
          ['writer.lock', '600'],
          ['writer.lock-journal', '600'],
        ],
      );
    } finally {
      process.umask(before);
    }
  });

  it('that cannot open its store gives the lock back', async () => {
    mkdirSync(directory);
    const database = new DatabaseSync(databaseFile(directory));
    database.exec('CREATE TABLE bookmarks (url TEXT)');
    database.close();
    for (let attempt = 0; attempt < 2; attempt++)
      await assert.rejects(openStoreWriter(directory), refusal('store-foreign', /not an event store/));
  });

  it('stops all sources when it fails', async () => {
    const failing = {
      cursor: async () => undefined,
      store: async () => {
        await sleep(1);
        throw new Error('the disk is gone');
      },
    };
    const source = (name: string, isQuiet: boolean) => ({
      name,
      host: '',
      async *batches(_: unknown, signal: AbortSignal) {
        if (!isQuiet) yield { items: [record(1)] };
        while (!signal.aborted) await sleep(1);
      },
    });
    const following = follow(
      [source('kmsg', false), source('journal', true)],
      failing,
      new AbortController().signal,
      () => assert.fail('nothing was stored'),
    );
    await assert.rejects(following, /the disk is gone/);
  });
});

describe('without a store', () => {
  it('lines are told once as well', async () => {
    const keeper = memoryKeeper();
    const of = (source: string, items: readonly SourceItem[], reread = false) =>
      keeper.store('', source, { items, reread });
    assert.deepEqual(await of('kmsg', [record(1), record(1), gap('unknown'), record(2)]), [1, 2, 0, 3]);
    assert.deepEqual(await of('journal', [record(1), record(1), record(1)]), [0, 0, 4]);
    assert.deepEqual(await of('journal', [record(1), record(3)], true), [0, 5]);
    assert.equal(await keeper.cursor('', 'kmsg'), undefined);
  });
});
