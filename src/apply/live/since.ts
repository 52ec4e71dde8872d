// Changes of a generation that are too small to write all of it: a directory with one numbered pair of files for each, the
// transaction for the boot and what it is made of for us. It carries the digest of the rules that it continues: beside other
// rules it means nothing, so that whoever writes the generation anew needs no second step that could be missing.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeDurably } from '../../machine/write-durably.ts';
import { HostError } from '../../model/host-error.ts';
import { parseSince, type Since } from '../since.ts';
import { generationDirectory, writing } from './state.ts';

type Continued = { readonly id: number; readonly rulesDigest: string };

/** bin/bridgekeeper-boot works out the same name. */
function directoryOf(state: string, { id, rulesDigest }: Continued): string {
  return join(generationDirectory(state, id), `since-${rulesDigest.slice(0, 16)}`);
}

/** Numbers of changes, in their order. */
export function sinceNumbers(state: string, of: Continued): readonly number[] {
  const directory = directoryOf(state, of);
  if (!existsSync(directory)) return [];
  const names = readdirSync(directory).filter((name) => /^\d+\.nft$/.test(name));
  return names.map((name) => Number.parseInt(name, 10)).sort((a, b) => a - b);
}

function fileOf(state: string, of: Continued, number: number, ending: 'nft' | 'json'): string {
  return join(directoryOf(state, of), `${String(number).padStart(6, '0')}.${ending}`);
}

/**
 * On the disk when this comes back; the transaction appears last, and with it the change counts.
 * @returns the file of the transaction; @throws HostError 'unwritable'
 */
export function addSince(
  state: string,
  of: Continued,
  number: number,
  texts: { readonly nft: string; readonly json: string },
): string {
  const file = fileOf(state, of, number, 'nft');
  writing(file, () => {
    mkdirSync(directoryOf(state, of), { recursive: true, mode: 0o750 });
    writeDurably(fileOf(state, of, number, 'json'), texts.json);
    writeDurably(file, texts.nft);
  });
  return file;
}

/** It was refused. */
export function removeSince(state: string, of: Continued, number: number): void {
  rmSync(fileOf(state, of, number, 'nft'), { force: true });
}

/** @throws HostError 'unreadable' */
export function readSince(state: string, of: Continued): readonly Since[] {
  return sinceNumbers(state, of).map((number) => {
    const file = fileOf(state, of, number, 'json');
    const since = parseSince(readFileSync(file, 'utf8'));
    if (since === undefined) throw new HostError('unreadable', `${file} does not say what changed`);
    return since;
  });
}
