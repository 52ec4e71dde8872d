// The words of one rule of iptables-save -> KernelRule. What we do not know is kept word for word as an opaque match or
// statement; what cannot be a rule at all is a RuleFault with its place.
import { exactly, type Value } from '../model/field.ts';
import { parsePrefix } from '../model/ip.ts';
import { prefixRange } from '../model/ip-set.ts';
import type { FieldMatch, Match } from '../model/match.ts';
import type { Expression, KernelRule, Statement, Verdict } from '../model/ruleset.ts';
import { ipProtocols, warnLevel } from '../model/symbols.ts';
import { extensions, interfaceOf, matchesOf, numberOf, type Option } from './parse-match.ts';
import { rejectAnswers } from './print-rule.ts';
import { printSaved, type SavedWord, value } from './words.ts';

/** Caught by the reader of lines, never seen outside of the parser. */
export class RuleFault extends Error {
  readonly column: number;

  constructor(message: string, column: number) {
    super(message);
    this.column = column;
  }
}

/** `words` begin after `-A chain`; `chains` are those that the table declares. */
export function readRule(words: readonly SavedWord[], chains: ReadonlySet<string>): KernelRule {
  const reader = new RuleReader(words);
  const body: Expression[] = [];
  let comment: string | undefined;
  while (!reader.atEnd) {
    const part = reader.part(chains);
    if (part.comment !== undefined && comment === undefined) comment = part.comment;
    else body.push(...part.expressions);
  }
  return comment === undefined ? { body } : { body, comment };
}

type Part = { readonly expressions: readonly Expression[]; readonly comment?: string };

const headers = new Set(['-s', '-d', '-i', '-o', '-p', '-f']);
const starts = new Set([...headers, '-m', '-j', '-g']);

class RuleReader {
  readonly #words: readonly SavedWord[];
  #at = 0;

  constructor(words: readonly SavedWord[]) {
    this.#words = words;
  }

  get atEnd(): boolean {
    return this.#at >= this.#words.length;
  }

  #bare(ahead = 0): string | undefined {
    const word = this.#words[this.#at + ahead];
    return word === undefined || word.quoted ? undefined : word.text;
  }

  #next(expected: string): string {
    const word = this.#words[this.#at];
    if (word === undefined) throw new RuleFault(`expected ${expected} at the end of the rule`, this.#lastColumn());
    this.#at++;
    return word.text;
  }

  #lastColumn(): number {
    const last = this.#words.at(-1);
    return last === undefined ? 1 : last.column + last.text.length;
  }

  /** The words since a place, as iptables-save writes them. */
  #textSince(from: number): string {
    return printSaved(this.#words.slice(from, this.#at).map(({ text, quoted }) => (quoted ? value(text) : text)));
  }

  part(chains: ReadonlySet<string>): Part {
    const from = this.#at;
    const negated = this.#bare() === '!';
    if (negated) this.#at++;
    const option = this.#bare() ?? '';
    if (headers.has(option)) return { expressions: this.#header(option, negated, from) };
    if (!negated && option === '-m') return this.#extension(from);
    if (!negated && (option === '-j' || option === '-g')) return { expressions: [this.#target(option, chains, from)] };
    const word = this.#words[this.#at];
    throw new RuleFault(
      `expected an option, found ${JSON.stringify(word?.text ?? '')}`,
      word?.column ?? this.#lastColumn(),
    );
  }

  #header(option: string, negated: boolean, from: number): readonly Match[] {
    this.#at++;
    const text = option === '-f' ? '' : this.#next(`a value of ${option}`);
    return headerMatches(option, negated, text) ?? [{ kind: 'opaque', text: this.#textSince(from) }];
  }

  #extension(from: number): Part {
    this.#at++;
    const name = this.#next('the name of a match');
    const options = this.#options(extensions.get(name) ?? new Map());
    const isWhole = this.#atStart;
    const [only] = options;
    if (isWhole && name === 'comment' && only !== undefined) {
      return { expressions: [{ kind: 'opaque', text: this.#textSince(from) }], comment: only.values[0] ?? '' };
    }
    const matches = isWhole ? matchesOf(name, options) : undefined;
    if (matches !== undefined) return { expressions: matches };
    this.#skipToStart();
    return { expressions: [{ kind: 'opaque', text: this.#textSince(from) }] };
  }

  #options(known: ReadonlyMap<string, number>): readonly Option[] {
    const options: Option[] = [];
    for (;;) {
      const negated = this.#bare() === '!';
      const name = this.#bare(negated ? 1 : 0) ?? '';
      const count = known.get(name);
      if (count === undefined) return options;
      this.#at += negated ? 2 : 1;
      options.push({ name, negated, values: Array.from({ length: count }, () => this.#next(`a value of ${name}`)) });
    }
  }

  /** Where a header option, an extension or a target begins, or the rule ends. */
  get #atStart(): boolean {
    return this.atEnd || starts.has(this.#bare() ?? '') || (this.#bare() === '!' && headers.has(this.#bare(1) ?? ''));
  }

  /** The options of an unknown extension are in no table: they go on until something else begins. */
  #skipToStart(): void {
    while (!this.#atStart) this.#at++;
  }

  #target(option: string, chains: ReadonlySet<string>, from: number): Statement {
    this.#at++;
    const name = this.#next('a target');
    const rest = this.#words.slice(this.#at).map(({ text }) => text);
    this.#at = this.#words.length;
    if (rest.length === 0 && (option === '-g' || chains.has(name))) {
      return { kind: 'verdict', verdict: { kind: option === '-g' ? 'goto' : 'jump', chain: name } };
    }
    return targetOf(name, rest) ?? { kind: 'opaque-statement', text: this.#textSince(from) };
  }
}

function headerMatches(option: string, negated: boolean, text: string): readonly Match[] | undefined {
  switch (option) {
    case '-s':
      return fieldMatch('ip saddr', negated, addressOf(text));
    case '-d':
      return fieldMatch('ip daddr', negated, addressOf(text));
    case '-i':
      return fieldMatch('iifname', negated, interfaceOf(text));
    case '-o':
      return fieldMatch('oifname', negated, interfaceOf(text));
    case '-p':
      return protocolMatches(negated, text);
    default:
      return undefined;
  }
}

function fieldMatch(
  name: FieldMatch['field'],
  negated: boolean,
  only: Value | undefined,
): readonly FieldMatch[] | undefined {
  return only === undefined ? undefined : [{ kind: 'field', field: name, negated, values: [only] }];
}

function addressOf(text: string): Value | undefined {
  const prefix = parsePrefix(text);
  if (prefix?.family !== 4) return undefined;
  const { first, last } = prefixRange(prefix);
  return { first, last };
}

/** `-p all` and `-p 0` ask nothing. */
function protocolMatches(negated: boolean, text: string): readonly Match[] | undefined {
  const number = ipProtocols.get(text) ?? (text === 'all' ? 0 : numberOf(text, 255));
  if (number === 0 && !negated) return [];
  return fieldMatch('meta l4proto', negated, number ? exactly(number) : undefined);
}

function targetOf(name: string, rest: readonly string[]): Statement | undefined {
  if (name === 'LOG') return logOf(rest);
  const verdict = verdictOf(name, rest);
  return verdict === undefined ? undefined : { kind: 'verdict', verdict };
}

function verdictOf(name: string, rest: readonly string[]): Verdict | undefined {
  if (name === 'REJECT') return rejectOf(rest);
  const kind = (['accept', 'drop', 'return'] as const).find((verdict) => verdict.toUpperCase() === name);
  return kind === undefined || rest.length > 0 ? undefined : { kind };
}

function rejectOf(rest: readonly string[]): Verdict | undefined {
  const [option, answer, ...more] = rest;
  if (option === undefined) return { kind: 'reject' };
  const [known] = [...rejectAnswers].find(([, name]) => name === answer) ?? [];
  return option === '--reject-with' && more.length === 0 && known !== undefined
    ? { kind: 'reject', with: known }
    : undefined;
}

const levelNames: readonly (readonly string[])[] = [
  ['emerg', 'panic'],
  ['alert'],
  ['crit'],
  ['err', 'error'],
  ['warn', 'warning'],
  ['notice'],
  ['info'],
  ['debug'],
];

/** A LOG with more than a prefix and a level stays opaque: its lines have fields that we do not foresee. */
function logOf(rest: readonly string[]): Statement | undefined {
  let prefix = '';
  let level: number | undefined = warnLevel;
  for (let at = 0; at < rest.length; at += 2) {
    const text = rest[at + 1];
    if (rest[at] === '--log-prefix' && text !== undefined) prefix = text;
    else if (rest[at] === '--log-level' && text !== undefined) level = levelOf(text);
    else return undefined;
  }
  return level === undefined ? undefined : { kind: 'log', prefix, level };
}

function levelOf(text: string): number | undefined {
  const named = levelNames.findIndex((names) => names.includes(text));
  return named === -1 ? numberOf(text, 7) : named;
}
