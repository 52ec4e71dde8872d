// Questions to a person, and only to one: where no terminal can answer, none is asked.
import { createInterface } from 'node:readline/promises';
import { HostError } from '../model/host-error.ts';

/** `yes` answers beforehand. @throws HostError 'usage' when nobody can answer */
export async function agreed(question: string, yes: boolean | undefined): Promise<boolean> {
  if (yes === true) return true;
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    throw new HostError('usage', 'nobody is there to be asked: give --yes when this is to be done');
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^(?:y|yes)$/i.test((await terminal.question(`${question} [y/N] `)).trim());
  } finally {
    terminal.close();
  }
}
