// Files of this machine, as the follower of log files needs them: who they are, and bytes at a place.
import { constants } from 'node:fs';
import { type FileHandle, open, readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { copiesOf, type Packing } from './older-copies.ts';

/** A file that stays the same one, whatever it is called meanwhile. */
export type OpenFile = {
  /** Device and inode. */
  readonly id: string;
  readonly packing?: Packing;
  readonly modified: number;
  /** Who alone can have written it: root, an account of the system (Ubuntu's `syslog`), or who knows. */
  readonly owner: 'root' | 'system' | 'other';
  size(): Promise<number>;
  /** Fewer bytes than wanted at the end of the file only. */
  read(offset: number, length: number): Promise<Buffer>;
  close(): Promise<void>;
};

export type LogFiles = {
  /** Minutes east of Greenwich, where the files are not written in this machine's zone. */
  zone?(): Promise<number | undefined>;
  /** The file and its older copies, newest first, open. What cannot be opened is left out; @throws when all cannot. */
  copies(path: string): Promise<readonly OpenFile[]>;
  /** Whose name the path is now. */
  facts(path: string): Promise<{ readonly id: string; readonly size: number } | undefined>;
};

export const localFiles: LogFiles = {
  copies: async (path) => {
    for (let attempt = 0; ; attempt++) {
      const opened = await openCopies(path);
      if (attempt >= mostAttempts || (await isStill(path, opened))) return [...opened.values()];
      await Promise.all([...opened.values()].map((file) => file.close()));
    }
  },
  facts: async (path) => {
    try {
      const facts = await stat(path);
      return { id: identity(facts), size: facts.size };
    } catch {
      return undefined;
    }
  },
};

/** Nobody renames that often. */
const mostAttempts = 20;

/** By name, newest first. */
async function openCopies(path: string): Promise<ReadonlyMap<string, OpenFile>> {
  const names = copiesOf(basename(path), await namesBeside(path));
  const opened = await Promise.allSettled(
    names.map(async ({ name, packing }) => [name, await openLocal(join(dirname(path), name), packing)] as const),
  );
  const files = new Map(opened.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : [])));
  const refused = opened.find((one) => one.status === 'rejected' && !isAbsent(one.reason));
  if (files.size === 0 && refused?.status === 'rejected') throw refused.reason;
  return files;
}

/** Files that are renamed between the two looks are opened twice, or not at all. */
async function isStill(path: string, opened: ReadonlyMap<string, OpenFile>): Promise<boolean> {
  const names = copiesOf(basename(path), await namesBeside(path));
  const ids = await Promise.all(names.map(({ name }) => localFiles.facts(join(dirname(path), name))));
  return names.every(({ name }, at) => {
    const file = opened.get(name);
    return file === undefined ? ids[at] === undefined : file.id === ids[at]?.id;
  });
}

async function namesBeside(path: string): Promise<readonly string[]> {
  try {
    return await readdir(dirname(path));
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  }
}

function isAbsent(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ENOTDIR';
}

function identity({ dev, ino }: { readonly dev: number; readonly ino: number }): string {
  return `${dev}:${ino}`;
}

/** Accounts of people begin with 1000 (login.defs, UID_MIN). */
export function ownerOf({ uid, mode }: { readonly uid: number; readonly mode: number }): OpenFile['owner'] {
  if ((mode & 0o022) !== 0 || uid >= 1000) return 'other';
  return uid === 0 ? 'root' : 'system';
}

async function openLocal(path: string, packing: Packing | undefined): Promise<OpenFile> {
  // a pipe that nobody writes to would keep us, and a thread of the pool, for ever
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const facts = await handle.stat();
    if (!facts.isFile()) throw new Error(`${path} is no file`);
    return {
      id: identity(facts),
      ...(packing !== undefined && { packing }),
      modified: facts.mtimeMs,
      owner: ownerOf(facts),
      size: async () => (await handle.stat()).size,
      read: (offset, length) => readAt(handle, offset, length),
      close: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function readAt(handle: FileHandle, offset: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await handle.read(buffer, filled, length - filled, offset + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}
