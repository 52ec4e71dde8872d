// The way back: what a journal says was there before is put back, from behind, to the last byte. What cannot be put back stays
// in the journal, and nothing that somebody else changed is written over.
import { HostError } from '../../model/host-error.ts';
import { sameness } from '../same-definition.ts';
import { grubDigest, updateGrub } from './boot-loader.ts';
import { guestOf, type LiveDisplay } from './display-facts.ts';
import { asUser, type Guest } from './guest.ts';
import { readGuestFile, removeGuestFile, writeGuestFile } from './guest-file.ts';
import { type Entry, type Journal, readJournal, removeJournal, writeJournal } from './journal.ts';
import { runInSession } from './session.ts';
import { define, definition, isPersistent } from './virsh.ts';

type DefinitionEntry = Extract<Entry, { kind: 'definition' }>;
type FileEntry = Extract<Entry, { kind: 'guest-file' }>;

/**
 * From behind, down to and including the entry `first`; each is out of the journal when it is undone.
 * @returns why something could not be put back; that and what came before it on the same thing stays in the journal
 */
export async function undoFrom(
  state: string,
  live: LiveDisplay,
  journal: Journal,
  first: number,
): Promise<readonly HostError[]> {
  const faults: HostError[] = [];
  const stuck = new Set<string>();
  let kept: readonly Entry[] = journal.entries;
  for (const entry of journal.entries.slice(first).toReversed()) {
    if (stuck.has(thingOf(entry))) continue;
    try {
      await undo(live, entry);
      kept = kept.filter((one) => one !== entry);
      writeJournal(state, { ...journal, entries: [...kept] });
    } catch (cause) {
      if (!(cause instanceof HostError)) throw cause;
      stuck.add(thingOf(entry));
      faults.push(cause);
    }
  }
  return faults;
}

function thingOf(entry: Entry): string {
  return entry.kind === 'guest-file' ? entry.path : entry.kind;
}

async function undo(live: LiveDisplay, entry: Entry): Promise<void> {
  switch (entry.kind) {
    case 'definition':
      return undoDefinition(live, entry);
    case 'guest-file':
      return undoFile(asUser(guestOf(live), entry.user), entry);
    case 'session':
      for (const command of entry.undo) await runInSession(guestOf(live), { ...command, mayFail: true });
      return;
    default:
      throw new Error('an entry of an unknown kind');
  }
}

async function undoDefinition({ uuid }: LiveDisplay, entry: DefinitionEntry): Promise<void> {
  const now = await definition(uuid, 'inactive');
  if (now === entry.before) return;
  const { videos, outside } = sameness(entry.before, entry.after, now);
  // libvirt may have made something else of what it was given; who changed both the devices and the rest was somebody else
  if (!(videos || outside || now === entry.after) || !(await isPersistent(uuid)))
    throw new HostError('display-drift', 'the definition of the domain was changed by somebody else');
  if ((await define(uuid, entry.before)) === entry.before) return;
  throw new HostError('libvirt', 'libvirt took the earlier definition back, and made another one of it');
}

async function undoFile(guest: Guest, entry: FileEntry): Promise<void> {
  const { path, before, newFolder } = entry;
  if (before === null) await removeGuestFile(guest, path, newFolder);
  else await writeGuestFile(guest, path, { ...before, bytes: Buffer.from(before.bytes, 'base64') });
  // what kept GRUB's configuration from being made may still do so, and then it is what it was
  if (entry.updatesGrub && (entry.grubDigest === undefined || (await grubDigest(guest)) !== entry.grubDigest))
    await updateGrub(guest, undefined);
}

/**
 * Everything that was ever set on this guest goes back, to the last byte.
 * @returns what was undone
 * @throws HostError 'display-drift' when a file or the definition is not what we wrote; nothing is undone then;
 * 'display-left' when something could not be put back, which stays in the journal
 */
export async function rollBack(state: string, live: LiveDisplay): Promise<readonly Entry[]> {
  const journal = readJournal(state, live.uuid);
  if (journal === undefined) return [];
  await assertOurs(live, journal);
  const faults = await undoFrom(state, live, journal, 0);
  if (faults.length > 0) throw leftBehind('', faults);
  removeJournal(state, live.uuid);
  return journal.entries;
}

/** @param because what made it necessary to put things back */
export function leftBehind(because: string, faults: readonly HostError[]): HostError {
  const isDrift = faults.some(({ code }) => code === 'display-drift');
  const left = `not everything could be put back: ${faults.map(({ message }) => message).join('; ')}`;
  const message = `${because}${left}; \`display rollback\` tries it again`;
  return new HostError(isDrift ? 'display-drift' : 'display-left', message);
}

/** The last entry for each thing says what it should be now. */
async function assertOurs(live: LiveDisplay, { entries }: Journal): Promise<void> {
  const changed: string[] = [];
  for (const entry of new Map(entries.map((one) => [thingOf(one), one])).values()) {
    if (entry.kind === 'definition' && !(await isOurDefinition(live, entry)))
      changed.push('the definition of the domain');
    if (entry.kind === 'guest-file' && !(await isOurFile(asUser(guestOf(live), entry.user), entry)))
      changed.push(`${entry.path} in the guest`);
  }
  if (changed.length === 0) return;
  throw new HostError('display-drift', `not as this program left it: ${changed.join(', ')}; nothing was undone`);
}

/** A domain whose definition was taken away must not get it back by us; what was defined may not have been read back. */
async function isOurDefinition({ uuid }: LiveDisplay, { before, after, done }: DefinitionEntry): Promise<boolean> {
  if (!(await isPersistent(uuid))) return false;
  const now = await definition(uuid, 'inactive');
  if (now === after || now === before) return true;
  const { videos, outside } = sameness(before, after, now);
  return !done && videos && outside;
}

async function isOurFile(guest: Guest, { path, before, after }: FileEntry): Promise<boolean> {
  const now = await readGuestFile(guest, path);
  if (now === undefined) return before === null;
  const wasThere = before !== null && now.bytes.equals(Buffer.from(before.bytes, 'base64'));
  return wasThere || now.bytes.equals(Buffer.from(after));
}
