// Change sets done and taken back. Before anything is touched, all that is needed to take it back is on the disk: in
// STATE/changes/ID, a folder with a list and the bytes of each file. A change that was broken off half-way can be taken
// back like a whole one.
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { HostError } from '../model/host-error.ts';
import type { Access } from './access.ts';
import { type Change, type ChangeSet, type Command, type FileChange, isIdle } from './change.ts';
import { readFile, removeFile, replaceFile } from './files.ts';
import { mustRun } from './run.ts';
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

/**
 * Does all of it or nothing. Without anything to do nothing is written, and the answer is `undefined`.
 * @throws HostError 'changed-meanwhile' when a file is not what the plan was made for; 'unwritable'; 'change-failed'
 * after what had been done was taken back
 */
export async function applyChanges(
  access: Access,
  state: string,
  { name, title, changes }: ChangeSet,
  now = Date.now(),
): Promise<ChangeRecord | undefined> {
  const files = changes.filter((change) => change.kind === 'file');
  if (files.length > 0 ? files.every(isIdle) : changes.length === 0) return undefined;
  for (const file of files)
    await refuseUnless(access, file, file.before, 'changed-meanwhile', 'since this was planned');
  const record = {
    id: freshId(state, name, now),
    host: access.host,
    name,
    title,
    changes,
    state: 'begun',
    at: now,
  } as const;
  writeRecord(state, record);
  const done: Change[] = [];
  try {
    for (const change of changes) {
      done.push(change);
      await doChange(access, change);
    }
  } catch (cause) {
    await takeBack(access, done);
    writeRecord(state, { ...record, state: 'failed' });
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new HostError('change-failed', `${title}: ${why}; what had been changed was put back`, cause);
  }
  const whole = { ...record, state: 'done' } as const;
  writeRecord(state, whole);
  return whole;
}

/**
 * Puts everything back, byte for byte.
 * @throws HostError 'changed-since' when a file is neither as it was nor as it was made, and nothing is touched then
 */
export async function undoChanges(access: Access, state: string, record: ChangeRecord): Promise<void> {
  for (const change of record.changes) if (change.kind === 'file') await refuseForeign(access, change);
  await takeBack(access, record.changes);
  writeRecord(state, { ...record, state: 'undone' });
}

/** What was done and not yet taken back, the latest first. @throws HostError 'unreadable' */
export function openChanges(state: string, host: string): readonly ChangeRecord[] {
  return recordIds(state)
    .map((id) => readRecord(state, id))
    .filter((record) => record.host === host && (record.state === 'done' || record.state === 'begun'))
    .sort((a, b) => b.at - a.at || (a.id < b.id ? 1 : -1));
}

async function doChange(access: Access, change: Change): Promise<void> {
  if (change.kind === 'command') await runArgv(access, change.argv);
  else await putBytes(access, change, change.after);
}

async function putBytes(access: Access, { path, mode }: FileChange, bytes: Uint8Array | undefined): Promise<void> {
  if (bytes === undefined) await removeFile(access, path);
  else await replaceFile(access, path, bytes, mode);
}

/** The last first; a command that cannot be taken back does not keep the files from it. */
async function takeBack(access: Access, changes: readonly Change[]): Promise<void> {
  const commands = changes.filter((change): change is Command => change.kind === 'command');
  for (const { undoFirst } of commands.toReversed()) if (undoFirst !== undefined) await tryArgv(access, undoFirst);
  for (const change of changes.toReversed()) if (change.kind === 'file') await putBytes(access, change, change.before);
  for (const { undoLast } of commands) if (undoLast !== undefined) await tryArgv(access, undoLast);
}

async function tryArgv(access: Access, argv: readonly string[]): Promise<void> {
  await runArgv(access, argv).catch(() => undefined);
}

async function runArgv(access: Access, [program = '', ...args]: readonly string[]): Promise<void> {
  await mustRun(access, 'command-failed', program, args);
}

async function refuseUnless(
  access: Access,
  { path }: FileChange,
  wanted: Uint8Array | undefined,
  code: string,
  when: string,
): Promise<void> {
  if (!isSame(await readFile(access, path), wanted)) throw new HostError(code, `${path} was changed ${when}`);
}

async function refuseForeign(access: Access, change: FileChange): Promise<void> {
  const now = await readFile(access, change.path);
  if (isSame(now, change.after) || isSame(now, change.before)) return;
  throw new HostError('changed-since', `${change.path} was changed after this: nothing is put back`);
}

function isSame(one: Uint8Array | undefined, other: Uint8Array | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  return Buffer.compare(one, other) === 0;
}

// The folder of a record: changes.json, and of each file its bytes as base64 therein.

const listName = 'changes.json';

function recordIds(state: string): readonly string[] {
  try {
    return readdirSync(join(state, 'changes'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new HostError('unreadable', `cannot read ${state}/changes: ${(error as Error).message}`, error);
  }
}

/** Sorted by time; two of one second differ by a number. */
function freshId(state: string, name: string, now: number): string {
  const known = recordIds(state);
  const base = `${new Date(now).toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z-${name}`;
  for (let number = 1; ; number++) {
    const id = number === 1 ? base : `${base}-${number}`;
    if (!known.includes(id)) return id;
  }
}

function writeRecord(state: string, record: ChangeRecord): void {
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

function readRecord(state: string, id: string): ChangeRecord {
  const file = join(state, 'changes', id, listName);
  try {
    const { version, ...record } = JSON.parse(readFileSync(file, 'utf8'));
    if (version !== 1) throw new Error(`version ${version} is not known here`);
    return { ...record, changes: record.changes.map(restored) };
  } catch (cause) {
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
