// Change sets as they were written down: a folder each in STATE/changes, with changes.json, which has the bytes of each file
// as base64. On the disk when writing comes back.
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { HostError } from '../model/host-error.ts';
import type { Change, ChangeSet, Command, FileChange } from './change.ts';
import { writeDurably } from './write-durably.ts';

export type ChangeState = 'begun' | 'done' | 'undone' | 'failed';

/** A change set as it was written down. */
export type ChangeRecord = ChangeSet & {
  readonly id: string;
  /** '' is this machine. */
  readonly host: string;
  readonly state: ChangeState;
  /** Milliseconds since 1970. */
  readonly at: number;
};

const listName = 'changes.json';

function recordIds(state: string): readonly string[] {
  try {
    return readdirSync(join(state, 'changes'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new HostError('unreadable', `cannot read ${state}/changes: ${(error as Error).message}`, error);
  }
}

/**
 * The name of a folder that is made here, and that nobody else has. Sorted by time; two of one second differ by a number.
 * @throws HostError 'unwritable'
 */
export function freshId(state: string, name: string, now: number): string {
  const base = `${new Date(now).toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z-${name}`;
  for (let number = 1; ; number++) {
    const id = number === 1 ? base : `${base}-${number}`;
    if (made(state, id)) return id;
  }
}

/** Looking first and making then would give two processes the same name. */
function made(state: string, id: string): boolean {
  try {
    mkdirSync(join(state, 'changes'), { recursive: true, mode: 0o750 });
    mkdirSync(join(state, 'changes', id), { mode: 0o750 });
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return false;
    const words = `cannot keep what is to be changed in ${state}/changes: ${(cause as Error).message}`;
    throw new HostError('unwritable', words, cause);
  }
}

/** Of all that was ever begun. @throws HostError 'unreadable' */
export function readRecords(state: string): readonly ChangeRecord[] {
  return recordIds(state).flatMap((id) => readRecord(state, id) ?? []);
}

/** @throws HostError 'unwritable' */
export function writeRecord(state: string, record: ChangeRecord): void {
  const directory = join(state, 'changes', record.id);
  try {
    mkdirSync(directory, { recursive: true, mode: 0o750 });
    writeDurably(
      join(directory, listName),
      JSON.stringify({ version: 1, ...record, changes: record.changes.map(plain) }),
    );
  } catch (cause) {
    throw new HostError(
      'unwritable',
      `cannot keep what is to be changed in ${directory}: ${(cause as Error).message}`,
      cause,
    );
  }
}

/** `undefined`: nothing was changed yet when it was broken off, or another process is about to write it. */
function readRecord(state: string, id: string): ChangeRecord | undefined {
  const file = join(state, 'changes', id, listName);
  try {
    const { version, ...record } = JSON.parse(readFileSync(file, 'utf8'));
    if (version !== 1) throw new Error(`version ${version} is not known here`);
    return { ...record, changes: record.changes.map(restored) };
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new HostError('unreadable', `cannot read ${file}: ${(cause as Error).message}`, cause);
  }
}

function plain(change: Change): object {
  if (change.kind === 'command') return change;
  return { ...change, before: base64(change.before), after: base64(change.after) };
}

type PlainFile = Omit<FileChange, 'before' | 'after'> & {
  readonly before: string | null;
  readonly after: string | null;
};

function restored(change: Command | PlainFile): Change {
  if (change.kind === 'command') return change;
  return { ...change, before: bytesOf(change.before), after: bytesOf(change.after) };
}

function base64(bytes: Uint8Array | undefined): string | null {
  return bytes === undefined ? null : Buffer.from(bytes).toString('base64');
}

function bytesOf(text: string | null): Buffer | undefined {
  return text === null ? undefined : Buffer.from(text, 'base64');
}
