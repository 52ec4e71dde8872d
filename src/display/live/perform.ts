// A plan -> the guest changed, step by step. Each step is in the journal before it is done; when one fails, those of this run
// are undone, and the guest is as it was before.
import { HostError } from '../../model/host-error.ts';
import { type DisplayPlan, isPending, type Step } from '../plan.ts';
import type { Command } from '../session-step.ts';
import type { Size } from '../size.ts';
import { updateGrub } from './boot-loader.ts';
import type { LiveDisplay } from './display-facts.ts';
import type { Guest } from './guest.ts';
import { hasFolderOf, readGuestFile, removeGuestFile, writeGuestFile } from './guest-file.ts';
import { type Entry, type Journal, readJournal, removeJournal, writeJournal } from './journal.ts';
import { readArrangement } from './session.ts';
import { define, definition } from './virsh.ts';

export type Performed = {
  readonly changed: number;
  /** Steps that can only be done after the next start. */
  readonly waiting: readonly Step[];
};

/** Somebody else's file keeps its mode and owner; a new one of ours is for everybody to read. */
const ours = { mode: '644', owner: '0:0' };

/**
 * @param expected what pictures are to show when all of it has taken effect
 * @throws HostError 'display-undone' when a step failed and everything is back, with the step's own fault as its cause
 */
export async function performPlan(
  state: string,
  live: LiveDisplay,
  { steps }: DisplayPlan,
  expected: readonly Size[],
): Promise<Performed> {
  const before = readJournal(state, live.uuid);
  let journal: Journal = { version: 1, uuid: live.uuid, entries: [], ...before, expected: [...expected] };
  const first = journal.entries.length;
  const write = (entries: readonly Entry[]): void => {
    journal = { ...journal, entries: [...entries] };
    writeJournal(state, journal);
  };
  const waiting: Step[] = [];
  const restarts = steps.some(({ kind }) => kind === 'definition') || isPending(live.facts);
  try {
    for (const step of steps) {
      // what a session shows depends on the memory that the next start brings
      if (step.kind === 'session' && restarts && live.facts.running !== undefined) waiting.push(step);
      else {
        const entry = await entryOf(live, step);
        write([...journal.entries, entry]);
        const after = await doStep(live, step);
        write([...journal.entries.slice(0, -1), doneEntry(entry, after)]);
      }
    }
  } catch (cause) {
    await undoFrom(state, live, journal, first);
    throw new HostError('display-undone', `${(cause as Error).message}; everything is as it was before`, cause);
  }
  if (steps.length > 0) write(journal.entries);
  return { changed: journal.entries.length - first, waiting };
}

async function entryOf(live: LiveDisplay, step: Step): Promise<Entry> {
  switch (step.kind) {
    case 'definition':
      return { kind: 'definition', before: step.before, after: step.after, done: false };
    case 'guest-file': {
      const kept = await readGuestFile(guestOf(live), step.path);
      const before = kept === undefined ? null : { ...kept, bytes: kept.bytes.toString('base64') };
      const newFolder = before === null && !(await hasFolderOf(guestOf(live), step.path));
      const updatesGrub = step.afterwards === 'update-grub';
      return { kind: 'guest-file', path: step.path, before, newFolder, after: step.after, updatesGrub, done: false };
    }
    case 'session':
      return { kind: 'session', undo: [...(await readArrangement(guestOf(live), step.session))], done: false };
    default:
      throw new Error('a step of an unknown kind');
  }
}

function guestOf({ guest, facts }: LiveDisplay): Guest {
  if (guest === undefined) throw new HostError('agent', `the guest cannot be asked: ${facts.silence ?? ''}`);
  return guest;
}

/** A definition as libvirt itself writes it, so that a later change by somebody else is seen. */
function doneEntry(entry: Entry, after: string | undefined): Entry {
  return entry.kind === 'definition' ? { ...entry, after: after ?? entry.after, done: true } : { ...entry, done: true };
}

/** @returns what libvirt made of a definition */
async function doStep(live: LiveDisplay, step: Step): Promise<string | undefined> {
  switch (step.kind) {
    case 'definition': {
      const made = await define(live.uuid, step.after);
      assertSaid(step.after, made);
      return made;
    }
    case 'guest-file': {
      const guest = guestOf(live);
      const kept = await readGuestFile(guest, step.path);
      await writeGuestFile(guest, step.path, { ...ours, ...kept, bytes: Buffer.from(step.after) });
      if (step.afterwards === 'update-grub') await updateGrub(guest, step.grub);
      return undefined;
    }
    case 'session':
      for (const command of step.step.commands) await runInSession(guestOf(live), command);
      return undefined;
    default:
      throw new Error('a step of an unknown kind');
  }
}

/** libvirt writes definitions in its own way; the display devices must say what they were told. */
function assertSaid(wanted: string, made: string): void {
  const models = (text: string) =>
    [...text.matchAll(/<resolution\s+x=['"](\d+)['"]\s+y=['"](\d+)['"]/g)].map(([, x, y]) => `${x}x${y}`);
  const missing = models(wanted).filter((one) => !models(made).includes(one));
  if (missing.length > 0)
    throw new HostError('libvirt', `libvirt took the definition, and left out ${missing.join(', ')}`);
}

/** A session's programs run as its user. @throws HostError 'session' */
async function runInSession(guest: Guest, { program, args, environment, user, mayFail }: Command): Promise<void> {
  const words =
    user === 'root'
      ? [program, ...args]
      : [
          'runuser',
          '-u',
          user,
          '--',
          'env',
          ...Object.entries(environment).map(([name, value]) => `${name}=${value}`),
          program,
          ...args,
        ];
  const ran = await guest.run(words[0] ?? program, words.slice(1), { environment });
  if (ran.code !== 0 && !mayFail)
    throw new HostError('session', `${program} in the guest: ${ran.said || `it ended with ${ran.code}`}`);
}

/** From behind, down to and including the entry `first`. @throws HostError 'display-drift' when somebody else changed it meanwhile */
async function undoFrom(state: string, live: LiveDisplay, journal: Journal, first: number): Promise<void> {
  for (let at = journal.entries.length - 1; at >= first; at--) {
    const entry = journal.entries[at];
    if (entry !== undefined) await undo(live, entry);
    writeJournal(state, { ...journal, entries: journal.entries.slice(0, at) });
  }
}

async function undo(live: LiveDisplay, entry: Entry): Promise<void> {
  switch (entry.kind) {
    case 'definition':
      return undoDefinition(live, entry);
    case 'guest-file':
      return undoFile(guestOf(live), entry);
    case 'session':
      for (const command of entry.undo) await runInSession(guestOf(live), { ...command, mayFail: true });
      return;
    default:
      throw new Error('an entry of an unknown kind');
  }
}

async function undoDefinition({ uuid }: LiveDisplay, entry: Extract<Entry, { kind: 'definition' }>): Promise<void> {
  const now = await definition(uuid, 'inactive');
  if (now === entry.before) return;
  if ((await define(uuid, entry.before)) === entry.before) return;
  throw new HostError('libvirt', 'libvirt took the earlier definition back, and made another one of it');
}

async function undoFile(
  guest: Guest,
  { path, before, newFolder, updatesGrub }: Extract<Entry, { kind: 'guest-file' }>,
): Promise<void> {
  if (before === null) await removeGuestFile(guest, path, newFolder);
  else await writeGuestFile(guest, path, { ...before, bytes: Buffer.from(before.bytes, 'base64') });
  if (updatesGrub) await updateGrub(guest, undefined);
}

/**
 * Everything that was ever set on this guest goes back, to the last byte.
 * @returns how many steps were undone
 * @throws HostError 'display-drift' when a file or the definition is not what we wrote; nothing is undone then
 */
export async function rollBack(state: string, live: LiveDisplay): Promise<number> {
  const journal = readJournal(state, live.uuid);
  if (journal === undefined) return 0;
  await assertOurs(live, journal);
  await undoFrom(state, live, journal, 0);
  removeJournal(state, live.uuid);
  return journal.entries.length;
}

/** The last entry for each thing says what it should be now. */
async function assertOurs(live: LiveDisplay, { entries }: Journal): Promise<void> {
  const changed: string[] = [];
  const last = new Map(entries.map((entry) => [entry.kind === 'guest-file' ? entry.path : entry.kind, entry]));
  for (const entry of last.values()) {
    if (entry.kind === 'definition') {
      const now = await definition(live.uuid, 'inactive');
      if (now !== entry.after && now !== entry.before) changed.push('the definition of the domain');
    }
    if (entry.kind === 'guest-file') {
      const now = await readGuestFile(guestOf(live), entry.path);
      const is = now?.bytes.toString('utf8');
      const was = entry.before === null ? undefined : Buffer.from(entry.before.bytes, 'base64').toString('utf8');
      if (is !== entry.after && is !== was) changed.push(`${entry.path} in the guest`);
    }
  }
  if (changed.length === 0) return;
  throw new HostError('display-drift', `not as this program left it: ${changed.join(', ')}; nothing was undone`);
}
