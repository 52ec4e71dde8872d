// A plan -> the guest changed, step by step. Each step is in the journal before it is done; when one fails, those of this run
// are undone, and the guest is as it was before.
import { HostError } from '../../model/host-error.ts';
import { type DisplayPlan, isPending, type Step } from '../plan.ts';
import { sameness } from '../same-definition.ts';
import type { Size } from '../size.ts';
import { grubDigest, updateGrub } from './boot-loader.ts';
import { guestOf, type LiveDisplay } from './display-facts.ts';
import { asUser } from './guest.ts';
import { hasFolderOf, type KeptFile, readGuestFile, writeGuestFile } from './guest-file.ts';
import { type Entry, type Journal, readJournal, removeJournal, writeJournal } from './journal.ts';
import { readArrangement, runInSession } from './session.ts';
import { leftBehind, undoFrom } from './undo.ts';
import { define, definition, isPersistent } from './virsh.ts';

export type Performed = {
  readonly changed: number;
  /** Steps that can only be done after the next start. */
  readonly waiting: readonly Step[];
};

/** Somebody else's file keeps its mode and owner; a new one of ours is for everybody to read. */
const ours = { mode: '644', owner: '0:0' };

/**
 * @param expected what pictures are to show when all of it has taken effect
 * @throws HostError 'display-undone' when a step failed and everything is back, with the step's own fault as its cause;
 * 'display-drift' the same when it failed since somebody else changed something after the plan was made; 'display-left' when
 * something could not be put back, which the journal still has
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
        const after = await doStep(live, step, entry);
        write([...journal.entries.slice(0, -1), doneEntry(entry, after)]);
      }
    }
  } catch (cause) {
    const faults = await undoFrom(state, live, { ...journal, expected: before?.expected ?? [] }, first);
    if (faults.length === 0 && before === undefined) removeJournal(state, live.uuid);
    throw takenBack(cause as Error, faults);
  }
  // also what was so already is what pictures are held against
  write(journal.entries);
  return { changed: journal.entries.length - first, waiting };
}

function takenBack(cause: Error, faults: readonly HostError[]): HostError {
  if (faults.length > 0) return leftBehind(`${cause.message}; `, faults);
  const code = cause instanceof HostError && cause.code === 'display-drift' ? 'display-drift' : 'display-undone';
  return new HostError(code, `${cause.message}; everything is as it was before`, cause);
}

/** What is there now, which must be what the plan was made for. @throws HostError 'display-drift', 'guest-file' */
async function entryOf(live: LiveDisplay, step: Step): Promise<Entry> {
  switch (step.kind) {
    case 'definition':
      if ((await definition(live.uuid, 'inactive')) !== step.before || !(await isPersistent(live.uuid)))
        throw new HostError('display-drift', 'the definition of the domain was changed meanwhile');
      return { kind: 'definition', before: step.before, after: step.after, done: false };
    case 'guest-file':
      return fileEntry(live, step);
    case 'session':
      return { kind: 'session', undo: [...(await readArrangement(guestOf(live), step.session))], done: false };
    default:
      throw new Error('a step of an unknown kind');
  }
}

async function fileEntry(live: LiveDisplay, step: Extract<Step, { kind: 'guest-file' }>): Promise<Entry> {
  const { path, after, user } = step;
  const guest = asUser(guestOf(live), user);
  const kept = await readGuestFile(guest, path);
  if (kept?.bytes.toString('utf8') !== step.before)
    throw new HostError('display-drift', `${path} in the guest was changed meanwhile`);
  if (kept !== undefined && !kept.bytes.equals(Buffer.from(step.before ?? '')))
    throw new HostError('guest-file', `${path} in the guest is no UTF-8: what else is in it would not stay as it is`);
  const before = kept === undefined ? null : { ...kept, bytes: kept.bytes.toString('base64') };
  const newFolder = before === null && !(await hasFolderOf(guest, path));
  const updatesGrub = step.afterwards === 'update-grub';
  const boot = live.facts.guest?.bootId;
  const digest = updatesGrub ? await grubDigest(guest) : undefined;
  return {
    ...{ kind: 'guest-file', path, before, newFolder, after, updatesGrub, done: false },
    ...(user === undefined ? {} : { user }),
    ...(boot === undefined ? {} : { boot }),
    ...(digest === undefined ? {} : { grubDigest: digest }),
  };
}

/** A definition as libvirt itself writes it, so that a later change by somebody else is seen. */
function doneEntry(entry: Entry, after: string | undefined): Entry {
  return entry.kind === 'definition' ? { ...entry, after: after ?? entry.after, done: true } : { ...entry, done: true };
}

/** @returns what libvirt made of a definition */
async function doStep(live: LiveDisplay, step: Step, entry: Entry): Promise<string | undefined> {
  switch (step.kind) {
    case 'definition': {
      const made = await define(live.uuid, step.after);
      assertMeant(step, made);
      return made;
    }
    case 'guest-file': {
      const guest = asUser(guestOf(live), step.user);
      await writeGuestFile(guest, step.path, { ...keptOf(entry), bytes: Buffer.from(step.after) });
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

function keptOf(entry: Entry): Pick<KeptFile, 'mode' | 'owner'> {
  if (entry.kind !== 'guest-file') return ours;
  return entry.before ?? (entry.user === undefined ? ours : { ...ours, owner: entry.user });
}

/** @throws HostError 'libvirt' when it made something else of the definition than it was told */
function assertMeant({ before, after }: Extract<Step, { kind: 'definition' }>, made: string): void {
  const { videos, outside } = sameness(before, after, made);
  if (!videos) throw new HostError('libvirt', 'libvirt took the definition, and made other display devices of it');
  if (!outside)
    throw new HostError('libvirt', 'libvirt took the definition, and changed more of it than was asked for');
}
