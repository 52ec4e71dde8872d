// A file in a guest: read whole with mode and owner, replaced in one step. The texts for the guest's shell are fixed; path
// and mode are its arguments, the bytes its input.
import { HostError } from '../../model/host-error.ts';
import type { Guest } from './guest.ts';

export type KeptFile = { readonly bytes: Buffer; readonly mode: string; readonly owner: string };

/** It goes to the agent as Base64 in one argument of virsh, and those have 128 KiB at most. */
const mostKilobytes = 64;

const readScript = `[ -e "$1" ] || [ -L "$1" ] || { echo absent; exit 0; }
[ -f "$1" ] && [ ! -L "$1" ] || { echo odd; exit 0; }
[ "$(stat -c %s "$1")" -le $((${mostKilobytes} * 1024)) ] || { echo large; exit 0; }
stat -c "%a %u:%g" "$1" && base64 "$1"`;

/** undefined: there is none. @throws HostError 'guest-file' when it is no plain file, or too large to be put back */
export async function readGuestFile(guest: Guest, path: string): Promise<KeptFile | undefined> {
  const { code, stdout, said } = await guest.run('/bin/sh', ['-c', oneLine(readScript), 'sh', path]);
  const [first = '', ...rest] = stdout.toString('latin1').split('\n');
  if (code !== 0) throw new HostError('guest-file', `the guest does not let ${path} be read: ${said}`);
  if (first === 'absent') return undefined;
  if (first === 'large')
    throw new HostError(
      'guest-file',
      `${path} in the guest has more than ${mostKilobytes} KiB: it could not be put back`,
    );
  const found = /^([0-7]{3,4}) (\d+:\d+)$/.exec(first);
  if (found === null) throw new HostError('guest-file', `${path} in the guest is no plain file`);
  return { mode: found[1] ?? '644', owner: found[2] ?? '0:0', bytes: Buffer.from(rest.join(''), 'base64') };
}

// a folder of ours is for everybody to enter; the file is nobody's until it has its mode
const writeScript = `umask 022
mkdir -p "$(dirname "$1")" || exit 1
umask 077
cat >"$1.bridgekeeper-new" && chown "$3" "$1.bridgekeeper-new" && chmod "$2" "$1.bridgekeeper-new" && sync && mv "$1.bridgekeeper-new" "$1" && sync && exit
rm -f "$1.bridgekeeper-new"
exit 1`;

/** @throws HostError 'guest-file'; the old file is as it was then */
export async function writeGuestFile(guest: Guest, path: string, { bytes, mode, owner }: KeptFile): Promise<void> {
  const ran = await guest.run('/bin/sh', ['-c', oneLine(writeScript), 'sh', path, mode, owner], { input: bytes });
  if (ran.code !== 0) throw new HostError('guest-file', `the guest does not let ${path} be written: ${ran.said}`);
}

/** @param withFolder the folder goes too if nothing else is in it. @throws HostError 'guest-file' */
export async function removeGuestFile(guest: Guest, path: string, withFolder: boolean): Promise<void> {
  const script =
    'rm -f "$1" "$1.bridgekeeper-new" || exit 1; [ "$2" = keep ] || rmdir "$(dirname "$1")" 2>/dev/null; sync';
  const ran = await guest.run('/bin/sh', ['-c', script, 'sh', path, withFolder ? 'remove' : 'keep']);
  if (ran.code !== 0) throw new HostError('guest-file', `the guest does not let ${path} be removed: ${ran.said}`);
}

/** @throws HostError as `run` of the guest */
export async function hasFolderOf(guest: Guest, path: string): Promise<boolean> {
  const { code } = await guest.run('/bin/sh', ['-c', '[ -d "$(dirname "$1")" ]', 'sh', path]);
  return code === 0;
}

/** ssh takes words without line ends. */
function oneLine(script: string): string {
  return script.replaceAll('\n', '; ');
}
