// A raw image of a guest's disk -> its files, without mounting it: the partition table is read here, ext file systems by debugfs
// of e2fsprogs, which follows links inside of the image only. Nothing is written; other file systems are told by their names.
// Source: debugfs(8); `?offset=` of e2fsprogs' unix_io
import { constants } from 'node:fs';
import { type FileHandle, open, realpath } from 'node:fs/promises';
import { posix } from 'node:path';
import { local } from '../../machine/access.ts';
import { failureText, run } from '../../machine/run.ts';
import { HostError } from '../../model/host-error.ts';
import { type GuestRoot, mostFileBytes, mostNames } from '../offline-facts.ts';
import { type FileSystem, fileSystemOf, type Partition, partitionsOf, type ReadAt } from '../partition-table.ts';

const patienceMs = 30_000;
const mostLinks = 8;

/** debugfs takes its requests apart by blanks and quotes: only paths of these letters are asked for. */
const plainPath = /^(?:\/[\w.+~@:-]{1,128}){1,32}$/;

/** @throws HostError 'guest-root' when no root is found in it, with what was */
export async function imageRoot(file: string): Promise<GuestRoot> {
  const path = await plainImage(file);
  const seen = await fileSystemsIn(path);
  const ext = seen.filter(({ kind }) => kind === 'ext').map(({ start }) => extFileSystem(path, start));
  const root = await firstWith(ext, ['/etc/passwd', '/usr/lib/os-release']);
  if (root === undefined) throw new HostError('guest-root', `${file}: ${withoutRoot(seen.map(({ kind }) => kind))}`);
  const boot = await firstWith(
    ext.filter((one) => one !== root),
    ['/grub/grub.cfg', '/grub2/grub.cfg'],
  );
  return { way: `image:${file}`, ...withBoot(root, boot) };
}

async function plainImage(file: string): Promise<string> {
  try {
    const path = await realpath(file);
    // behind it e2fsprogs reads options
    if (path.includes('?')) throw new Error("its path has a '?', which debugfs takes for options");
    return path;
  } catch (cause) {
    throw new HostError('guest-root', `${file} cannot be read: ${(cause as Error).message}`, cause);
  }
}

type Seen = Partition & { readonly kind: FileSystem };

async function fileSystemsIn(path: string): Promise<readonly Seen[]> {
  let handle: FileHandle;
  try {
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    throw new HostError('guest-root', `${path} cannot be read: ${(cause as Error).message}`, cause);
  }
  try {
    const read = readerOf(handle);
    const whole = await fileSystemOf(read);
    if (whole === 'qcow2') return [{ start: 0, length: 0, kind: whole }];
    const partitions = await partitionsOf(read, await lengthOf(handle));
    const kinds = partitions.map(async (one) => ({
      ...one,
      kind: await fileSystemOf((offset, length) => read(one.start + offset, length)),
    }));
    return await Promise.all(kinds);
  } finally {
    await handle.close();
  }
}

function readerOf(handle: FileHandle): ReadAt {
  return async (offset, length) => {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, offset);
    return buffer.subarray(0, bytesRead);
  };
}

/** Of a block device, as a logical volume, stat says 0: its end is where nothing more can be read. */
async function lengthOf(handle: FileHandle): Promise<number> {
  const what = await handle.stat();
  if (what.isFile()) return what.size;
  if (what.isBlockDevice()) return Number.MAX_SAFE_INTEGER;
  throw new HostError('guest-root', 'it is neither a file nor a disk');
}

function withoutRoot(kinds: readonly FileSystem[]): string {
  if (kinds.includes('qcow2'))
    return 'it is qcow2, and only raw images are read: `qemu-img convert -O raw` makes one, or mount it and say root:DIRECTORY';
  return `no root of a guest is in an ext file system of it (found: ${kinds.join(', ')}); mount it and say root:DIRECTORY`;
}

type Files = Pick<GuestRoot, 'read' | 'list'>;

async function firstWith(ext: readonly Files[], paths: readonly string[]): Promise<Files | undefined> {
  for (const one of ext) {
    for (const path of paths) if ((await one.read(path)) !== undefined) return one;
  }
  return undefined;
}

/** A file system of its own for /boot, where there is one. */
function withBoot(root: Files, boot: Files | undefined): Files {
  if (boot === undefined) return root;
  const inBoot = (path: string) => (path.startsWith('/boot/') ? path.slice('/boot'.length) : undefined);
  return {
    read: async (path) => {
      const other = inBoot(path);
      return (other === undefined ? undefined : await boot.read(other)) ?? root.read(path);
    },
    list: async (path) => {
      const other = inBoot(path);
      const names = other === undefined ? [] : await boot.list(other);
      return names.length > 0 ? names : root.list(path);
    },
  };
}

/** @param start in bytes */
function extFileSystem(image: string, start: number): Files {
  const ask = (request: string, mostBytes: number) => debugfs(`${image}?offset=${start}`, request, mostBytes);
  const lookUp = (path: string) => resolved(path, ask);
  return {
    read: async (path) => {
      const found = await lookUp(path);
      if (found === undefined || found.type !== 'regular' || found.size > mostFileBytes) return undefined;
      return ask(`cat ${found.path}`, mostFileBytes);
    },
    list: async (path) => {
      const found = await lookUp(path);
      if (found === undefined || found.type !== 'directory') return [];
      return namesIn((await ask(`ls -p ${found.path}`, mostFileBytes)).toString('utf8'));
    },
  };
}

type Ask = (request: string, mostBytes: number) => Promise<Buffer>;
type Inode = { readonly path: string; readonly type: string; readonly size: number };

/** debugfs follows links on the way, and the last one not; where one leads is a text of the guest's. */
async function resolved(path: string, ask: Ask): Promise<Inode | undefined> {
  let place = path;
  for (let links = 0; links <= mostLinks; links++) {
    if (!plainPath.test(place)) return undefined;
    const said = (await ask(`stat ${place}`, mostFileBytes)).toString('latin1');
    const type = /^Inode: \d+ +Type: (\w+)/m.exec(said)?.[1];
    if (type === undefined) return undefined;
    if (type !== 'symlink') return { path: place, type, size: Number(/\bSize: (\d{1,15})$/m.exec(said)?.[1] ?? 0) };
    const target = /^Fast link dest: "(.{1,255})"$/m.exec(said)?.[1] ?? '';
    place = posix.join('/', target.startsWith('/') ? '' : posix.dirname(place), target);
  }
  return undefined;
}

/** `/inode/mode/user/group/name/size/`, a line each. */
function namesIn(listing: string): readonly string[] {
  return listing
    .split('\n')
    .flatMap((line) => line.split('/')[5] ?? [])
    .filter((name) => name !== '.' && name !== '..' && name !== '')
    .toSorted()
    .slice(0, mostNames);
}

/** @throws HostError 'guest-root' */
async function debugfs(place: string, request: string, mostBytes: number): Promise<Buffer> {
  const args = ['-c', '-R', request, place];
  const ran = await run(local, 'debugfs', args, { timeoutMs: patienceMs, mostBytes });
  if (ran.code === 127) throw new HostError('guest-root', `debugfs of e2fsprogs is needed to read it: ${ran.said}`);
  if (ran.code !== 0) throw new HostError('guest-root', failureText(local, ['debugfs', ...args], ran));
  return ran.stdout;
}
