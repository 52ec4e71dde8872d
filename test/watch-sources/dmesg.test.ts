// The real dmesg(1) on the real ring; what it does not tell, as loss between two looks, is told by their overlap.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { BootClock, bootId } from '../../src/watch/sources/boot-clock.ts';
import { DmesgReading, dmesg } from '../../src/watch/sources/dmesg.ts';
import { kmsg } from '../../src/watch/sources/kmsg.ts';
import type { Cursor } from '../../src/watch/sources/source.ts';
import { standardInput } from '../../src/watch/sources/standard-input.ts';
import { collect, textOf } from './collected.ts';
import { Chatter, lockRing, needsRing, type RingLock, turnRingOver, writeMark } from './ring.ts';

function mark(): string {
  return `bridgekeeper test ${randomUUID()} IN=`;
}

describe('looks at a ring', () => {
  const line = (us: number, priority = 4): string => `<${priority}>[    ${(us / 1e6).toFixed(6)}] IN=${us}\n`;
  const look = (...stamps: readonly number[]): { readonly dump: Buffer; readonly facilities: boolean } => ({
    dump: Buffer.from(stamps.map((us) => line(us)).join('')),
    facilities: true,
  });
  const rows: readonly [
    name: string,
    cursor: Cursor | undefined,
    looks: readonly (readonly number[])[],
    seen: readonly string[],
  ][] = [
    [
      'overlap',
      undefined,
      [
        [1, 2, 3],
        [2, 3, 4],
      ],
      ['1', '2', '3', '4'],
    ],
    [
      'do not overlap',
      undefined,
      [
        [1, 2, 3],
        [4, 5],
      ],
      ['1', '2', '3', 'no-overlap', '4', '5'],
    ],
    [
      'show nothing new',
      undefined,
      [
        [1, 2],
        [1, 2],
      ],
      ['1', '2'],
    ],
    ['show nothing at all', undefined, [[], []], []],
    ['come after a restart of the machine', { boot: 'other', tail: ['x'], us: 5 }, [[1]], ['reboot', '1']],
    ['come with a cursor of another kind', { boot: 'this', tail: 'x' }, [[1]], ['1']],
  ];
  for (const [name, cursor, looks, seen] of rows) {
    it(name, () => {
      const reading = new DmesgReading('this', cursor, new BootClock(0));
      const items = looks.flatMap((stamps) => reading.accept(look(...stamps), 0, 0).batch?.items ?? []);
      assert.deepEqual(
        items.map((item) => (item.kind === 'record' ? `${item.us}` : item.kind === 'gap' ? item.reason : item.code)),
        seen,
      );
    });
  }

  it('go on from a cursor', () => {
    const first = new DmesgReading('this', undefined, new BootClock(0)).accept(look(1, 2, 3), 0, 0);
    const next = new DmesgReading('this', first.batch?.cursor, new BootClock(0)).accept(look(2, 3, 4), 0, 0);
    assert.deepEqual(
      next.batch?.items.map((item) => item.kind === 'record' && item.us),
      [4],
    );
  });

  it('are trusted only as far as the facility can be', () => {
    const rows: readonly [priority: number, facilities: boolean, trust: number][] = [
      [4, true, 3],
      [12, true, 1],
      [36, true, 1],
      [4, false, 2],
      [12, false, 1],
    ];
    for (const [priority, facilities, trust] of rows) {
      const reading = new DmesgReading('this', undefined, new BootClock(0));
      const [item] = reading.accept({ dump: Buffer.from(line(1, priority)), facilities }, 0, 0).batch?.items ?? [];
      assert.equal(item?.kind === 'record' && item.trust, trust, `${priority}`);
    }
  });
});

describe('dmesg on this machine', { skip: needsRing }, () => {
  let lock: RingLock;
  before(async () => {
    lock = await lockRing();
  });
  after(() => lock.release());

  it('shows real log lines as kmsg does, with the same stamps', async () => {
    const chatter = await Chatter.start('dmesg');
    try {
      const own = (texts: readonly string[]): number => texts.filter((text) => text.startsWith(chatter.prefix)).length;
      const both = [dmesg({ pollMs: 50 }), kmsg()].map((source) =>
        collect(source, { enough: ({ texts }) => own(texts) >= 40 }),
      );
      await chatter.send(40);
      const [byDmesg, byKmsg] = (await Promise.all(both)).map(({ records }) =>
        records
          .filter((record) => textOf(record).startsWith(chatter.prefix))
          .map((record) => ({ ...record, text: textOf(record) })),
      );
      assert.equal(byDmesg?.length, 40);
      assert.deepEqual(
        byDmesg?.map(({ us, text, trust, epoch, facility }) => ({ us, text, trust, epoch, facility })),
        byKmsg?.map(({ us, text, trust, epoch, facility }) => ({ us, text, trust, epoch, facility })),
      );
      for (const [at, { wall = 0 }] of (byDmesg ?? []).entries())
        assert.ok(Math.abs(wall - (byKmsg?.[at]?.wall ?? 0)) < 500);
    } finally {
      await chatter.stop();
    }
  });

  it('is read in every form that it prints, when it was saved', async () => {
    const chatter = await Chatter.start('saved');
    const own = ({ texts }: { readonly texts: readonly string[] }): readonly string[] =>
      texts.filter((text) => text.startsWith(chatter.prefix));
    try {
      const live = collect(kmsg(), { enough: (collected) => own(collected).length >= 10 });
      await chatter.send(10);
      const wanted = own(await live);
      const forms = ['', '-r', '-x', '-T', '-H', '-e', '-d', '-t', '-x -H', '-x -T', '-x -d', '-x -t'];
      for (const form of [...forms, '-d -T', '--time-format delta', '--time-format iso']) {
        const options = ['--nopager', ...form.split(' ').filter((word) => word !== '')];
        const saved = execFileSync('dmesg', options, { maxBuffer: 1 << 26 });
        assert.deepEqual(own(await collect(standardInput({ input: Readable.from([saved]) }))), wanted, `dmesg ${form}`);
      }
    } finally {
      await chatter.stop();
    }
  });

  it('does not take a program for the kernel, whatever facility it claims', async () => {
    const facilities = [1, 4, 10, 16, 23];
    const texts = facilities.map(() => mark());
    const forged = mark();
    const following = collect(dmesg({ pollMs: 50 }), {
      enough: (collected) => [...texts, forged].every((text) => collected.texts.some((one) => one.endsWith(text))),
    });
    for (const [at, facility] of facilities.entries()) writeMark(texts[at] ?? '', facility);
    writeMark(`x\n<4>[    1.000000] ${forged}`);
    const { records } = await following;
    for (const text of [...texts, forged]) {
      const own = records.filter((record) => textOf(record).endsWith(text));
      assert.deepEqual(
        own.map(({ trust }) => trust),
        [1],
        text,
      );
    }
  });

  it('goes on where it was, and tells when it cannot', async () => {
    const [first, second, third] = [mark(), mark(), mark()];
    const until =
      (text: string) =>
      ({ texts }: { readonly texts: readonly string[] }): boolean =>
        texts.includes(text);
    writeMark(first);
    const one = await collect(dmesg({ pollMs: 50 }), { enough: until(first) });
    assert.equal(one.cursor?.boot, bootId());
    writeMark(second);
    const two = await collect(dmesg({ pollMs: 50 }), { cursor: one.cursor, enough: until(second) });
    assert.ok(!two.texts.includes(first));
    assert.deepEqual(two.gaps, []);
    await turnRingOver();
    writeMark(third);
    await sleep(10);
    const three = await collect(dmesg({ pollMs: 50 }), { cursor: two.cursor, enough: until(third) });
    assert.deepEqual(
      three.gaps.map(({ lost, reason }) => [lost, reason]),
      [['unknown', 'no-overlap']],
    );
  });

  it('that is not installed is a finding', async () => {
    const path = process.env.PATH;
    process.env.PATH = '/nowhere';
    try {
      assert.deepEqual(
        (await collect(dmesg())).findings.map(({ code }) => code),
        ['dmesg-absent'],
      );
    } finally {
      process.env.PATH = path;
    }
  });
});
