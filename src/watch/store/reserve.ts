// Disk space that is kept back, so that a full disk can still be written down in the store.
import { closeSync, existsSync, fsyncSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const size = 1024 * 1024;

function reserveFile(directory: string): string {
  return join(directory, 'reserve');
}

/** Without room for it there is none; that is noticed soon enough. */
export function makeReserve(directory: string): void {
  const file = reserveFile(directory);
  if (existsSync(file)) return;
  try {
    const fd = openSync(file, 'wx', 0o640);
    try {
      writeFileSync(fd, Buffer.alloc(size, 'x'));
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch {
    releaseReserve(directory);
  }
}

export function releaseReserve(directory: string): void {
  rmSync(reserveFile(directory), { force: true });
}
