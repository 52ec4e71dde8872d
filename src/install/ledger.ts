// What an installation has put where, and what was there before: written before anything is touched, so that an
// installation that was broken off can be taken away like a whole one. Lies in the state directory, with what it replaced.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { writeDurably } from '../machine/write-durably.ts';
import { HostError } from '../model/host-error.ts';

const ownedFile = z.object({ kind: z.literal('file'), digest: z.string(), mode: z.int(), uid: z.int(), gid: z.int() });
const link = z.object({ kind: z.literal('link'), target: z.string() });

const entryShape = z.object({
  path: z.string(),
  /** Of what we put there; two while one takes the place of the other. */
  digests: z.array(z.string()).readonly(),
  before: z.union([ownedFile, link]).optional(),
});

const ledgerShape = z.object({
  version: z.literal(1),
  entries: z.array(entryShape).readonly(),
  /** That were not there before, the outer ones first. */
  directories: z.array(z.string()).readonly(),
  settings: z.array(z.object({ key: z.string(), value: z.string(), before: z.string() })).readonly(),
});

export type LedgerEntry = z.output<typeof entryShape>;
export type Before = NonNullable<LedgerEntry['before']>;
export type Ledger = Omit<z.output<typeof ledgerShape>, 'version'>;

export const emptyLedger: Ledger = { entries: [], directories: [], settings: [] };

/** @param state the state directory, where it is now */
export function ledgerDirectory(state: string): string {
  return join(state, 'install');
}

/** Undefined when nothing is installed. @throws HostError 'unreadable' */
export function readLedger(state: string): Ledger | undefined {
  const file = join(ledgerDirectory(state), 'ledger.json');
  try {
    const { version: _, ...ledger } = ledgerShape.parse(JSON.parse(readFileSync(file, 'utf8')));
    return ledger;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new HostError('unreadable', `cannot read ${file}: ${(cause as Error).message}`, cause);
  }
}

/** On the disk when this comes back. */
export function writeLedger(state: string, ledger: Ledger): void {
  const directory = ledgerDirectory(state);
  mkdirSync(directory, { recursive: true, mode: 0o750 });
  writeDurably(join(directory, 'ledger.json'), `${JSON.stringify({ version: 1, ...ledger }, undefined, 1)}\n`);
}

/** SHA-256, in hex. */
export function digestOf(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}
