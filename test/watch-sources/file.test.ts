// Real files under a real writer: every line once, in its order, whatever logrotate does to the file meanwhile.
import assert from 'node:assert/strict';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { logFile, trustOfFile } from '../../src/watch/sources/file.ts';
import { type LogFiles, localFiles } from '../../src/watch/sources/log-files.ts';
import { packings } from '../../src/watch/sources/older-copies.ts';
import type { Cursor } from '../../src/watch/sources/source.ts';
import { Random } from '../kernel/random.ts';
import { Collected, collect } from './collected.ts';
import { LogWriter, packed } from './log-writer.ts';

const pollMs = 5;
let directory: string;
let files = 0;

before(() => {
  directory = mkdtempSync(join(tmpdir(), 'bridgekeeper-files-'));
});
after(() => rmSync(directory, { recursive: true }));

function freshPath(name = 'kern.log'): string {
  const own = join(directory, `${files++}`);
  mkdirSync(own);
  return join(own, name);
}

/** All that can be read now, from a cursor on. */
function readOn(path: string, cursor?: Cursor): Promise<Collected> {
  return collect(logFile(path, { once: true }), { cursor });
}

/** Follows while something happens to the file, until so many lines have come. */
async function during(
  writer: LogWriter,
  cursor: Cursor | undefined,
  actions: () => Promise<void> | void,
  wanted: number,
): Promise<Collected> {
  const following = collect(logFile(writer.path, { pollMs }), {
    cursor,
    enough: ({ records }) => records.length >= wanted,
  });
  await actions();
  return following;
}

/** The files of this machine; something happens after each look for the file and its older copies. */
function afterLooks(happens: () => void): () => LogFiles {
  const copies: LogFiles['copies'] = async (path) => {
    const found = await localFiles.copies(path);
    happens();
    return found;
  };
  return () => ({ ...localFiles, copies });
}

function beforeLooks(happens: () => void): () => LogFiles {
  const copies: LogFiles['copies'] = (path) => {
    happens();
    return localFiles.copies(path);
  };
  return () => ({ ...localFiles, copies });
}

const soon = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 10 * pollMs));

describe('a file that grows', () => {
  it('is read to its end, then line by line; half a line waits for its other half', async () => {
    const writer = new LogWriter(freshPath());
    writer.append(3);
    const { texts, findings, gaps } = await during(
      writer,
      undefined,
      async () => {
        await soon();
        const finish = writer.appendHalf();
        await soon();
        finish();
        writer.append(2);
      },
      6,
    );
    assert.deepEqual(texts, writer.written);
    assert.deepEqual([...findings, ...gaps], []);
  });

  it('is waited for when it is not there', async () => {
    const path = freshPath();
    let writer: LogWriter | undefined;
    const { texts, findings } = await collect(logFile(path, { pollMs }), {
      enough: ({ records, findings }) => {
        if (findings.length > 0 && writer === undefined) {
          writer = new LogWriter(path);
          writer.append();
        }
        return records.length === 1;
      },
    });
    assert.deepEqual(texts, writer?.written);
    assert.deepEqual(
      findings.map(({ code }) => code),
      ['file-absent'],
    );
  });

  it('gives records without what stands before them, with time and trust', async () => {
    const writer = new LogWriter(freshPath());
    writer.append();
    const { records } = await readOn(writer.path);
    assert.equal(records.length, 1);
    const [record] = records;
    assert.equal(record?.wallSpan, 999);
    assert.equal(new Date(record?.wall ?? 0).getMonth(), 2);
    assert.equal(record?.trust, process.getuid?.() === 0 ? 2 : 0);
  });

  it('expands repeats, and the last line without an end is a line when the file is complete', async () => {
    const writer = new LogWriter(freshPath());
    writer.append(2);
    writer.appendText('Mar 17 13:22:09 host kernel: last message repeated 2 times\n');
    writer.appendText(`Mar 17 13:22:10 host kernel: message repeated 3 times: [ ${writer.written[0]}]`);
    const { records, texts } = await readOn(writer.path);
    const [first, second] = writer.written;
    assert.deepEqual(
      texts.map((text) => text.trimEnd()),
      [first, second, second, second, first, first, first].map((text) => text?.trimEnd()),
    );
    assert.deepEqual(
      records.map(({ folded = false }) => folded),
      [false, false, true, true, true, true, true],
    );
    // they came between the line before and their own
    assert.ok(records[2]?.wall === records[1]?.wall && (records[2]?.wallSpan ?? 0) > 40_000);
  });

  it('tells what the daemon says of loss', async () => {
    const writer = new LogWriter(freshPath('syslog'));
    writer.appendText('Mar 17 13:21:53 host rsyslogd: imuxsock lost 42 messages from pid 812 due to rate-limiting\n');
    const { gaps } = await readOn(writer.path);
    assert.deepEqual(
      gaps.map(({ lost, reason }) => ({ lost, reason })),
      [{ lost: { exact: 42 }, reason: 'daemon' }],
    );
  });
});

describe('a file that is rotated while we read', () => {
  const rows: readonly [name: string, rotate: (writer: LogWriter) => Promise<void> | void][] = [
    ['by a new file', (writer) => writer.rotateByCreate()],
    ['by a copy', (writer) => writer.rotateByCopy()],
    [
      'by a new file that comes late',
      async (writer) => {
        renameSync(writer.path, `${writer.path}.1`);
        await soon();
        writeFileSync(writer.path, '');
      },
    ],
    [
      'and the daemon writes to the old one for a while',
      async (writer) => {
        renameSync(writer.path, `${writer.path}.1`);
        writeFileSync(writer.path, '');
        await soon();
        appendFileSync(`${writer.path}.1`, writer.noted());
        await soon();
      },
    ],
    ...packings.map((packing): [string, (writer: LogWriter) => void] => [
      `and packed at once by ${packing}`,
      (writer) => {
        writer.append(2); // nobody has seen these
        writer.rotateByCreate();
        writer.pack(1, packing);
      },
    ]),
  ];
  for (const [name, rotate] of rows) {
    it(name, async () => {
      const writer = new LogWriter(freshPath());
      writer.append(5);
      const following = collect(logFile(writer.path, { pollMs }), {
        enough: ({ texts }) => texts.at(-1)?.trimEnd() === last,
      });
      let last = 'none yet';
      await soon();
      await rotate(writer);
      writer.append(5);
      last = writer.written.at(-1)?.trimEnd() ?? '';
      writer.append(1); // in case the last one came before we knew
      last = writer.written.at(-1)?.trimEnd() ?? '';
      const { texts, gaps } = await following;
      assert.deepEqual(texts, writer.written);
      assert.deepEqual(gaps, []);
    });
  }
});

describe('a file that was rotated while nobody looked', () => {
  const rows: readonly [name: string, rotate: (writer: LogWriter) => void][] = [
    ['once, by a new file', (writer) => writer.rotateByCreate()],
    ['once, by a copy', (writer) => writer.rotateByCopy()],
    [
      'three times',
      (writer) => {
        for (let time = 0; time < 3; time++) {
          writer.append(2);
          writer.rotateByCreate();
        }
      },
    ],
    ...packings.map((packing): [string, (writer: LogWriter) => void] => [
      `twice, and packed by ${packing}`,
      (writer) => {
        writer.append(2);
        writer.rotateByCreate();
        writer.append(2);
        writer.rotateByCopy();
        writer.pack(2, packing);
        writer.pack(1, packing);
      },
    ]),
  ];
  for (const [name, rotate] of rows) {
    it(name, async () => {
      const writer = new LogWriter(freshPath());
      writer.append(4);
      const earlier = await readOn(writer.path);
      writer.append(3);
      rotate(writer);
      writer.append(3);
      const later = await readOn(writer.path, earlier.cursor);
      assert.deepEqual([...earlier.texts, ...later.texts], writer.written);
      assert.deepEqual(later.gaps, []);
    });
  }

  it('is a gap when its rest is nowhere, and what comes then may have been seen', async () => {
    const writer = new LogWriter(freshPath());
    writer.append(4);
    const { cursor } = await readOn(writer.path);
    writeFileSync(`${writer.path}.new`, '');
    renameSync(`${writer.path}.new`, writer.path);
    writer.append(1);
    const later = await readOn(writer.path, cursor);
    assert.deepEqual(later.texts, writer.written.slice(4));
    assert.deepEqual(
      later.gaps.map(({ lost, reason }) => ({ lost, reason })),
      [{ lost: 'unknown', reason: 'rotated-away' }],
    );
    assert.deepEqual(later.batches.map(({ reread = false }) => reread).filter(Boolean), [true]);
    assert.deepEqual((await readOn(writer.path, later.cursor)).items, [], 'told once');
  });

  it('is a gap when it was emptied without a copy, also when it has grown beyond the place since', async () => {
    for (const more of [1, 50]) {
      const writer = new LogWriter(freshPath());
      writer.append(4);
      const { cursor } = await readOn(writer.path);
      truncateSync(writer.path, 0);
      writer.append(more);
      const later = await readOn(writer.path, cursor);
      assert.deepEqual(later.texts, writer.written.slice(4));
      assert.deepEqual(
        later.gaps.map(({ reason }) => reason),
        ['truncated'],
      );
    }
  });

  it('keeps its place when reading is stopped in the middle of looking for it', async () => {
    const writer = new LogWriter(freshPath());
    writer.append(4);
    const earlier = await readOn(writer.path);
    writer.append(3);
    const stop = new AbortController();
    const files = afterLooks(() => {
      if (stop.signal.aborted) return;
      writer.rotateByCopy(); // too late to be seen at this look
      stop.abort();
    });
    const { cursor } = earlier;
    const stopped = await collect(logFile(writer.path, { pollMs, files }), { cursor, signal: stop.signal });
    const later = await readOn(writer.path, stopped.cursor ?? cursor);
    assert.deepEqual([...earlier.texts, ...stopped.texts, ...later.texts], writer.written);
    assert.deepEqual([...stopped.gaps, ...later.gaps], []);
  });

  it('is read with all its older copies the first time', async () => {
    const writer = new LogWriter(freshPath());
    for (const packing of packings) {
      writer.append(2);
      writer.rotateByCreate();
      writer.append(1);
      writer.rotateByCreate();
      writer.pack(2, packing);
    }
    writer.append(2);
    assert.deepEqual((await readOn(writer.path)).texts, writer.written);
  });

  it('knows the line before its place: `last message repeated` behind a restart', async () => {
    const writer = new LogWriter(freshPath());
    writer.append(2);
    const { cursor } = await readOn(writer.path);
    writer.appendText('Mar 17 13:22:09 host kernel: last message repeated 2 times\n');
    const last = writer.written.at(-1);
    assert.deepEqual((await readOn(writer.path, cursor)).texts, [last, last]);
  });
});

describe('a file in the middle of its rotation', () => {
  it('was renamed, and its daemon writes to the old one until it opens the new one', async () => {
    const writer = new LogWriter(freshPath());
    writer.append(4);
    const earlier = await readOn(writer.path);
    const old = `${writer.path}.1`;
    renameSync(writer.path, old);
    writeFileSync(writer.path, '');
    const later = await during(
      writer,
      earlier.cursor,
      async () => {
        await soon();
        appendFileSync(old, writer.noted());
        await soon();
        writer.append(2);
      },
      3,
    );
    assert.deepEqual([...earlier.texts, ...later.texts], writer.written);
    assert.deepEqual(later.gaps, []);
  });

  const shares: readonly (readonly [share: string, of: (whole: Buffer) => Buffer])[] = [
    ['nothing', () => Buffer.alloc(0)],
    ['a part', (whole) => whole.subarray(0, whole.length / 2)],
    ['all', (whole) => whole],
  ];
  for (const [share, of] of shares) {
    it(`${share} of it was copied, and it is read for the first time`, async () => {
      const writer = new LogWriter(freshPath());
      writer.append(10);
      const whole = readFileSync(writer.path);
      const copy = `${writer.path}.1`;
      writeFileSync(copy, of(whole));
      let look = 0;
      const files = afterLooks(() => {
        if (look++ > 0) return;
        writeFileSync(copy, whole);
        truncateSync(writer.path);
        writer.append(2);
      });
      const source = logFile(writer.path, { pollMs, files });
      const { texts, gaps } = await collect(source, { enough: ({ records }) => records.length >= 12 });
      assert.deepEqual(texts, writer.written);
      assert.deepEqual(gaps, []);
    });

    it(`${share} of it was copied, and it is not emptied yet`, async () => {
      const writer = new LogWriter(freshPath());
      writer.append(10);
      writeFileSync(`${writer.path}.1`, of(readFileSync(writer.path)));
      assert.deepEqual((await readOn(writer.path)).texts, writer.written);
    });
  }

  for (const packing of packings) {
    it(`its copy was packed by ${packing}, and is still there`, async () => {
      const writer = new LogWriter(freshPath());
      writer.append(3);
      writer.rotateByCreate();
      writer.append(3);
      writeFileSync(`${writer.path}.1.${packing}`, packed(readFileSync(`${writer.path}.1`), packing));
      const { texts, findings } = await readOn(writer.path);
      assert.deepEqual(texts, writer.written);
      assert.deepEqual(findings, []);
    });
  }

  it('was read to its end, and then its successor went away too: that is a gap', async () => {
    const writer = new LogWriter(freshPath());
    writer.append(2);
    const old = `${writer.path}.1`;
    const files = beforeLooks(() => {
      if (!existsSync(old)) return;
      rmSync(old);
      writer.rotateByCreate();
      rmSync(old);
      writer.append(1);
    });
    const { texts, gaps } = await collect(logFile(writer.path, { pollMs, files }), {
      enough: ({ records }) => {
        if (writer.written.length === 2) {
          writer.rotateByCreate();
          writer.append(3);
        }
        return records.length >= 3;
      },
    });
    assert.deepEqual(texts, [...writer.written.slice(0, 2), ...writer.written.slice(5)]);
    assert.equal(gaps.length, 1);
  });

  it('was lost and is empty: what comes, and is copied away while nobody looks, is read', async () => {
    const writer = new LogWriter(freshPath());
    writer.append(2);
    writer.rotateByCreate();
    writer.append(4);
    const earlier = await readOn(writer.path);
    truncateSync(writer.path);
    const lost = await readOn(writer.path, earlier.cursor);
    assert.deepEqual([lost.texts, lost.gaps.length], [[], 1]);
    writer.append(2);
    writer.rotateByCopy();
    writer.append(1);
    const later = await readOn(writer.path, lost.cursor);
    assert.deepEqual(later.texts, writer.written.slice(6));
    assert.deepEqual(later.gaps, []);
  });
});

describe('what cannot be read', () => {
  it('is a finding', async () => {
    const damaged = `${freshPath()}.gz`;
    writeFileSync(damaged, packed(Buffer.from('x'.repeat(100_000)), 'gz').subarray(0, 60));
    assert.deepEqual(
      (await readOn(damaged)).findings.map(({ code }) => code),
      ['file-refused'],
    );
    assert.deepEqual(
      (await readOn(freshPath())).findings.map(({ code }) => code),
      ['file-absent'],
    );
    assert.deepEqual(
      (await readOn(join(directory, 'no', 'such', 'place'))).findings.map(({ code }) => code),
      ['file-absent'],
    );
    const folder = freshPath();
    mkdirSync(folder);
    assert.deepEqual(
      (await readOn(folder)).findings.map(({ code }) => code),
      ['file-refused'],
    );
  });

  it('is passed over when it is a megabyte without a newline', async () => {
    const writer = new LogWriter(freshPath());
    writer.append();
    writer.appendText('\0'.repeat(3 * 1024 * 1024));
    writer.appendText('\n');
    writer.append();
    assert.deepEqual(
      (await readOn(writer.path)).texts.map((text) => text.trimEnd()),
      writer.written.map((text) => text.trimEnd()),
    );
  });
});

describe('a place that is none', () => {
  for (const cursor of [{}, { file: 5, offset: 1, tail: '' }, { file: '1:2', offset: -1, tail: '' }]) {
    it(`${JSON.stringify(cursor)}: the file is read anew, as by another witness`, async () => {
      const writer = new LogWriter(freshPath());
      writer.append(2);
      const { batches, texts } = await readOn(writer.path, cursor);
      assert.equal(batches[0]?.reread, true);
      assert.deepEqual(texts, writer.written);
    });
  }
});

describe('trust in a file', () => {
  const rows: readonly [path: string, owner: 'root' | 'system' | 'other', kernel: number, other: number][] = [
    ['/var/log/kern.log', 'root', 2, 1],
    ['/var/log/kern.log', 'system', 2, 1],
    ['/var/log/kern.log', 'other', 0, 0],
    ['/var/log/ufw.log', 'root', 1, 1],
    ['/var/log/syslog', 'root', 1, 1],
    ['/var/log/notkern.log', 'root', 1, 1],
    ['/home/x/kern.log', 'other', 0, 0],
  ];
  for (const [path, owner, kernel, other] of rows) {
    it(`${path} of ${owner}`, () => assert.deepEqual(trustOfFile(path, owner), { kernel, other }));
  }

  it('is none where others may write', {
    skip: process.getuid?.() === 0 ? false : 'needs root: only its files are trusted',
  }, async () => {
    const writer = new LogWriter(freshPath());
    writer.append();
    chmodSync(writer.path, 0o666);
    assert.deepEqual(
      (await readOn(writer.path)).records.map(({ trust }) => trust),
      [0],
    );
  });
});

describe('whatever happens, in any order', () => {
  const seeds = Number(process.env.BRIDGEKEEPER_SEEDS ?? 40);
  it(`every line once, with stops and starts (${seeds} seeds)`, { timeout: 600_000 }, async () => {
    const done = { create: 0, copy: 0, pack: 0, restart: 0, half: 0, again: 0 };
    for (let seed = 1; seed <= seeds; seed++) {
      const random = new Random(seed);
      const writer = new LogWriter(freshPath());
      const collected = new Collected();
      const source = logFile(writer.path, { pollMs: 1 });
      let abort = new AbortController();
      const run = async (): Promise<void> => {
        for await (const { items, cursor } of source.batches(collected.cursor, abort.signal)) {
          collected.items.push(...items);
          collected.cursor = cursor ?? collected.cursor;
        }
      };
      let running = run();
      let finish: (() => void) | undefined;
      const whole = (): void => {
        finish?.();
        finish = undefined;
      };
      const actions: readonly (() => Promise<void> | void)[] = [
        () => {
          whole();
          writer.append(random.between(1, 8));
        },
        () => {
          whole();
          writer.appendAgain();
          done.again++;
        },
        () => {
          whole();
          finish = writer.appendHalf();
          done.half++;
        },
        () => new Promise((resolve) => setTimeout(resolve, random.between(0, 6))),
        () => {
          whole();
          writer.rotateByCreate();
          done.create++;
        },
        () => {
          whole();
          writer.rotateByCopy();
          done.copy++;
        },
        () => {
          writer.pack(random.between(1, 3), random.pick(packings));
          done.pack++;
        },
        async () => {
          abort.abort();
          await running;
          abort = new AbortController();
          running = run();
          done.restart++;
        },
      ];
      for (let step = 0; step < 30; step++) await random.pick(actions)();
      whole();
      writer.append();
      const deadline = Date.now() + 60_000;
      while (collected.records.length < writer.written.length && Date.now() < deadline) await soon();
      await soon();
      abort.abort();
      await running;
      assert.deepEqual(collected.texts, writer.written, `seed ${seed}`);
      assert.deepEqual(collected.gaps, [], `seed ${seed}`);
    }
    for (const [name, count] of Object.entries(done)) assert.ok(count > 0, `${name} was tried`);
  });
});
