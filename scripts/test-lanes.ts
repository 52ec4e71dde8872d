// Which test file runs when. Several run at once, since most of them wait for the kernel or for daemons; of those that hold
// the kernel's ring (test/watch-sources/ring.ts) one at a time, so that none waits for another. Order is that of the files,
// but that a long one does not come last.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { root } from './test-file.ts';

type Work = { readonly file: string; readonly seconds: number; readonly usesRing: boolean };

const ring = join(root, 'test/watch-sources/ring.ts');

const imported = new Map<string, readonly string[]>();

/** The modules of this project that a module imports by itself. */
function importsOf(module: string): readonly string[] {
  let found = imported.get(module);
  if (found === undefined) {
    const text = readFileSync(module, 'utf8');
    found = [...text.matchAll(/^(?:import|\}) .*from '(\.[^']*)';$/gm)].map(([, to = '']) => resolve(module, '..', to));
    imported.set(module, found);
  }
  return found;
}

function usesRing(module: string, passed = new Set<string>()): boolean {
  if (module === ring) return true;
  if (passed.has(module) || !module.startsWith(join(root, 'test'))) return false;
  passed.add(module);
  return importsOf(module).some((one) => usesRing(one, passed));
}

const longFiles = 'test/long-files.json';

/** About what a file takes that is not on the list. */
const otherwise = 3;

function worksOf(files: readonly string[]): Work[] {
  const seconds: Readonly<Record<string, number>> = JSON.parse(readFileSync(join(root, longFiles), 'utf8'));
  return files.map((file) => ({ file, seconds: seconds[file] ?? otherwise, usesRing: usesRing(join(root, file)) }));
}

function secondsOf(works: readonly Work[]): number {
  return works.reduce((sum, { seconds }) => sum + seconds, 0);
}

/** The next one in order, or the longest when the others would be done before it. */
function nextOf(works: readonly Work[], lanes: number): Work | undefined {
  const longest = works.toSorted((one, other) => other.seconds - one.seconds)[0];
  if (longest === undefined) return undefined;
  return longest.seconds >= (secondsOf(works) - longest.seconds) / lanes ? longest : works[0];
}

/** Runs all of them, so many at once. */
export async function runInLanes(
  files: readonly string[],
  lanes: number,
  run: (file: string) => Promise<void>,
): Promise<void> {
  const waiting = worksOf(files);
  let ringIsFree = true;
  const take = (): Work | undefined => {
    const forRing = waiting.filter((work) => work.usesRing);
    const others = waiting.filter((work) => !work.usesRing);
    const work = (ringIsFree ? nextOf(forRing, 1) : undefined) ?? nextOf(others, Math.max(1, lanes - 1));
    if (work !== undefined) waiting.splice(waiting.indexOf(work), 1);
    return work;
  };
  const lane = async (): Promise<void> => {
    for (let work = take(); work !== undefined; work = take()) {
      if (work.usesRing) ringIsFree = false;
      await run(work.file);
      if (work.usesRing) ringIsFree = true;
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}
