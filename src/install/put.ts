// Does what a comparison found to be missing. The ledger is on the disk before anything is touched, with whatever is
// replaced beside it.
import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { HostError } from '../model/host-error.ts';
import type { Comparison, Conflict, Put } from './comparison.ts';
import { below, contentOfEntry, makeDirectory, onDisk, staged, sync } from './disk.ts';
import { type Before, type Ledger, type LedgerEntry, ledgerDirectory, writeLedger } from './ledger.ts';
import { stateDirectory } from './places.ts';
import { takeAway } from './take-away.ts';

export type PutOptions = {
  /** '' for this machine. */
  readonly root: string;
  readonly ledger: Ledger;
  /** What is to be remembered of settings, besides those of the ledger. */
  readonly settings: Ledger['settings'];
};

/** @returns where files went that somebody had edited; @throws HostError 'in-the-way', and nothing was touched */
export function putAll({ root, ledger, settings }: PutOptions, comparison: Comparison): readonly string[] {
  const { puts, takes, same, conflicts, directories } = comparison;
  if (conflicts.length > 0) throw inTheWay(conflicts);
  const state = below(root, stateDirectory);
  const gone = new Set(takes.map(({ known }) => known.path));
  const changed = new Set(puts.map(({ entry }) => entry.path));
  const others = ledger.entries.filter(({ path }) => !changed.has(path));
  const made = directoriesOf(ledger, directories);
  // the state directory must be there for the ledger
  for (const path of directories.filter((one) => `${stateDirectory}/`.startsWith(`${one}/`))) make(root, path);
  const backups = puts.flatMap((put) => keep(root, state, put));
  const write = (entryOf: (put: Put) => LedgerEntry, left: readonly LedgerEntry[]): void =>
    writeLedger(state, { entries: [...left, ...puts.map(entryOf)], directories: made, settings });
  write(during, others);
  for (const path of directories) make(root, path);
  const ready = puts.map(({ entry }) => staged(below(root, entry.path), entry));
  sync(puts.map(({ entry }) => dirname(below(root, entry.path))));
  for (const put of ready) put();
  takeAway(root, state, takes);
  write(
    afterwards,
    others.filter(({ path }) => !gone.has(path)).map((entry) => settled(entry, same)),
  );
  return backups;
}

function directoriesOf(ledger: Ledger, fresh: readonly string[]): readonly string[] {
  return [...new Set([...ledger.directories, ...fresh])].sort();
}

function make(root: string, path: string): void {
  makeDirectory(below(root, path), path === stateDirectory ? 0o750 : 0o755);
}

function during({ entry, known, found, kind }: Put): LedgerEntry {
  const digests = [...new Set([...(known?.digests ?? []), contentOfEntry(entry)])];
  const foreign = kind === 'overwrite' && known === undefined && isKept(found) ? found : undefined;
  const before = known?.before ?? foreign;
  return { path: entry.path, digests, ...(before !== undefined && { before }) };
}

function afterwards(put: Put): LedgerEntry {
  return { ...during(put), digests: [contentOfEntry(put.entry)] };
}

/** One that was broken off between two versions, and has the new one by now. */
function settled(known: LedgerEntry, same: Comparison['same']): LedgerEntry {
  const entry = same.find(({ path }) => path === known.path);
  return entry === undefined ? known : { ...known, digests: [contentOfEntry(entry)] };
}

function isKept(found: Put['found']): found is Before {
  return found.kind === 'file' || found.kind === 'link';
}

/** Of what somebody else made, to be put back one day; of what somebody edited, a copy that stays. */
function keep(root: string, state: string, { kind, entry, found, known }: Put): readonly string[] {
  if (kind !== 'overwrite' || found.kind !== 'file') return [];
  const directory = known === undefined ? join(ledgerDirectory(state), 'before') : join(state, 'edited');
  const name = known === undefined ? found.digest : `${basename(entry.path)}-${found.digest.slice(0, 8)}`;
  mkdirSync(directory, { recursive: true, mode: 0o750 });
  const copy = join(directory, name);
  if (!existsSync(copy)) copyFileSync(below(root, entry.path), copy);
  if (onDisk(copy).kind !== 'file') throw new HostError('unwritable', `${copy} is in the way of a backup`);
  return known === undefined ? [] : [copy];
}

const reasons: Readonly<Record<Conflict['why'], string>> = {
  foreign: 'somebody else put it there',
  edited: 'it was edited',
  'no file': 'it is no file',
};

function inTheWay(conflicts: readonly Conflict[]): HostError {
  const list = conflicts.map(({ path, why }) => `${path}: ${reasons[why]}`).join('\n  ');
  const hint = conflicts.some(({ why }) => why !== 'no file') ? '; --force puts ours there, and keeps a copy' : '';
  return new HostError('in-the-way', `nothing was installed${hint}:\n  ${list}`);
}
