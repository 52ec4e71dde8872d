// One display command at a time changes a guest, or switches its consoles: another one would see it half changed.
import { mkdirSync } from 'node:fs';
import { withLock } from '../apply/live/lock.ts';
import { writing } from '../apply/live/state.ts';
import { journalFolder } from '../display/live/journal.ts';
import { domainUuid } from '../display/live/virsh.ts';
import { assertOfLibvirt } from './display-guest.ts';
import { type StateOptions, stateDirectory } from './state-directory.ts';

/**
 * @param command for the message that others get to see
 * @param action gets the guest's UUID, which stays the same when somebody renames it
 * @throws HostError 'no-guest', 'locked' when another one is at work for more than some seconds, 'unwritable', 'needs-root'
 */
export async function aloneWith<T>(
  name: string,
  command: string,
  options: StateOptions,
  action: (uuid: string) => Promise<T>,
): Promise<T> {
  assertOfLibvirt(name);
  const uuid = await domainUuid(name);
  const folder = journalFolder(stateDirectory(options), uuid);
  writing(folder, () => mkdirSync(folder, { recursive: true, mode: 0o700 }));
  return withLock(folder, command, () => action(uuid));
}
