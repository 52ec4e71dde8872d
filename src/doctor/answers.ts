// What the shell answered -> texts by question. A line of an answer begins with a dot, a heading with @.
import type { ConfigFile } from './journald-settings.ts';

export type Answers = ReadonlyMap<string, string>;

/** `undefined` when the answer is not whole. */
export function answers(output: Buffer): Answers | undefined {
  const found = new Map<string, string[]>();
  let lines: string[] = [];
  let whole = false;
  for (const line of output.toString('utf8').split('\n')) {
    if (line.startsWith('.')) lines.push(line.slice(1));
    else if (line === '@end') whole = true;
    else if (line.startsWith('@')) {
      lines = [];
      found.set(line.slice(1), lines);
    }
  }
  return whole ? new Map([...found].map(([name, text]) => [name, text.join('\n')])) : undefined;
}

/** Of an answer that is made of files: a heading `file PATH`, and their lines behind a blank. */
export function filesOf(answer: string): readonly ConfigFile[] {
  const files: { path: string; lines: string[] }[] = [];
  for (const line of answer.split('\n')) {
    if (line.startsWith('file ')) files.push({ path: line.slice(5), lines: [] });
    else if (line.startsWith(' ')) files.at(-1)?.lines.push(line.slice(1));
  }
  return files.map(({ path, lines }) => ({ path, text: `${lines.join('\n')}\n` }));
}

export function linesOf(answers: Answers, name: string): readonly string[] {
  return (answers.get(name) ?? '').split('\n').filter((line) => line !== '');
}

/** The one that this is asked in: `pid:[4026531836]`. */
export function ownNamespace(all: Answers, kind: 'pid' | 'net' | 'user'): string | undefined {
  return linesOf(all, 'namespaces')
    .find((line) => line.startsWith(`self ${kind}:`))
    ?.slice('self '.length);
}
