// Takes away what an installation put there, and puts back what it had replaced: byte for byte, with mode and owner.
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Take, taken } from './comparison.ts';
import { below, putBack, removeEntry, removeIfEmpty } from './disk.ts';
import { type Before, type Ledger, ledgerDirectory } from './ledger.ts';
import { policyDirectory, runDirectory, stateDirectory, wakeName } from './places.ts';

export function takesOf(root: string, ledger: Ledger, purge: boolean): readonly Take[] {
  return ledger.entries.map((entry) => taken(root, entry, purge));
}

export function takeAway(root: string, state: string, takes: readonly Take[]): void {
  for (const { kind, known } of takes) {
    const place = below(root, known.path);
    if (kind === 'remove') removeEntry(place);
    if (kind === 'restore' && known.before !== undefined) {
      const { before } = known;
      putBack(place, before, () => readFileSync(backupOf(state, before)));
    }
  }
}

function backupOf(state: string, before: Before): string {
  return join(ledgerDirectory(state), 'before', before.kind === 'file' ? before.digest : '');
}

/** The ledger, and every directory that was made for it and that nobody else uses; with `purge` policy and state too. */
export function takeAwayRest(root: string, ledger: Ledger, purge: boolean): void {
  const state = below(root, stateDirectory);
  rmSync(ledgerDirectory(state), { recursive: true, force: true });
  rmSync(join(state, wakeName), { force: true });
  if (purge) {
    for (const path of [policyDirectory, stateDirectory]) rmSync(below(root, path), { recursive: true, force: true });
  }
  if (root === '') {
    rmSync(join(runDirectory, 'daemon.pid'), { force: true });
    removeIfEmpty(runDirectory);
  }
  for (const path of ledger.directories.toReversed()) removeIfEmpty(below(root, path));
}
