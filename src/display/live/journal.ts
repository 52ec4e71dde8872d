// What was changed on a guest's displays, and what was there before: written down before anything is changed, so that the way
// back is on the disk whatever happens. A rollback undoes it from behind, to the last byte.
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { writeDurably } from '../../machine/write-durably.ts';
import { HostError } from '../../model/host-error.ts';

const file = z.strictObject({ bytes: z.string(), mode: z.string(), owner: z.string() });
const size = z.strictObject({ width: z.number(), height: z.number() });
const command = z.strictObject({
  program: z.string(),
  args: z.array(z.string()).readonly(),
  environment: z.record(z.string(), z.string()),
  user: z.string(),
  mayFail: z.boolean(),
});

const entry = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('definition'), before: z.string(), after: z.string(), done: z.boolean() }),
  z.strictObject({
    kind: z.literal('guest-file'),
    path: z.string(),
    /** As whom it is written; root without it. */
    user: z.string().optional(),
    before: file.nullable(),
    /** Its folder was not there either. */
    newFolder: z.boolean(),
    after: z.string(),
    updatesGrub: z.boolean(),
    /** The start of the guest in which it was written: until the next one GRUB has not read it. */
    boot: z.string().optional(),
    /** Of GRUB's own configuration, before it was made anew. */
    grubDigest: z.string().optional(),
    done: z.boolean(),
  }),
  z.strictObject({ kind: z.literal('session'), undo: z.array(command), done: z.boolean() }),
]);

const journal = z.strictObject({
  version: z.literal(1),
  uuid: z.string(),
  /** What pictures are to show. */
  expected: z.array(size),
  entries: z.array(entry),
});

export type Entry = z.infer<typeof entry>;
export type Journal = z.infer<typeof journal>;

/** Undefined when nothing was changed. @throws HostError 'unreadable' */
export function readJournal(state: string, uuid: string): Journal | undefined {
  const path = journalPath(state, uuid);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new HostError('unreadable', `cannot read ${path}: ${(cause as Error).message}`, cause);
  }
  try {
    return journal.parse(JSON.parse(text));
  } catch (cause) {
    throw new HostError('unreadable', `${path} is no journal of this program: ${(cause as Error).message}`, cause);
  }
}

/** On the disk when this comes back. @throws HostError 'unwritable' */
export function writeJournal(state: string, written: Journal): void {
  const path = journalPath(state, written.uuid);
  try {
    mkdirSync(journalFolder(state, written.uuid), { recursive: true, mode: 0o700 });
    writeDurably(path, `${JSON.stringify(written, undefined, 2)}\n`);
  } catch (cause) {
    throw new HostError('unwritable', `cannot write ${path}: ${(cause as Error).message}`, cause);
  }
}

export function removeJournal(state: string, uuid: string): void {
  rmSync(journalPath(state, uuid), { force: true });
}

/** What is kept of one guest: definitions with their secrets among it. */
export function journalFolder(state: string, uuid: string): string {
  return join(state, 'display', uuid);
}

function journalPath(state: string, uuid: string): string {
  return join(journalFolder(state, uuid), 'journal.json');
}
