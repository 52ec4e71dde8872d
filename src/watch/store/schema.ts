// The tables of the event store and how older ones become them. What has been released is never edited: a change is one
// more step at the end of the list.
import type { DatabaseSync } from 'node:sqlite';
import { HostError } from '../../model/host-error.ts';

/** "bkev": other programs can tell what the file is. */
const applicationId = 0x62_6b_65_76;

/**
 * Times are milliseconds since 1970, stamps microseconds of the kernel's clock, MACs numbers of 48 bits, addresses 4 or
 * 16 bytes. `witnesses` are ids of `reading` between commas.
 */
const tables = `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

  CREATE TABLE reading (
    id INTEGER PRIMARY KEY,
    host TEXT NOT NULL,
    source TEXT NOT NULL,
    generation INTEGER NOT NULL,
    cursor TEXT,
    UNIQUE (host, source, generation)
  ) STRICT;

  CREATE TABLE boot (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;

  CREATE TABLE event (
    id INTEGER PRIMARY KEY,
    host TEXT NOT NULL,
    boot INTEGER,
    us INTEGER,
    wall INTEGER,
    wall_span INTEGER NOT NULL,
    stored INTEGER NOT NULL,
    trust INTEGER NOT NULL,
    sequence INTEGER,
    folded INTEGER NOT NULL,
    witnesses TEXT NOT NULL,
    hash INTEGER NOT NULL,
    text BLOB NOT NULL,
    status TEXT NOT NULL,
    prefix TEXT NOT NULL,
    action TEXT NOT NULL,
    rule INTEGER,
    iif TEXT NOT NULL,
    oif TEXT NOT NULL,
    physin TEXT,
    physout TEXT,
    smac INTEGER,
    dmac INTEGER,
    src BLOB,
    dst BLOB,
    protocol INTEGER,
    sport INTEGER,
    dport INTEGER
  ) STRICT;
  CREATE INDEX event_wall ON event (wall, hash);
  CREATE INDEX event_us ON event (us) WHERE us IS NOT NULL;

  CREATE TABLE gap (
    id INTEGER PRIMARY KEY,
    host TEXT NOT NULL,
    source TEXT NOT NULL,
    kind TEXT NOT NULL,
    count INTEGER,
    reason TEXT NOT NULL,
    said TEXT,
    after_wall INTEGER,
    after_boot TEXT,
    after_us INTEGER,
    after_sequence INTEGER,
    before_wall INTEGER,
    before_boot TEXT,
    before_us INTEGER,
    before_sequence INTEGER,
    stored INTEGER NOT NULL
  ) STRICT;
`;

export type Migration = (database: DatabaseSync) => void;

/** Step n makes version n out of version n - 1. */
export const migrations: readonly Migration[] = [(database) => database.exec(tables)];

/**
 * Brings the tables to the newest version, all steps in one transaction.
 * @throws HostError 'store-too-new' when a later version of this program wrote them, 'store-foreign' for other files
 */
export function migrate(database: DatabaseSync, steps: readonly Migration[] = migrations): void {
  const version = checkedVersion(database, steps.length);
  if (version === steps.length) return;
  database.exec('BEGIN IMMEDIATE');
  try {
    for (const step of steps.slice(version)) step(database);
    database.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${steps.length}; COMMIT`);
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

/** @throws HostError as `migrate` does */
export function checkedVersion(database: DatabaseSync, newest: number = migrations.length): number {
  const version = pragma(database, 'user_version');
  const owner = pragma(database, 'application_id');
  const count = Number(database.prepare('SELECT count(*) AS count FROM sqlite_schema').get()?.count);
  if (owner !== applicationId && (owner !== 0 || version !== 0 || count > 0)) {
    throw new HostError('store-foreign', 'this SQLite file is not an event store');
  }
  if (version > newest) {
    throw new HostError('store-too-new', `the event store has version ${version}, this program knows ${newest}`);
  }
  return version;
}

export function pragma(database: DatabaseSync, name: string): number {
  return Number(Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0]);
}
