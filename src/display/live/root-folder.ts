// A folder with a guest's root -> its files. The guest made everything in it: a link leads from the root and never out of it,
// also while the guest changes it under us, since each name is looked up in a folder that is held open.
// Source: path_resolution(7); O_PATH of open(2); what openat2(2) calls RESOLVE_IN_ROOT
import { constants } from 'node:fs';
import { type FileHandle, open, opendir, readlink } from 'node:fs/promises';
import { HostError } from '../../model/host-error.ts';
import { type GuestRoot, mostFileBytes, mostNames } from '../offline-facts.ts';

/** Of open(2); Node has no name for it. It opens nothing: neither a device nor a pipe notices. */
const onlyThePath = 0o10000000 | constants.O_NOFOLLOW;
const mostLinks = 40;

/** @throws HostError 'guest-root' when it is no folder */
export async function folderRoot(path: string): Promise<GuestRoot> {
  await using(await rootHandle(path), async () => undefined);
  const within = async <T>(inside: string, action: (found: FileHandle) => Promise<T | undefined>) =>
    using(await rootHandle(path), async (root) => walked(root, inside, action));
  return {
    way: `root:${path}`,
    read: (inside) => within(inside, contentOf),
    list: async (inside) => (await within(inside, namesOf)) ?? [],
  };
}

async function rootHandle(path: string): Promise<FileHandle> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (cause) {
    throw new HostError('guest-root', `${path} is no folder that can be read: ${(cause as Error).message}`, cause);
  }
}

async function using<T>(handle: FileHandle, action: (handle: FileHandle) => Promise<T>): Promise<T> {
  try {
    return await action(handle);
  } finally {
    await handle.close();
  }
}

/** Looks `path` up name by name and acts on what is there; undefined when nothing is. */
async function walked<T>(
  root: FileHandle,
  path: string,
  action: (found: FileHandle) => Promise<T | undefined>,
): Promise<T | undefined> {
  const opened: FileHandle[] = [];
  try {
    const found = await lookUp(root, path, opened);
    return found === undefined ? undefined : await action(found);
  } catch (error) {
    if (isAbsence(error)) return undefined;
    throw error;
  } finally {
    for (const handle of opened) await handle.close();
  }
}

function isAbsence(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES', 'ENAMETOOLONG', 'EINVAL'].includes(
    (error as NodeJS.ErrnoException).code ?? '',
  );
}

async function lookUp(root: FileHandle, path: string, opened: FileHandle[]): Promise<FileHandle | undefined> {
  let folders: readonly FileHandle[] = [root];
  const names = path.split('/');
  for (let links = 0; names.length > 0; ) {
    const name = names.shift() ?? '';
    if (name === '' || name === '.') continue;
    if (name === '..') {
      folders = folders.length > 1 ? folders.slice(0, -1) : folders;
      continue;
    }
    const place = `/proc/self/fd/${folders.at(-1)?.fd}/${name}`;
    const found = await open(place, onlyThePath);
    opened.push(found);
    const what = await found.stat();
    if (what.isSymbolicLink()) {
      if (++links > mostLinks) return undefined;
      const target = await readlink(place);
      if (target.startsWith('/')) folders = [root];
      names.unshift(...target.split('/'));
    } else if (what.isDirectory()) folders = [...folders, found];
    else return names.every((rest) => rest === '' || rest === '.') ? found : undefined;
  }
  return folders.at(-1);
}

async function contentOf(found: FileHandle): Promise<Buffer | undefined> {
  const what = await found.stat();
  if (!what.isFile() || what.size > mostFileBytes) return undefined;
  return using(await open(`/proc/self/fd/${found.fd}`, constants.O_RDONLY), async (file) => {
    // it may have grown since
    const { buffer, bytesRead } = await file.read(Buffer.alloc(mostFileBytes), 0, mostFileBytes, 0);
    return buffer.subarray(0, bytesRead);
  });
}

async function namesOf(found: FileHandle): Promise<readonly string[] | undefined> {
  if (!(await found.stat()).isDirectory()) return undefined;
  const names: string[] = [];
  for await (const { name } of await opendir(`/proc/self/fd/${found.fd}`)) {
    if (names.push(name) >= mostNames) break;
  }
  return names.toSorted();
}
