// The text of an nft file -> words, strings, marks and ends of lines, each with its place.
import type { Span } from '../model/diagnostic.ts';

export type Token = {
  readonly kind: 'word' | 'string' | 'mark' | 'newline' | 'end' | 'junk';
  /** A string without its quotes. */
  readonly text: string;
  readonly span: Span;
  /** Where the token begins and ends in the whole text. */
  readonly from: number;
  readonly to: number;
};

// in this order: two-letter marks before one-letter ones, and a colon or a dot inside of a word belongs to it
const pattern = new RegExp(
  [
    /(?<skip>[ \t\r]+|#[^\n]*)/,
    /(?<newline>\n)/,
    /"(?<string>[^"]*)"/,
    /(?<mark>[!=]=|[{};,()&|=!@])/,
    /(?<word>[^\s"{};,()&|=!@#]+)/,
    /(?<junk>[\s\S])/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'gy',
);

export function tokensOf(text: string, file: string): readonly Token[] {
  const tokens: Token[] = [];
  let line = 1;
  let lineStart = 0;
  const push = (kind: Token['kind'], part: string, from: number, to: number): void => {
    tokens.push({ kind, text: part, from, to, span: { file, line, column: from - lineStart + 1 } });
  };
  for (const match of text.matchAll(pattern)) {
    const { skip, newline, string, mark, word, junk } = match.groups ?? {};
    const to = match.index + match[0].length;
    if (newline !== undefined) push('newline', '\n', match.index, to);
    else if (string !== undefined) push('string', string, match.index, to);
    else if (mark !== undefined) push('mark', mark, match.index, to);
    else if (word !== undefined) push('word', word, match.index, to);
    else if (junk !== undefined) push('junk', junk, match.index, to);
    if (skip !== undefined) continue;
    for (let at = match[0].indexOf('\n'); at !== -1; at = match[0].indexOf('\n', at + 1)) {
      line++;
      lineStart = match.index + at + 1;
    }
  }
  push('end', '', text.length, text.length);
  return tokens;
}
