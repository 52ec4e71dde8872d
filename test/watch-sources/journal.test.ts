// The real journald and the real journalctl: the kernel's lines by the journal, what journald lost, what was vacuumed.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import { bootId } from '../../src/watch/sources/boot-clock.ts';
import { JournalReading, journal } from '../../src/watch/sources/journal.ts';
import { kmsg } from '../../src/watch/sources/kmsg.ts';
import type { SourceRecord } from '../../src/watch/sources/source.ts';
import { standardInput } from '../../src/watch/sources/standard-input.ts';
import { collect, textOf } from './collected.ts';
import { emptyJournal, Journald, needsJournald } from './journald.ts';
import { Chatter, lockRing, type RingLock, turnRingOver, writeMark } from './ring.ts';

function mark(): string {
  return `bridgekeeper test ${randomUUID()} IN=`;
}

const until =
  (text: string) =>
  ({ texts }: { readonly texts: readonly string[] }): boolean =>
    texts.includes(text);

describe('a cursor', () => {
  const entry = (cursor: string): Buffer =>
    Buffer.from(`__CURSOR=${cursor}\n_TRANSPORT=kernel\nSYSLOG_FACILITY=0\nMESSAGE=IN=${cursor}\n\n`);
  const rows: readonly [name: string, from: string | undefined, given: readonly string[], seen: readonly string[]][] = [
    ['there is none', undefined, ['a', 'b'], ['IN=a', 'IN=b']],
    ['what it points at is there, and was seen', 'a', ['a', 'b'], ['IN=b']],
    ['what it points at has been vacuumed', 'a', ['b', 'c'], ['vacuumed', 'IN=b', 'IN=c']],
  ];
  for (const [name, from, given, seen] of rows) {
    it(name, () => {
      const reading = new JournalReading(from, true);
      const items = given.flatMap((cursor) => reading.accept(entry(cursor)));
      assert.deepEqual(
        items.map((item) => (item.kind === 'record' ? textOf(item) : item.kind === 'gap' ? item.reason : item.code)),
        seen,
      );
      assert.equal(reading.cursor, given.at(-1));
    });
  }
});

describe('journald on this machine', { skip: needsJournald }, () => {
  let lock: RingLock;
  let journald: Journald;
  let directory: string;
  before(async () => {
    lock = await lockRing();
    journald = await Journald.start();
    directory = mkdtempSync(join(tmpdir(), 'bridgekeeper-journal-'));
  });
  after(async () => {
    await journald?.end();
    rmSync(directory, { recursive: true });
    await lock.release();
  });
  const source = () => journal({ directory: journald.directory });

  it('shows real log lines as kmsg does, with the same stamps and full trust', async () => {
    const chatter = await Chatter.start('journal');
    try {
      const own = (texts: readonly string[]): number => texts.filter((text) => text.startsWith(chatter.prefix)).length;
      const both = [source(), kmsg()].map((one) => collect(one, { enough: ({ texts }) => own(texts) >= 40 }));
      await chatter.send(40);
      const facts = ({ us, trust, epoch, facility, text }: SourceRecord) => ({
        us,
        trust,
        epoch,
        facility,
        text: Buffer.from(text).toString('latin1'),
      });
      const [byJournal, byKmsg] = (await Promise.all(both)).map(({ records }) =>
        records.filter((record) => textOf(record).startsWith(chatter.prefix)),
      );
      assert.equal(byJournal?.length, 40);
      assert.deepEqual(byJournal?.map(facts), byKmsg?.map(facts));
      for (const [at, { wall = 0 }] of (byJournal ?? []).entries())
        assert.ok(Math.abs(wall - (byKmsg?.[at]?.wall ?? 0)) < 500);
    } finally {
      await chatter.stop();
    }
  });

  it('is read alike as export and as JSON, when it was saved', async () => {
    const odd = `${mark()}\x1b[31m \\x41 \xff ü`;
    writeMark(odd);
    await collect(source(), { enough: ({ texts }) => texts.includes(Buffer.from(odd).toString('latin1')) });
    const saved = (form: string, ...range: readonly string[]): Buffer => {
      const options = ['--directory', journald.directory, '-o', form, ...range, '--no-pager'];
      return execFileSync('journalctl', options, { maxBuffer: 1 << 26 });
    };
    const read = (text: Buffer) => collect(standardInput({ input: Readable.from([text]) }));
    const exported = saved('export', '-n', '500');
    const [, first = ''] = /^__CURSOR=(.*)$/m.exec(exported.toString('latin1')) ?? [];
    const byExport = await read(exported);
    const byJson = await read(saved('json', `--cursor=${first}`));
    assert.ok(byExport.records.length > 0);
    // more may have come meanwhile
    assert.deepEqual(byJson.items.slice(0, byExport.items.length), byExport.items);
  });

  it('does not take a program for the kernel; bytes come as they are', async () => {
    const text = mark();
    const bytes = `${mark()}\x1b[31m \\x41 ü`;
    writeMark(text);
    writeMark(bytes);
    const latin = Buffer.from(bytes).toString('latin1');
    const { records } = await collect(source(), {
      enough: ({ texts }) => texts.includes(text) && texts.includes(latin),
    });
    const own = records.find((record) => textOf(record) === text);
    assert.deepEqual([own?.facility, own?.trust, own?.epoch], [1, 1, bootId()]);
  });

  it('goes on where it was, through a rotation', async () => {
    const [first, second] = [mark(), mark()];
    writeMark(first);
    const one = await collect(source(), { enough: until(first) });
    await journald.say('rotate');
    writeMark(second);
    const two = await collect(source(), { cursor: one.cursor, enough: until(second) });
    assert.ok(!two.texts.includes(first));
    assert.deepEqual(two.gaps, []);
  });

  it('that was vacuumed beyond the place is a gap', async () => {
    const [first, second] = [mark(), mark()];
    writeMark(first);
    const one = await collect(source(), { enough: until(first) });
    await journald.say('rotate');
    await journald.say('wipe');
    writeMark(second);
    const two = await collect(source(), { cursor: one.cursor, enough: until(second) });
    assert.deepEqual(
      two.gaps.map(({ lost, reason }) => [lost, reason]),
      [['unknown', 'vacuumed']],
    );
    const three = await collect(source(), { cursor: two.cursor, enough: () => true, timeoutMs: 2_000 }).catch(
      () => undefined,
    );
    assert.deepEqual(three?.gaps ?? [], [], 'told once');
  });

  it('that was too slow says how many it lost, and that is an exact gap', async () => {
    const [first, second] = [mark(), mark()];
    writeMark(first);
    const one = await collect(source(), { enough: until(first) });
    await journald.say('slow');
    await turnRingOver();
    await journald.say('go');
    writeMark(second);
    const two = await collect(source(), { cursor: one.cursor, enough: until(second) });
    const missed = two.gaps.filter(({ reason }) => reason === 'missed');
    assert.equal(missed.length, 1);
    const [gap] = missed;
    assert.deepEqual(gap?.lost, { exact: Number(/^Missed (\d+) kernel messages/.exec(gap?.said ?? '')?.[1]) });
    assert.ok(typeof gap?.lost === 'object' && 'exact' in gap.lost && gap.lost.exact > 100);
    const { after, before } = gap.between;
    assert.equal(after?.epoch, bootId());
    assert.ok((after?.us ?? 0) > 0 && (after?.us ?? 0) < (before?.us ?? 0), 'between two stamps of the kernel');
  });

  it('that is given a place that is none begins anew, as another witness', async () => {
    const text = mark();
    writeMark(text);
    const { batches, texts } = await collect(source(), {
      cursor: { journal: '--file=/etc/shadow' },
      enough: until(text),
    });
    assert.equal(batches[0]?.reread, true);
    assert.ok(texts.includes(text));
  });

  it('that is not there is a finding', async () => {
    const empty = emptyJournal(join(directory, 'empty'));
    const { findings } = await collect(journal({ directory: empty }), {
      enough: (collected) => collected.findings.length > 0,
    });
    assert.deepEqual(findings.map(({ code }) => code).slice(0, 1), ['journal-empty']);
    const path = process.env.PATH;
    process.env.PATH = '/nowhere';
    try {
      assert.deepEqual(
        (await collect(journal())).findings.map(({ code }) => code),
        ['journal-absent'],
      );
    } finally {
      process.env.PATH = path;
    }
  });
});
