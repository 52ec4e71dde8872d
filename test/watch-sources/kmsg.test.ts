// The real /dev/kmsg: what the kernel logs and what programs write into it, and that every loss is told exactly.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { BootClock, bootId } from '../../src/watch/sources/boot-clock.ts';
import { KmsgReading, kmsg } from '../../src/watch/sources/kmsg.ts';
import type { KmsgRecord } from '../../src/watch/sources/kmsg-record.ts';
import type { Cursor, Gap, SourceRecord } from '../../src/watch/sources/source.ts';
import { collect, textOf } from './collected.ts';
import { Chatter, lockRing, needsRing, type RingLock, turnRingOver, watchNumbers, writeMark } from './ring.ts';

const epoch = bootId() ?? '';

/** A mark is no log line, unless it says `IN=`. */
function mark(): string {
  return `bridgekeeper test ${randomUUID()} IN=`;
}

describe('numbers of records', () => {
  const record = (sequence: number, text = 'IN='): KmsgRecord => ({
    sequence,
    us: sequence * 10,
    facility: 0,
    text: Buffer.from(text),
  });
  type Step = number | 'overrun' | readonly [quiet: number];
  const rows: readonly [
    name: string,
    cursor: Cursor | undefined,
    steps: readonly Step[],
    seen: readonly string[],
    last: number,
  ][] = [
    ['none are missing', undefined, [5, 6, 7], ['5', '6', '7'], 7],
    ['others than log lines count, too', undefined, [5, [6], 7], ['5', '7'], 7],
    ['the first one may be any', undefined, [500], ['500'], 500],
    ['EPIPE, then a hole', undefined, [5, 'overrun', 9], ['5', 'overrun 3', '9'], 9],
    ['a hole without a word', undefined, [5, 9], ['5', 'hole 3', '9'], 9],
    ['EPIPE without a hole', undefined, [5, 'overrun', 6], ['5', '6'], 6],
    ['a hole before a record that is no log line', undefined, [5, [9], 10], ['5', 'hole 3', '10'], 10],
    ['read on', { boot: 'this', sequence: 6 }, [5, 6, 7], ['7'], 7],
    ['read on, nothing is lost', { boot: 'this', sequence: 4 }, [5], ['5'], 5],
    ['the ring went round meanwhile', { boot: 'this', sequence: 6 }, [20], ['overrun 13', '20'], 20],
    ['the machine was started anew', { boot: 'other', sequence: 900 }, [0, 1], ['reboot ?', '0', '1'], 1],
    ['started anew, and the ring went round', { boot: 'other', sequence: 900 }, [7], ['reboot ?', 'overrun 7', '7'], 7],
    ['a cursor that is none', { boot: 5, sequence: 'x' }, [7], ['7'], 7],
  ];
  for (const [name, cursor, steps, seen, last] of rows) {
    it(name, () => {
      const reading = new KmsgReading('this', cursor, new BootClock(0));
      for (const step of steps) {
        if (step === 'overrun') reading.overrun();
        else if (typeof step === 'number') reading.accept(record(step), undefined);
        else reading.accept(record(step[0], 'usb'), undefined);
      }
      const batch = reading.take(100);
      const found = (batch?.items ?? []).map((item) => {
        if (item.kind === 'record') return `${item.sequence}`;
        if (item.kind === 'finding') return item.code;
        return `${item.reason} ${typeof item.lost === 'object' && 'exact' in item.lost ? item.lost.exact : '?'}`;
      });
      assert.deepEqual(found, seen);
      assert.deepEqual((reading.position(0) ?? batch)?.cursor, { boot: 'this', sequence: last });
    });
  }

  it('a batch that ends anywhere has a cursor that tells nothing twice', () => {
    const feed = (cursor: Cursor | undefined): KmsgReading => {
      const reading = new KmsgReading('this', cursor, new BootClock(0));
      for (const sequence of [5, 6, 9, 10, 20, 21])
        reading.accept(record(sequence, sequence === 10 ? 'usb' : 'IN='), undefined);
      return reading;
    };
    const whole = feed(undefined).take(100)?.items ?? [];
    assert.equal(whole.length, 7);
    for (let size = 1; size < 7; size++) {
      const first = feed(undefined).take(size);
      const rest = feed(first?.cursor).take(100);
      const kinds = [...(first?.items ?? []), ...(rest?.items ?? [])].map((item) =>
        item.kind === 'record' ? item.sequence : item.kind,
      );
      assert.deepEqual(
        kinds,
        whole.map((item) => (item.kind === 'record' ? item.sequence : item.kind)),
        `${size}`,
      );
    }
  });

  it('the clock follows what it sees', () => {
    const clock = new BootClock(1_000_000);
    assert.equal(clock.wallOf(5_000_000), 1_005_000);
    clock.learn(5_000_000, 1_004_000, 1_006_000);
    assert.equal(clock.wallOf(5_000_000), 1_005_000, 'nothing new');
    clock.learn(6_000_000, 3_600_000, 3_600_050); // the machine was suspended
    assert.equal(clock.wallOf(6_000_000), 3_600_000);
    clock.learn(7_000_000, 3_500_000, 3_600_500); // the clock was behind
    assert.equal(clock.wallOf(7_000_000), 3_600_500);
  });
});

describe('the device', () => {
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'bridgekeeper-kmsg-'));
  });
  after(() => rmSync(directory, { recursive: true }));

  it('that is not there is a finding', async () => {
    const { findings } = await collect(kmsg({ device: join(directory, 'none') }));
    assert.deepEqual(
      findings.map(({ code }) => code),
      ['kmsg-absent'],
    );
  });

  it('that cannot be read is a finding', async () => {
    const { findings } = await collect(kmsg({ device: directory, pollMs: 1 }));
    assert.deepEqual(
      findings.map(({ code }) => code),
      ['kmsg-refused'],
    );
  });
});

describe('the kernel ring', { skip: needsRing }, () => {
  let lock: RingLock;
  before(async () => {
    lock = await lockRing();
  });
  after(() => lock.release());

  const has =
    (text: string) =>
    ({ texts }: { readonly texts: readonly string[] }): boolean =>
      texts.includes(text);

  it('shows what a program writes, without trust, and when it was', async () => {
    const text = mark();
    const at = Date.now();
    const following = collect(kmsg(), { enough: has(text) });
    await sleep(60);
    writeMark(text);
    const { records, findings } = await following;
    const own = records.find((record) => textOf(record) === text);
    assert.equal(own?.facility, 1);
    assert.equal(own?.trust, 1);
    assert.equal(own?.epoch, epoch);
    const after = (own?.wall ?? 0) - at;
    assert.ok(after > -1_000 && after < Date.now() - at + 1_000, `${after} ms`);
    assert.deepEqual(findings, []);
  });

  it('gives bytes back as they were', async () => {
    const text = `${mark()}\x1b[31m \\x41 \\ \xff`;
    const following = collect(kmsg(), {
      enough: ({ texts }) => texts.some((one) => one.startsWith(text.slice(0, 40))),
    });
    writeMark(Buffer.from(text, 'latin1').toString('latin1'));
    const { texts } = await following;
    // the file system layer got UTF-8 from us
    assert.ok(texts.includes(Buffer.from(text, 'utf8').toString('latin1')));
  });

  it('goes on where it was', async () => {
    const [first, second] = [mark(), mark()];
    writeMark(first);
    const { cursor } = await collect(kmsg(), { enough: has(first) });
    writeMark(second);
    const { texts, gaps } = await collect(kmsg(), { cursor, enough: has(second) });
    assert.ok(!texts.includes(first));
    assert.deepEqual(gaps, []);
  });

  it('shows real log lines with full trust', async () => {
    const chatter = await Chatter.start('kmsg');
    try {
      const following = collect(kmsg(), { enough: ({ texts }) => own(texts).length >= 50 });
      const own = (texts: readonly string[]): readonly string[] =>
        texts.filter((text) => text.startsWith(chatter.prefix));
      await chatter.send(50);
      const { records, texts } = await following;
      assert.equal(new Set(own(texts)).size, 50);
      for (const record of records.filter((one) => textOf(one).startsWith(chatter.prefix))) {
        assert.deepEqual([record.facility, record.trust], [0, 3]);
      }
    } finally {
      await chatter.stop();
    }
  });

  it('that went round while nobody looked: the gap says how many, exactly', async () => {
    const text = mark();
    writeMark(text);
    const { cursor } = await collect(kmsg(), { enough: has(text) });
    const watched = watchNumbers();
    await turnRingOver();
    const end = mark();
    writeMark(end);
    const { gaps, records } = await collect(kmsg(), { cursor, enough: has(end) });
    assert.equal(gaps.length, 1);
    assertExact(gaps[0], cursor, records, watched.stop());
  });

  it('that went round while we slept: EPIPE, and the gap says how many, exactly', async () => {
    const [begin, end] = [mark(), mark()];
    let cursor: Cursor | undefined;
    const pollMs = 20_000; // it reads at once and then sleeps
    writeMark(begin);
    const watched = watchNumbers();
    const following = collect(kmsg({ pollMs }), {
      enough: (collected) => {
        cursor ??= collected.cursor;
        return has(end)(collected);
      },
    });
    await turnRingOver();
    writeMark(end);
    const { gaps, records } = await following;
    const later = records.filter(({ sequence = 0 }) => sequence > Number(cursor?.sequence));
    assert.deepEqual(
      gaps.map(({ reason }) => reason),
      ['overrun'],
    );
    assertExact(gaps[0], cursor, later, watched.stop());
  });
});

/** From the place to the first record that was read: so many had the kernel, by the count of another reader. */
function assertExact(
  gap: Gap | undefined,
  cursor: Cursor | undefined,
  records: readonly SourceRecord[],
  numbers: readonly number[],
): void {
  const from = Number(cursor?.sequence);
  const before = gap?.between.before?.sequence ?? 0;
  const between = numbers.filter((number) => number > from && number < before);
  assert.ok(between.length > 100, `${between.length}`);
  assert.deepEqual(gap?.lost, { exact: between.length });
  assert.ok(records.every(({ sequence = 0 }) => sequence >= before));
}
