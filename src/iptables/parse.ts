// Text of iptables-save (legacy or nft, with or without counters) or of printIptablesSave -> Ruleset. Matches and
// targets that we do not know become opaque; a line that is no rule is left out and reported with its place.
import { type Checked, type Diagnostic, error, type Span } from '../model/diagnostic.ts';
import type { BasePolicy, Chain, KernelRule, Ruleset, Table } from '../model/ruleset.ts';
import { baseChain, isTable } from './built-in.ts';
import { RuleFault, readRule } from './parse-rule.ts';
import { type SavedWord, splitSaved } from './words.ts';

/** Never throws on any text. The value is there also when lines were left out; look at the diagnostics. */
export function parseIptablesSave(text: string, file: string): Checked<Ruleset> {
  const diagnostics: Diagnostic[] = [];
  const report: Report = (message, span) => {
    diagnostics.push(error('syntax', message, span));
  };
  const tables = sectionsOf(text, file, report).map((section) => readTable(section, report));
  return { value: { backend: 'iptables', tables }, diagnostics };
}

type Report = (message: string, span: Span) => void;

type Line = { readonly words: readonly SavedWord[]; readonly span: Span };

type Section = { readonly name: string; readonly lines: readonly Line[] };

/** From `*table` to COMMIT. */
function sectionsOf(text: string, file: string, report: Report): readonly Section[] {
  const sections: { name: string; lines: Line[] }[] = [];
  let open: { name: string; lines: Line[] } | undefined;
  let span: Span = { file, line: 1, column: 1 };
  for (const [index, raw] of text.split('\n').entries()) {
    span = { file, line: index + 1, column: 1 };
    const line = raw.trimEnd();
    if (line === '' || line.startsWith('#')) continue;
    if (line.startsWith('*')) {
      if (open !== undefined) report(`table ${open.name} is not closed by COMMIT`, span);
      open = { name: line.slice(1), lines: [] };
      if (isTable(open.name)) sections.push(open);
      else report(`iptables has no table ${JSON.stringify(open.name)}`, span);
    } else if (open === undefined) {
      report("expected '*' and the name of a table", span);
    } else if (line === 'COMMIT') {
      open = undefined;
    } else {
      const words = splitSaved(line);
      if (words === undefined) report('a quote is not closed', span);
      else open.lines.push({ words, span });
    }
  }
  if (open !== undefined) report(`table ${open.name} is not closed by COMMIT`, span);
  return sections;
}

function readTable({ name, lines }: Section, report: Report): Table {
  const policies = new Map<string, BasePolicy | undefined>();
  for (const line of lines) if (isDeclaration(line)) declare(line, name, policies, report);
  const chains = new Set([...policies.keys()].filter((chain) => baseChain(name, chain) === undefined));
  const rules = new Map<string, KernelRule[]>([...policies.keys()].map((chain) => [chain, []]));
  for (const line of lines) if (!isDeclaration(line)) append(line, name, chains, rules, report);
  return {
    family: 'ip',
    name,
    sets: [],
    maps: [],
    chains: [...rules].map(([chain, itsRules]) => chainOf(name, chain, policies.get(chain), itsRules)),
  };
}

function chainOf(table: string, name: string, policy: BasePolicy | undefined, rules: readonly KernelRule[]): Chain {
  const base = baseChain(table, name);
  return base === undefined ? { name, rules } : { name, base: { ...base, policy: policy ?? base.policy }, rules };
}

function isDeclaration({ words: [first] }: Line): boolean {
  return first !== undefined && !first.quoted && first.text.startsWith(':');
}

/** `:FORWARD DROP [0:0]`, `:own-chain - [0:0]` */
function declare(
  { words, span }: Line,
  table: string,
  policies: Map<string, BasePolicy | undefined>,
  report: Report,
): void {
  const name = words[0]?.text.slice(1) ?? '';
  const policy = words[1]?.text;
  const isBase = baseChain(table, name) !== undefined;
  if (name === '' || policy === undefined || isBase !== ['ACCEPT', 'DROP'].includes(policy)) {
    report(`not the declaration of a chain: ${words.map(({ text }) => text).join(' ')}`, span);
  } else {
    policies.set(name, policy === 'DROP' ? 'drop' : policy === 'ACCEPT' ? 'accept' : undefined);
  }
}

/** `[packets:bytes] -A chain ...`; base chains need no declaration. */
function append(
  { words, span }: Line,
  table: string,
  chains: ReadonlySet<string>,
  rules: Map<string, KernelRule[]>,
  report: Report,
): void {
  const [verb, chain, ...rest] = /^\[\d+:\d+\]$/.test(words[0]?.text ?? '') ? words.slice(1) : words;
  if (verb?.text !== '-A' || chain === undefined) {
    report("expected '-A' and a chain", span);
    return;
  }
  if (!rules.has(chain.text) && baseChain(table, chain.text) !== undefined) rules.set(chain.text, []);
  const its = rules.get(chain.text);
  if (its === undefined) {
    report(`chain ${JSON.stringify(chain.text)} is not declared`, span);
    return;
  }
  try {
    its.push(readRule(rest, chains));
  } catch (fault) {
    if (!(fault instanceof RuleFault)) throw fault;
    report(fault.message, { ...span, column: fault.column });
  }
}
