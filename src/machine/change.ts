// What is to be changed on a machine, as data that can be shown before it is done: files by their bytes before and after,
// and commands with what takes them back.
import { createTwoFilesPatch } from 'diff';
import { unreachable } from '../model/unreachable.ts';

export type FileChange = {
  readonly kind: 'file';
  readonly path: string;
  /** `undefined`: there is no such file. */
  readonly before: Uint8Array | undefined;
  readonly after: Uint8Array | undefined;
  /** Of a file that is made, in octal. */
  readonly mode?: string;
};

export type Command = {
  readonly kind: 'command';
  readonly argv: readonly string[];
  /** Taking back: before the files are put back, as for a service that would miss its unit. */
  readonly undoFirst?: readonly string[];
  /** After the files are put back, as for a daemon that must read them again. */
  readonly undoLast?: readonly string[];
};

export type Change = FileChange | Command;

/** Changes that make sense together only. */
export type ChangeSet = {
  /** Short, for file names and for the user: `journald-read-kmsg`. */
  readonly name: string;
  /** One line for people. */
  readonly title: string;
  readonly changes: readonly Change[];
};

/** A unified diff, or the command with a `$` in front. */
export function printChange(change: Change): string {
  switch (change.kind) {
    case 'file':
      return printFileChange(change);
    case 'command':
      return `$ ${change.argv.map(shown).join(' ')}\n`;
    default:
      return unreachable(change);
  }
}

function printFileChange({ path, before, after }: FileChange): string {
  const from = before === undefined ? '/dev/null' : path;
  const to = after === undefined ? '/dev/null' : path;
  const patch = createTwoFilesPatch(from, to, textOf(before), textOf(after), undefined, undefined, { context: 2 });
  return patch.slice(patch.indexOf('--- '));
}

/** Configuration files are UTF-8 or older: every byte is shown as something, and the bytes themselves stay as they are. */
function textOf(bytes: Uint8Array | undefined): string {
  return bytes === undefined ? '' : Buffer.from(bytes).toString('utf8');
}

/** As one could type it. */
function shown(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Nothing would be different afterwards. */
export function isIdle(change: Change): boolean {
  if (change.kind !== 'file') return false;
  const { before, after } = change;
  if (before === undefined || after === undefined) return before === after;
  return Buffer.compare(before, after) === 0;
}
