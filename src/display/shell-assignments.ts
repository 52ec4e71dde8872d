// Files of shell assignments, as /etc/default/grub: what each variable is at the end, and one variable changed with all else
// as it was. Nothing is run: a value that would need a shell is no value here.
// Source: dash(1), "Quoting"; grub-mkconfig sources /etc/default/grub and then grub.d/*.cfg

export type Assignment = {
  readonly name: string;
  /** undefined when only a shell could tell. */
  readonly value: string | undefined;
  /** From 1. */
  readonly line: number;
  readonly start: number;
  readonly end: number;
};

const assignment = /^[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)$/gm;

/** In the order of the text; comments and other commands are left out. */
export function assignmentsIn(text: string): readonly Assignment[] {
  return [...text.matchAll(assignment)].map((found) => {
    const [whole, name = '', word = ''] = found;
    return {
      name,
      value: unquoted(word),
      line: text.slice(0, found.index).split('\n').length,
      start: found.index,
      end: found.index + whole.length,
    };
  });
}

/** A word without its quotes, up to a comment; undefined where it substitutes, goes on, or is followed by a command. */
function unquoted(word: string): string | undefined {
  let value = '';
  for (let at = 0; at < word.length; ) {
    const part = partAt(word, at);
    if (part === undefined) return undefined;
    if (part === 'end') return value;
    value += part.text;
    at = part.end;
  }
  return value;
}

type Part = { readonly text: string; readonly end: number };

function partAt(word: string, at: number): Part | 'end' | undefined {
  const letter = word.charAt(at);
  if (letter === "'") return singleQuoted(word, at);
  if (letter === '"') return doubleQuoted(word, at);
  if (/\s/.test(letter)) return /^\s*(?:#.*)?$/.test(word.slice(at)) ? 'end' : undefined;
  if (/[$`;&|<>()\\]/.test(letter)) return undefined;
  return { text: letter, end: at + 1 };
}

function singleQuoted(word: string, at: number): Part | undefined {
  const close = word.indexOf("'", at + 1);
  return close < 0 ? undefined : { text: word.slice(at + 1, close), end: close + 1 };
}

function doubleQuoted(word: string, at: number): Part | undefined {
  let text = '';
  for (let end = at + 1; end < word.length; end++) {
    const letter = word.charAt(end);
    if (letter === '"') return { text, end: end + 1 };
    if (letter === '$' || letter === '`') return undefined;
    if (letter === '\\' && /["\\$`]/.test(word.charAt(end + 1))) end++;
    text += word.charAt(end);
  }
  return undefined;
}

/** For a shell, whatever it is. */
function singleQuotedWord(value: string): string {
  return `'${value.replaceAll("'", "'\\''")}'`;
}

/**
 * The last assignment of `name` with another value; where there is none, a line at the end. The last one wins, so earlier
 * ones may stay.
 */
export function withAssignment(text: string, name: string, value: string): string {
  const line = `${name}=${singleQuotedWord(value)}`;
  const last = assignmentsIn(text).findLast((one) => one.name === name);
  if (last?.value === value) return text;
  if (last !== undefined) return text.slice(0, last.start) + line + text.slice(last.end);
  return `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}${line}\n`;
}
