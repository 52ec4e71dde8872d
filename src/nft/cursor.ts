// A place in a list of tokens, with the few moves that a recursive descent needs.
import type { Diagnostic } from '../model/diagnostic.ts';
import { error } from '../model/diagnostic.ts';
import type { Token } from './tokens.ts';

/** What ends the reading of a line; caught by the reader of lines, never seen outside of the parser. */
export class SyntaxFault extends Error {
  readonly diagnostic: Diagnostic;

  constructor(token: Token, expected: string) {
    super(expected);
    this.diagnostic = error('syntax', `expected ${expected}, found ${describe(token)}`, token.span);
  }
}

function describe({ kind, text }: Token): string {
  if (kind === 'end') return 'the end of the text';
  return kind === 'newline' ? 'the end of the line' : JSON.stringify(text);
}

export class Cursor {
  readonly source: string;
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(source: string, tokens: readonly Token[]) {
    this.source = source;
    this.#tokens = tokens;
  }

  /** The token here, or one further on; the last one stays the last. */
  peek(ahead = 0): Token {
    const token = this.#tokens[this.#at + ahead] ?? this.#tokens.at(-1);
    if (token === undefined) throw new Error('a list of tokens has an end token');
    return token;
  }

  next(): Token {
    const token = this.peek();
    if (token.kind !== 'end') this.#at++;
    return token;
  }

  fail(expected: string): never {
    throw new SyntaxFault(this.peek(), expected);
  }

  isHere(...words: readonly string[]): boolean {
    return words.every((word, index) => {
      const { kind, text } = this.peek(index);
      return (kind === 'word' || kind === 'mark') && text === word;
    });
  }

  /** Goes past these words if they stand here. */
  take(...words: readonly string[]): boolean {
    if (!this.isHere(...words)) return false;
    this.#at += words.length;
    return true;
  }

  expect(...words: readonly string[]): void {
    if (!this.take(...words)) this.fail(`'${words.join(' ')}'`);
  }

  word(what: string): string {
    return this.peek().kind === 'word' ? this.next().text : this.fail(what);
  }

  string(what: string): string {
    return this.peek().kind === 'string' ? this.next().text : this.fail(what);
  }

  skipNewlines(): void {
    while (this.peek().kind === 'newline') this.next();
  }

  get atLineEnd(): boolean {
    const { kind, text } = this.peek();
    return kind === 'newline' || kind === 'end' || (kind === 'mark' && text === '}');
  }
}
