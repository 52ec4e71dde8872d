// Store files of older and newer versions, of other programs, and damaged ones.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import { databaseFile, openForReading, openForWriting } from '../../src/watch/store/database.ts';
import { type Migration, migrate, migrations, pragma } from '../../src/watch/store/schema.ts';
import { OwnStore, record, refusal, textOfPacket } from './own-store.ts';

const own = new OwnStore();

describe('files of other versions', () => {
  /** As version 1 was; a later step adds to it. */
  const steps: readonly Migration[] = [
    ...migrations,
    (database) => database.exec("ALTER TABLE event ADD COLUMN note TEXT NOT NULL DEFAULT 'none'"),
    (database) => database.exec("UPDATE event SET note = 'seen' WHERE id = 1"),
  ];

  it('older ones get what is missing, and keep what they have', () => {
    own.keep('kmsg', [record(1), record(2)]);
    const database = new DatabaseSync(databaseFile(own.directory));
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
    own.keep('kmsg', [record(1)]);
    const database = new DatabaseSync(databaseFile(own.directory));
    const bad: Migration = (one) => one.exec('ALTER TABLE event ADD COLUMN note TEXT; SELECT nonsense');
    assert.throws(() => migrate(database, [...migrations, bad]), /nonsense/);
    assert.equal(pragma(database, 'user_version'), migrations.length);
    assert.ok(!database.prepare('SELECT * FROM event').get()?.note);
    database.close();
    assert.deepEqual(own.texts, [textOfPacket(1)]);
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
      mkdirSync(own.directory);
      const database = new DatabaseSync(databaseFile(own.directory));
      make(database);
      database.close();
      const before = readFileSync(databaseFile(own.directory));
      assert.throws(() => openForWriting(own.directory), refusal(code, words));
      assert.throws(() => openForReading(own.directory), refusal(code, words));
      if (code === 'store-foreign') assert.deepEqual(readFileSync(databaseFile(own.directory)), before, 'not one byte');
    });
  }

  it('what is no database at all is refused', () => {
    mkdirSync(own.directory);
    writeFileSync(databaseFile(own.directory), 'dear diary, '.repeat(1000));
    for (const open of [openForWriting, openForReading])
      assert.throws(() => open(own.directory), refusal('store-damaged', /not a database/));
  });

  it('where there is none, a reader says so', () => {
    assert.throws(() => openForReading(own.directory), refusal('store-absent', /no event store/));
    mkdirSync(own.directory);
    writeFileSync(databaseFile(own.directory), '');
    assert.throws(() => openForReading(own.directory), refusal('store-absent', /no event store .* yet/));
  });
});
