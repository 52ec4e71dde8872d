// What shall be there, what is there, and what we know to have put there -> what is to be done. Reads only.
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { below, contentOf, contentOfEntry, type OnDisk, onDisk } from './disk.ts';
import type { Entry } from './entry.ts';
import type { Ledger, LedgerEntry } from './ledger.ts';
import { policyDirectory, stateDirectory } from './places.ts';

export type Put = {
  readonly kind: 'create' | 'replace' | 'overwrite';
  readonly entry: Entry;
  readonly found: OnDisk;
  readonly known?: LedgerEntry;
};

/** Of the ledger, and no longer part of an installation. */
export type Take = { readonly kind: 'remove' | 'restore' | 'keep' | 'gone'; readonly known: LedgerEntry };

export type Conflict = { readonly path: string; readonly why: 'foreign' | 'edited' | 'no file' };

export type Comparison = {
  readonly puts: readonly Put[];
  readonly takes: readonly Take[];
  readonly same: readonly Entry[];
  readonly conflicts: readonly Conflict[];
  /** To be made, the outer ones first. */
  readonly directories: readonly string[];
};

/** @throws HostError 'outside' */
export function compare(root: string, wanted: readonly Entry[], ledger: Ledger, force: boolean): Comparison {
  const known = new Map(ledger.entries.map((entry) => [entry.path, entry]));
  const judged = wanted.map((entry) => judge(entry, onDisk(below(root, entry.path)), known.get(entry.path), force));
  const paths = new Set(wanted.map(({ path }) => path));
  return {
    puts: judged.flatMap((one) => (one.kind === 'same' || one.kind === 'conflict' ? [] : [one])),
    takes: ledger.entries.filter(({ path }) => !paths.has(path)).map((entry) => taken(root, entry, false)),
    same: judged.flatMap((one) => (one.kind === 'same' ? [one.entry] : [])),
    conflicts: judged.flatMap((one) => (one.kind === 'conflict' ? [one.conflict] : [])),
    directories: missingDirectories(root, [
      ...wanted.map(({ path }) => dirname(path)),
      policyDirectory,
      stateDirectory,
    ]),
  };
}

type Judged = Put | { readonly kind: 'same'; readonly entry: Entry } | ConflictFound;
type ConflictFound = { readonly kind: 'conflict'; readonly conflict: Conflict };

function judge(entry: Entry, found: OnDisk, known: LedgerEntry | undefined, force: boolean): Judged {
  const put = (kind: Put['kind']): Put => ({ kind, entry, found, ...(known !== undefined && { known }) });
  const conflict = (why: Conflict['why']): Judged => ({ kind: 'conflict', conflict: { path: entry.path, why } });
  if (found.kind === 'nothing') return put('create');
  if (found.kind === 'other') return conflict('no file');
  const content = contentOf(found) ?? '';
  const isSame = content === contentOfEntry(entry);
  const hasMode = entry.kind !== 'file' || found.kind !== 'file' || found.mode === entry.mode;
  if (isSame && hasMode) return { kind: 'same', entry };
  if (!isSame && known?.digests.includes(content) === true) return put('replace');
  if (force) return put('overwrite');
  return conflict(known === undefined ? 'foreign' : 'edited');
}

/** What becomes of something of ours; what somebody edited stays, unless everything is to go. */
export function taken(root: string, known: LedgerEntry, purge: boolean): Take {
  const found = onDisk(below(root, known.path));
  if (found.kind === 'nothing' && known.before === undefined) return { kind: 'gone', known };
  const content = contentOf(found);
  if (known.before !== undefined && content === contentOf(known.before)) return { kind: 'gone', known };
  const isOurs = found.kind === 'nothing' || (content !== undefined && known.digests.includes(content));
  if (!isOurs && (!purge || found.kind === 'other')) return { kind: 'keep', known };
  return { kind: known.before === undefined ? 'remove' : 'restore', known };
}

function missingDirectories(root: string, wanted: readonly string[]): readonly string[] {
  const all = new Set(wanted.flatMap(ancestors));
  return [...all].filter((path) => !existsSync(below(root, path))).sort();
}

/** With the directory itself. */
function ancestors(path: string): readonly string[] {
  return path === '/' ? [] : [...ancestors(dirname(path)), path];
}
