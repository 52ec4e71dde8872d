// Files of this machine or another, by POSIX sh on both: read whole, replaced at once, taken away. A reader never sees
// half a file, and neither a full disk nor a broken connection leaves one.
import { HostError } from '../model/host-error.ts';
import type { Access } from './access.ts';
import { failureText, type Ran, run } from './run.ts';

export type FileKind = 'file' | 'directory' | 'character device' | 'other';

/** What the scripts say of a file that is not there. */
const absent = 44;

const readScript = `[ -e "$1" ] || exit ${absent}; exec cat -- "$1"`;

const kindScript = `[ -e "$1" ] || exit ${absent}; if [ -f "$1" ]; then echo file; elif [ -d "$1" ]; then echo directory; elif [ -c "$1" ]; then echo "character device"; else echo other; fi`;

/** A link stays, and the file that it points to is replaced. The number of bytes tells whether all of them came. */
const replaceScript = [
  'set -eu; path=$(readlink -f -- "$1" 2>/dev/null) || path=$1; [ -n "$path" ] || path=$1',
  'if [ -e "$path" ]; then [ -f "$path" ] || { echo "it leads to something that is no file" >&2; exit 1; }; fi',
  'if [ -L "$1" ]; then [ -e "$1" ] || { echo "it is a link that leads nowhere" >&2; exit 1; }; fi',
  'directory=$(dirname -- "$path"); mkdir -p -- "$directory/"; new=$directory/.bridgekeeper-$$-new',
  'trap "rm -f -- \\"\\$new\\"" EXIT; umask 077',
  'if [ -e "$path" ]; then cp -p -- "$path" "$new"; else : >"$new"; chmod "$3" "$new"; fi',
  'cat >"$new"; [ "$(wc -c <"$new")" -eq "$2" ] || { echo "not all of the bytes arrived" >&2; exit 1; }',
  'sync "$new" 2>/dev/null || sync; mv -f -- "$new" "$path"; sync "$directory" 2>/dev/null || true',
].join('; ');

/** `undefined`: there is no such file. @throws HostError 'unreadable' */
export async function readFile(access: Access, path: string): Promise<Buffer | undefined> {
  const ran = await run(access, 'sh', ['-c', readScript, 'sh', path]);
  if (ran.code === absent) return undefined;
  return checked(access, 'unreadable', `read ${path}`, ran).stdout;
}

/** As UTF-8. @throws HostError 'unreadable' */
export async function readText(access: Access, path: string): Promise<string | undefined> {
  return (await readFile(access, path))?.toString('utf8');
}

/** What a path leads to; `undefined` when to nothing. @throws HostError 'unreadable' */
export async function fileKind(access: Access, path: string): Promise<FileKind | undefined> {
  const ran = await run(access, 'sh', ['-c', kindScript, 'sh', path]);
  if (ran.code === absent) return undefined;
  return checked(access, 'unreadable', `look at ${path}`, ran).stdout.toString('latin1').trim() as FileKind;
}

/**
 * Owner and mode of a file that is there stay; a new one, and folders on the way to it, are made. `mode` in octal.
 * @throws HostError 'unwritable'; the old file is as it was then
 */
export async function replaceFile(access: Access, path: string, bytes: Uint8Array, mode = '644'): Promise<void> {
  const args = ['-c', replaceScript, 'sh', path, `${bytes.length}`, mode];
  checked(access, 'unwritable', `write ${path}`, await run(access, 'sh', args, { input: bytes }));
}

/** It is no fault when it was gone already. @throws HostError 'unwritable' */
export async function removeFile(access: Access, path: string): Promise<void> {
  checked(access, 'unwritable', `remove ${path}`, await run(access, 'rm', ['-f', '--', path]));
}

function checked(access: Access, code: string, what: string, ran: Ran): Ran {
  if (ran.code !== 0) throw new HostError(code, `cannot ${what}: ${failureText(access, ['sh'], ran)}`);
  return ran;
}
