// Who writes into the store: one process, in groups; and keeping lines without a store.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SourceItem } from '../../src/watch/sources/source.ts';
import { databaseFile } from '../../src/watch/store/database.ts';
import { follow, memoryKeeper } from '../../src/watch/store/follow.ts';
import { GroupCommit } from '../../src/watch/store/group-commit.ts';
import { pragma } from '../../src/watch/store/schema.ts';
import { StoreReader } from '../../src/watch/store/store-reader.ts';
import { openStoreWriter } from '../../src/watch/store/store-writer.ts';
import { assertPrompt } from '../support/slowness.ts';
import { gap, OwnStore, record, refusal } from './own-store.ts';

const own = new OwnStore();

describe('the group commit', () => {
  function group(): { readonly commits: number[]; readonly add: (items: number) => Promise<unknown>; close(): void } {
    const commits: number[] = [];
    const one = new GroupCommit(own.directory, assert.ifError);
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
    assert.ok(took >= 19, `${took} ms`);
    assertPrompt(took, 2_000);
    close();
    assert.equal(own.texts.length, 3);
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
    assert.equal(own.texts.length, 511);
  });
});

describe('one writer', () => {
  it('at a time; readers as many as like, who see what is committed', async () => {
    const writer = await openStoreWriter(own.directory);
    assert.ok(writer !== undefined);
    assert.equal(await openStoreWriter(own.directory), undefined, 'the second one may read');
    const reader = new StoreReader(own.directory);
    const before = reader.version();
    assert.deepEqual(
      await writer.store('', 'kmsg', { items: [record(1), record(1)], cursor: { sequence: 2 } }),
      [1, 2],
    );
    assert.deepEqual(await writer.cursor('', 'kmsg'), { sequence: 2 });
    assert.notEqual(reader.version(), before);
    assert.deepEqual(reader.last(), { event: 2, gap: 0 });
    await writer.close();
    const next = await openStoreWriter(own.directory);
    assert.ok(next !== undefined, 'the lock is free again');
    assert.deepEqual(await next.cursor('', 'kmsg'), { sequence: 2 });
    await next.close();
    reader.close();
  });

  it('gives the lock back also when closing fails', async () => {
    const writer = await openStoreWriter(own.directory);
    assert.ok(writer !== undefined);
    const poison = { ...record(2), text: undefined as unknown as Buffer };
    const storing = writer.store('', 'kmsg', { items: [poison] });
    const [stored, closed] = await Promise.allSettled([storing, writer.close()]);
    assert.equal(stored.status, 'rejected', `${closed.status}`);
    const next = await openStoreWriter(own.directory);
    assert.ok(next !== undefined, 'the lock is free again');
    await next.close();
  });

  it('has a lock that nobody else can take, whatever the umask', async () => {
    const before = process.umask(0);
    try {
      const writer = await openStoreWriter(own.directory);
      const modes = readdirSync(own.directory).map((name) => [
        name,
        (statSync(join(own.directory, name)).mode & 0o777).toString(8),
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
    mkdirSync(own.directory);
    const database = new DatabaseSync(databaseFile(own.directory));
    database.exec('CREATE TABLE bookmarks (url TEXT)');
    database.close();
    for (let attempt = 0; attempt < 2; attempt++)
      await assert.rejects(openStoreWriter(own.directory), refusal('store-foreign', /not an event store/));
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
