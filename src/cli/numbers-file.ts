// The numbers of rules from run to run, so that a line of yesterday's log still means the same rule.
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import type { Numbering } from '../compile/numbers.ts';
import { HostError } from '../model/host-error.ts';

const numbersFile = z
  .record(z.string(), z.int().positive())
  .refine((numbers) => new Set(Object.values(numbers)).size === Object.keys(numbers).length, 'a number is given twice');

/**
 * A file that is not there yet begins a numbering; one that cannot be read must not be replaced by a new one.
 * @throws HostError 'unreadable'
 */
export function readNumbers(file: string): Numbering {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw new HostError('unreadable', `cannot read ${file}: ${(cause as Error).message}`, cause);
  }
  try {
    return numbersFile.parse(JSON.parse(text));
  } catch (cause) {
    throw new HostError('unreadable', `${file} holds no rule numbers; move it away to number the rules anew`, cause);
  }
}

/** @throws HostError 'unwritable' */
export function writeNumbers(file: string, numbering: Numbering): void {
  try {
    writeFileSync(`${file}.new`, `${JSON.stringify(numbering, undefined, 2)}\n`, { flush: true });
    renameSync(`${file}.new`, file);
  } catch (cause) {
    throw new HostError('unwritable', `cannot write ${file}: ${(cause as Error).message}`, cause);
  }
}
