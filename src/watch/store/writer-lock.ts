// One writer for a store. The lock is SQLite's own lock on a file beside it: the kernel gives it back when the process
// ends, however it ends.
import { chmodSync, closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { told } from './database.ts';

export type WriterLock = { readonly release: () => void };

const busy = 5;

/** `undefined` when another process writes to this store. @throws HostError when the directory is refused */
export function lockForWriting(directory: string): WriterLock | undefined {
  return told(directory, () => {
    mkdirSync(directory, { recursive: true, mode: 0o750 });
    const file = join(directory, 'writer.lock');
    // whoever may read it could lock it
    closeSync(openSync(file, 'a', 0o600));
    chmodSync(file, 0o600);
    const database = new DatabaseSync(file, { timeout: 0 });
    try {
      database.exec('BEGIN EXCLUSIVE');
    } catch (error) {
      database.close();
      if (((error as { readonly errcode?: number }).errcode ?? 0) % 256 === busy) return undefined;
      throw error;
    }
    return { release: () => database.close() };
  });
}
