// Texts for iptables-restore, and what iptables-save prints -> chains of rules, in the order in which they count. Texts may
// follow each other, as ufw loads its files one after the other: a chain that is named anew begins anew.
import type { Family } from '../model/ip.ts';
import { type RuleBody, ruleBody } from './condition.ts';

export type Rule = RuleBody & {
  /** As it is written, for people. */
  readonly text: string;
};

export type Chain = { readonly policy: string; readonly rules: readonly Rule[] };

/** By `table:chain`, as `filter:INPUT`. */
export type Rules = ReadonlyMap<string, Chain>;

type Draft = Map<string, { policy: string; rules: Rule[] }>;

/** Lines that are none are passed over, as in comments. */
export function rulesOf(family: Family, texts: readonly string[]): Rules {
  const chains: Draft = new Map();
  for (const text of texts) readText(chains, text, family);
  return chains;
}

function readText(chains: Draft, text: string, family: Family): void {
  let table = 'filter';
  for (const raw of text.split('\n')) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    if (line.startsWith('*')) table = line.slice(1).trim();
    else if (line.startsWith(':')) declare(chains, table, line.slice(1));
    else readCommand(chains, table, line, family);
  }
}

/** `-` keeps no policy: it is a chain of somebody's own. */
function declare(chains: Draft, table: string, line: string): void {
  const [name = '', policy = '-'] = line.split(/\s+/);
  const key = `${table}:${name}`;
  const known = chains.get(key);
  // a built-in chain gets its policy and keeps its rules
  if (policy !== '-' && known !== undefined) known.policy = policy;
  else chains.set(key, { policy, rules: [] });
}

function readCommand(chains: Draft, table: string, line: string, family: Family): void {
  const words = wordsOf(line).filter((word, index) => index > 0 || !/^\[\d+:\d+\]$/.test(word));
  const [command = '', name = ''] = words;
  const key = `${table}:${name}`;
  const chain = chains.get(key) ?? { policy: '-', rules: [] };
  if (command === '-A' || command === '--append') {
    chain.rules.push({ ...ruleBody(words.slice(2), family), text: line });
  } else if (command === '-I' || command === '--insert') {
    const place = /^\d+$/.test(words[2] ?? '') ? Number(words[2]) : undefined;
    const body = ruleBody(words.slice(place === undefined ? 2 : 3), family);
    chain.rules.splice((place ?? 1) - 1, 0, { ...body, text: line });
  } else if (command === '-P') chain.policy = words[2] ?? '-';
  else if (command === '-F') chain.rules = [];
  else return;
  chains.set(key, chain);
}

/** Blanks part words; quotes of either kind hold them together, and a backslash in double ones stands before a quote. */
function wordsOf(line: string): readonly string[] {
  const pattern = /(?:"(?:[^"\\]|\\.)*"|'[^']*'|[^\s"'])+/g;
  return (line.match(pattern) ?? []).map((word) =>
    word.replace(/"((?:[^"\\]|\\.)*)"|'([^']*)'/g, (_all, double?: string, single?: string) =>
      double === undefined ? (single ?? '') : double.replace(/\\(.)/g, '$1'),
    ),
  );
}
