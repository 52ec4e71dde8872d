// The daemon runs as root what lies in its home: nobody else may be able to exchange it.
import { type Dirent, lstatSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { HostError } from '../model/host-error.ts';

/** @throws HostError 'bad-path', 'unsafe-place' with the first thing that others could change */
export function assertSafeHome(home: string): void {
  if (!/^\/[A-Za-z0-9_.+/-]*$/.test(home)) {
    throw new HostError('bad-path', `'${home}' cannot be named in a unit: use a path of letters, digits and . _ + -`);
  }
  const unsafe = safeHomeFault(home);
  if (unsafe === undefined) return;
  const hint = 'a copy that belongs to root is made by --prefix /usr/local';
  throw new HostError('unsafe-place', `others than root can change ${unsafe}, which would run as root; ${hint}`);
}

/** The first thing in it, or above it, that others could exchange. */
export function safeHomeFault(home: string): string | undefined {
  return [...upwards(home), ...inside(home)].find(isOthers);
}

function upwards(path: string): readonly string[] {
  return path === '/' ? ['/'] : [path, ...upwards(dirname(path))];
}

/** Of a checkout or a copy: all that is ever run. */
function* inside(home: string): Iterable<string> {
  for (const name of ['bin', 'src', 'dist', 'node_modules']) {
    yield join(home, name);
    for (const entry of entriesBelow(join(home, name))) yield join(entry.parentPath, entry.name);
  }
}

function entriesBelow(directory: string): readonly Dirent[] {
  try {
    return readdirSync(directory, { recursive: true, withFileTypes: true });
  } catch {
    return [];
  }
}

/** Where everybody may write, the sticky bit keeps them from exchanging what is root's. */
function isOthers(path: string): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined || stat.isSymbolicLink()) return false;
  const isOpen = (stat.mode & 0o022) !== 0 && !(stat.isDirectory() && (stat.mode & 0o1000) !== 0);
  return stat.uid !== 0 || isOpen;
}
