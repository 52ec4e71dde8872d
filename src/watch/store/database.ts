// The store's SQLite file: opened, and what SQLite refuses told in words. A commit has been written and synced
// when it returns: WAL with synchronous=FULL.
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { HostError } from '../../model/host-error.ts';
import { checkedVersion, migrate, migrations } from './schema.ts';

export function databaseFile(directory: string): string {
  return join(directory, 'events.db');
}

/**
 * For the one writer. What guests do is nobody else's business: the directory is closed to others.
 * @throws HostError 'store-refused', 'store-too-new', 'store-foreign'
 */
export function openForWriting(directory: string): DatabaseSync {
  return told(directory, () => {
    mkdirSync(directory, { recursive: true, mode: 0o750 });
    const database = new DatabaseSync(databaseFile(directory), { timeout: 5_000 });
    try {
      checkedVersion(database); // before anything is changed: the file may be somebody else's
      chmodSync(databaseFile(directory), 0o640);
      database.exec('PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
      database.exec('PRAGMA cache_size = -2000; PRAGMA journal_size_limit = 67108864; PRAGMA temp_store = MEMORY');
      migrate(database);
      return database;
    } catch (error) {
      database.close();
      throw error;
    }
  });
}

/**
 * For queries, while the writer goes on; only the writer changes tables.
 * @throws HostError 'store-absent', 'store-refused', 'store-too-new', 'store-too-old', 'store-foreign'
 */
export function openForReading(directory: string): DatabaseSync {
  return told(directory, () => {
    const database = new DatabaseSync(databaseFile(directory), { readOnly: true, timeout: 5_000 });
    try {
      checkReadable(directory, checkedVersion(database));
      database.exec('PRAGMA temp_store = MEMORY');
      return database;
    } catch (error) {
      database.close();
      throw error;
    }
  });
}

/** The writer makes the file first, and then its tables. */
function checkReadable(directory: string, version: number): void {
  if (version === 0) throw new HostError('store-absent', `there is no event store in ${directory} yet`);
  if (version === migrations.length) return;
  const words = `the event store has version ${version}, older than this program; 'watch' brings it up to date`;
  throw new HostError('store-too-old', words);
}

/** Primary result codes (sqlite.org/rescode.html). */
const full = 13;
const cannotOpen = 14;
const damaged: readonly number[] = [11, 26];
/** SQLITE_READONLY_ROLLBACK: whoever made the file was stopped before it had its first table; the next writer mends it. */
const halfMade = 776;

/** What SQLite or the file system refused, as a HostError. */
export function told<T>(directory: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw storeError(directory, error);
  }
}

export function storeError(directory: string, error: unknown): unknown {
  if (error instanceof HostError) return error;
  const { errcode, code, message } = error as {
    readonly errcode?: number;
    readonly code?: string;
    readonly message: string;
  };
  if (errcode === undefined && code === undefined) return error;
  const file = databaseFile(directory);
  const primary = (errcode ?? 0) & 0xff;
  if (primary === full || code === 'ENOSPC') return new HostError('disk-full', `${file}: the disk is full`, error);
  if (primary === cannotOpen || errcode === halfMade)
    return new HostError('store-absent', `there is no event store in ${directory}`, error);
  if (damaged.includes(primary)) {
    return new HostError('store-damaged', `${file}: ${message}; move it away, and watch begins a new one`, error);
  }
  return new HostError('store-refused', `${file}: ${message}`, error);
}
