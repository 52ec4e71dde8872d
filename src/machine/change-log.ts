// Change sets done and taken back. Before anything is touched, all that is needed to take it back is on the disk: in
// STATE/changes/ID, a folder with a list and the bytes of each file. A change that was broken off half-way can be taken
// back like a whole one.
import { HostError } from '../model/host-error.ts';
import type { Access } from './access.ts';
import { type Change, type ChangeSet, type Command, type FileChange, isIdle } from './change.ts';
import { type ChangeRecord, freshId, readRecords, writeRecord } from './change-records.ts';
import { readFile, removeFile, replaceFile } from './files.ts';
import { mustRun } from './run.ts';

/**
 * Does all of it or nothing. Without anything to do nothing is written, and the answer is `undefined`.
 * @throws HostError 'changed-meanwhile' when a file is not what the plan was made for; 'unwritable'; 'change-failed'
 * after what had been done was taken back, or as much of it as could be: then it stays open, and `cause` has all errors
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
    throw await failure(access, state, record, done, cause);
  }
  const whole = { ...record, state: 'done' } as const;
  writeRecord(state, whole);
  return whole;
}

/** What went wrong first is what the user has to know, whatever goes wrong in putting things back. */
async function failure(
  access: Access,
  state: string,
  record: ChangeRecord,
  done: readonly Change[],
  cause: unknown,
): Promise<HostError> {
  const others = await takeBack(access, done);
  if (others.length === 0) others.push(...attempt(() => writeRecord(state, { ...record, state: 'failed' })));
  const words = `${record.title}: ${messageOf(cause)}`;
  if (others.length === 0) return new HostError('change-failed', `${words}; what had been changed was put back`, cause);
  const left = `not all could be put back: ${others.map(messageOf).join('; ')}`;
  const all = new AggregateError([cause, ...others], words);
  return new HostError('change-failed', `${words}; ${left}; this is change ${record.id}, still to be taken back`, all);
}

/**
 * Puts everything back, byte for byte.
 * @throws HostError 'changed-since' when a file is neither as it was nor as it was made, and nothing is touched then;
 * 'undo-failed' when not all could be put back, and the change stays open
 */
export async function undoChanges(access: Access, state: string, record: ChangeRecord): Promise<void> {
  for (const change of record.changes) if (change.kind === 'file') await refuseForeign(access, change);
  const failures = await takeBack(access, record.changes);
  if (failures.length > 0) {
    const words = `${record.title}: not all could be put back: ${failures.map(messageOf).join('; ')}`;
    throw new HostError('undo-failed', words, new AggregateError(failures, words));
  }
  writeRecord(state, { ...record, state: 'undone' });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function attempt(action: () => void): readonly unknown[] {
  try {
    action();
    return [];
  } catch (error) {
    return [error];
  }
}

/** What was done and not yet taken back, the latest first. @throws HostError 'unreadable' */
export function openChanges(state: string, host: string): readonly ChangeRecord[] {
  return readRecords(state)
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

/** The last first; what cannot be put back keeps nothing else from it. Gives what went wrong with files. */
async function takeBack(access: Access, changes: readonly Change[]): Promise<unknown[]> {
  const failures: unknown[] = [];
  const commands = changes.filter((change): change is Command => change.kind === 'command');
  for (const { undoFirst } of commands.toReversed()) if (undoFirst !== undefined) await tryArgv(access, undoFirst);
  for (const change of changes.toReversed()) {
    if (change.kind !== 'file') continue;
    await putBytes(access, change, change.before).catch((error: unknown) => failures.push(error));
  }
  for (const { undoLast } of commands) if (undoLast !== undefined) await tryArgv(access, undoLast);
  return failures;
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
