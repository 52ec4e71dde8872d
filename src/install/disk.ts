// Single files and links below a root: looked at without following the last link, put there at once, taken away. A link
// on the way that leads out of the root is refused: nothing outside of it is touched.
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { HostError } from '../model/host-error.ts';
import type { Entry } from './entry.ts';
import { type Before, digestOf } from './ledger.ts';

export type OnDisk = Before | { readonly kind: 'nothing' } | { readonly kind: 'other' };

export function onDisk(path: string): OnDisk {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return { kind: 'nothing' };
  if (stat.isSymbolicLink()) return { kind: 'link', target: readlinkSync(path) };
  if (!stat.isFile()) return { kind: 'other' };
  const { mode, uid, gid } = stat;
  return { kind: 'file', digest: digestOf(readFileSync(path)), mode: mode & 0o7777, uid, gid };
}

/** What tells one content from another; undefined for what has none. */
export function contentOf(found: OnDisk): string | undefined {
  if (found.kind === 'file') return found.digest;
  return found.kind === 'link' ? digestOf(`link to ${found.target}`) : undefined;
}

export function contentOfEntry(entry: Entry): string {
  return digestOf(entry.kind === 'file' ? entry.bytes : `link to ${entry.target}`);
}

/** Where a path is below the root, which is '' for the machine itself. @throws HostError 'outside' */
export function below(root: string, path: string): string {
  const place = join(root === '' ? '/' : root, path);
  if (root === '') return place;
  const real = realpathSync(root);
  const reached = realpathSync(nearestThatIs(dirname(place)));
  if (reached === real || reached.startsWith(`${real}/`)) return place;
  throw new HostError('outside', `${place} leads out of ${root}, to ${reached}`);
}

function nearestThatIs(path: string): string {
  return lstatSync(path, { throwIfNoEntry: false }) === undefined ? nearestThatIs(dirname(path)) : path;
}

/** Written beside its place; what is given back puts it there. A reader sees the old file or the new one, never half. */
export function staged(place: string, entry: Entry): () => void {
  return entry.kind === 'link' ? stagedLink(place, entry.target) : stagedFile(place, entry.bytes, entry.mode);
}

/** As it was: bytes, mode and owner. */
export function putBack(place: string, before: Before, bytes: () => Uint8Array): void {
  const put =
    before.kind === 'link' ? stagedLink(place, before.target) : stagedFile(place, bytes(), before.mode, before);
  put();
}

function stagedFile(
  place: string,
  bytes: Uint8Array,
  mode: number,
  owner?: { readonly uid: number; readonly gid: number },
): () => void {
  const fresh = freshName(place);
  writeFileSync(fresh, bytes, { flag: 'wx', mode: 0o600 });
  if (owner !== undefined) chownSync(fresh, owner.uid, owner.gid);
  chmodSync(fresh, mode);
  return () => renameSync(fresh, place);
}

function stagedLink(place: string, target: string): () => void {
  const fresh = freshName(place);
  symlinkSync(target, fresh);
  return () => renameSync(fresh, place);
}

function freshName(place: string): string {
  const fresh = `${place}.bridgekeeper-new`;
  rmSync(fresh, { force: true });
  return fresh;
}

/** All that was written to the file systems of these paths is on the disk: once for many files. */
export function sync(paths: readonly string[]): void {
  const byDevice = new Map(paths.map((path) => [lstatSync(path).dev, path]));
  if (byDevice.size === 0) return;
  // an older sync knows no -f
  if (spawnSync('sync', ['-f', ...byDevice.values()]).status !== 0) spawnSync('sync');
}

export function removeEntry(place: string): void {
  rmSync(place, { force: true });
}

/** Whatever the umask is. */
export function makeDirectory(place: string, mode: number): void {
  if (lstatSync(place, { throwIfNoEntry: false }) !== undefined) return;
  mkdirSync(place);
  chmodSync(place, mode);
}

/** One that somebody else uses too stays. */
export function removeIfEmpty(place: string): void {
  try {
    rmdirSync(place);
  } catch (cause) {
    const { code = '' } = cause as NodeJS.ErrnoException;
    if (!['ENOTEMPTY', 'EEXIST', 'ENOENT', 'ENOTDIR'].includes(code)) throw cause;
  }
}
