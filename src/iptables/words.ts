// Words of a rule <-> the text of iptables-save (double quotes, backslashes) and of a POSIX shell (single quotes).

/** An option (`-m`, `--dport`, `!`) or a value: a value that looks like an option must be quoted. */
export type Word = string | { readonly value: string };

export function value(text: string): Word {
  return { value: text };
}

/** As xtables_save_string quotes, and what iptables-restore would take for an option of its own (`-t`) if bare. */
export function printSaved(words: readonly Word[]): string {
  return words.map((word) => (typeof word === 'string' ? word : quoted(word.value))).join(' ');
}

function quoted(text: string): string {
  return /^[A-Za-z0-9_.:/,+][A-Za-z0-9_.:/,+-]*$/.test(text) ? text : `"${text.replace(/["\\']/g, '\\$&')}"`;
}

export function printShell(words: readonly Word[]): string {
  return words.map((word) => shellQuoted(typeof word === 'string' ? word : word.value)).join(' ');
}

function shellQuoted(text: string): string {
  return /^[A-Za-z0-9_.:/,+=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

export type SavedWord = { readonly text: string; readonly column: number; readonly quoted: boolean };

/** Splits as iptables-restore does; undefined when a quote stays open. Columns count from 1. */
export function splitSaved(line: string): readonly SavedWord[] | undefined {
  const words: SavedWord[] = [];
  const pattern = /\s+|(?<open>")|(?<bare>[^\s"]+)/gy;
  let word: { text: string; column: number; quoted: boolean } | undefined;
  for (let at = 0; at < line.length; at = pattern.lastIndex) {
    pattern.lastIndex = at;
    const { open, bare } = pattern.exec(line)?.groups ?? {};
    if (open === undefined && bare === undefined) {
      if (word !== undefined) words.push(word);
      word = undefined;
      continue;
    }
    word ??= { text: '', column: at + 1, quoted: false };
    if (bare !== undefined) word.text += bare;
    if (open === undefined) continue;
    const string = stringAt(line, at);
    if (string === undefined) return undefined;
    word.text += string.replace(/\\([\s\S])/g, '$1');
    word.quoted = true;
    pattern.lastIndex = at + string.length + 2;
  }
  return word === undefined ? words : [...words, word];
}

/** What stands between the quote here and the next one that no backslash protects. */
function stringAt(line: string, from: number): string | undefined {
  for (let at = from + 1; at < line.length; at++) {
    if (line[at] === '\\') at++;
    else if (line[at] === '"') return line.slice(from + 1, at);
  }
  return undefined;
}
