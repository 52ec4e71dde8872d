// What nft or iptables-restore said of a text that it refused -> the line of the text, and the line of the policy that it
// was made from.
import type { Span } from '../model/diagnostic.ts';
import { type ListRule, type RuleList, rulesOf } from '../model/rule-list.ts';
import { ruleComment } from '../model/rule-prefix.ts';
import type { Step } from './loaded.ts';

export type Refusal = {
  /** The first complaint, in the tool's own words; what follows is mostly its consequence. */
  readonly words: string;
  /** Of the text; counts from 1. Undefined when the tool named none. */
  readonly line?: number;
  readonly text?: string;
  /** The policy line that the rule comes from, or the policy as a whole. */
  readonly origin: Span;
  readonly rule?: ListRule;
};

/** @param list what the text was made from; @param policyFile for what belongs to no single line */
export function refusalOf({ tool, text }: Step, said: string, list: RuleList | undefined, policyFile: string): Refusal {
  const { words, line, column } = tool === 'nft' ? nftComplaint(said) : iptablesComplaint(said);
  const lines = text.split('\n');
  const whole: Span = { file: policyFile, line: 1, column: 1 };
  if (line === undefined) return { words, origin: whole };
  const rule = list === undefined ? undefined : ruleAt(lines, line, column, list);
  return {
    words,
    line,
    text: (lines[line - 1] ?? '').trim(),
    origin: rule?.origin ?? whole,
    ...(rule === undefined ? {} : { rule }),
  };
}

type Complaint = { readonly words: string; readonly line?: number; readonly column?: number };

function nftComplaint(said: string): Complaint {
  const [, line, column, words] = /^[^\n]*?:(\d+):(\d+)-\d+: Error: ([^\n]*)/m.exec(said) ?? [];
  if (line !== undefined && words !== undefined) return { words, line: Number(line), column: Number(column) };
  return { words: firstLine(said) };
}

function iptablesComplaint(said: string): Complaint {
  const [, line] = /\bline:? (\d+)\b/.exec(said) ?? [];
  const words = firstLine(said.replace(/^iptables(?:-\w+)?-restore(?: v[^:]*)?: /, ''));
  return line === undefined ? { words } : { words, line: Number(line) };
}

function firstLine(said: string): string {
  return (
    said
      .split('\n')
      .find((line) => line.trim() !== '')
      ?.trim() ?? 'it said nothing'
  );
}

/** By the rule's comment in the line; or by the port that the line names, or the chain around it. */
function ruleAt(
  lines: readonly string[],
  line: number,
  column: number | undefined,
  list: RuleList,
): ListRule | undefined {
  const here = lines[line - 1] ?? '';
  const rules = rulesOf(list);
  const byComment = (text: string): ListRule | undefined => {
    const comment = /comment "([^"]*)"/.exec(text)?.[1];
    return comment === undefined ? undefined : rules.find(({ id }) => ruleComment(id) === comment);
  };
  const byPort = (text: string): ListRule | undefined => {
    const named = [...text.matchAll(/"([^"]+)"|\b(?:in|out|allow)_([\w.-]+)/g)].map(
      ([, quoted, chain]) => quoted ?? chain,
    );
    return rules.find(({ place }) => place.kind === 'port' && named.includes(place.port));
  };
  const around = block(lines, line);
  return (
    byComment(here) ??
    byPort(here.slice((column ?? 1) - 1)) ??
    byPort(here) ??
    around.map(byComment).find((rule) => rule !== undefined) ??
    around.map(byPort).find((rule) => rule !== undefined)
  );
}

/** The lines from here to the end of the chain or set. */
function block(lines: readonly string[], line: number): readonly string[] {
  const rest = lines.slice(line);
  const end = rest.findIndex((text) => text.includes('}') || text === 'COMMIT');
  return rest.slice(0, Math.max(0, end + 1));
}
