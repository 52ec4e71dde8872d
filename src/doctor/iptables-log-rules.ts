// The text of `iptables-save -c` -> the rules that log, and how much their limits hide: what came to a chain is counted by
// the rules that lead there, what was logged by the rule itself.
import { type Backend, type EarlyDrop, type Family, type LogRule, type RuleText, usualLevel } from './log-rules.ts';

type Rule = {
  readonly table: string;
  readonly chain: string;
  readonly packets: number;
  readonly target: string;
  readonly text: string;
};

export function iptablesLogRules(text: string, backend: Backend, family: Family): RuleText {
  const { rules, dropping } = rulesOf(text);
  const log = rules
    .filter(({ target }) => target === 'LOG' || target === 'NFLOG')
    .map((rule) => logRule(rule, rules, backend, family));
  return { log, drops: dropsOf(rules, dropping, family) };
}

/** The tables that are in use. */
export function iptablesTables(text: string): readonly string[] {
  return [...text.matchAll(/^\*(\S+)$/gm)].map(([, table = '']) => table);
}

/** `dropping` has the base chains whose policy is DROP. */
function rulesOf(text: string): { readonly rules: readonly Rule[]; readonly dropping: ReadonlySet<string> } {
  const rules: Rule[] = [];
  const dropping = new Set<string>();
  let table = '';
  for (const line of text.split('\n')) {
    if (line.startsWith('*')) table = line.slice(1).trim();
    const policy = /^:(\S+) DROP\b/.exec(line)?.[1];
    if (policy !== undefined) dropping.add(`${table} ${policy}`);
    const [, packets, chain, rest = ''] = /^\[(\d+):\d+\] -A (\S+)(.*)$/.exec(line) ?? [];
    if (chain === undefined) continue;
    const target = /\s-[jg] (\S+)/.exec(rest.replaceAll(/"(?:\\.|[^"\\])*"/g, '""'))?.[1] ?? '';
    rules.push({ table, chain, packets: Number(packets), target, text: rest });
  }
  return { rules, dropping };
}

function logRule(rule: Rule, rules: readonly Rule[], backend: Backend, family: Family): LogRule {
  const { table, chain, target, text } = rule;
  const [, limit, , burst] = /--limit (\S+)( --limit-burst (\d+))?/.exec(text) ?? [];
  const level = /--log-level (\d)/.exec(text)?.[1];
  const group = target === 'NFLOG' ? Number(/--nflog-group (\d+)/.exec(text)?.[1] ?? 0) : undefined;
  const came = limit === undefined ? undefined : cameTo(rule, rules);
  return {
    backend,
    family,
    table,
    chain,
    prefix: prefixOf(text),
    level: level === undefined ? usualLevel : Number(level),
    ...(group !== undefined && { group }),
    ...(limit !== undefined && { limit: burst === undefined ? limit : `${limit} burst ${burst}` }),
    ...(came !== undefined && { sample: { came, logged: rule.packets } }),
  };
}

function prefixOf(text: string): string {
  const [, quoted, plain] = /--(?:log|nflog)-prefix (?:"((?:\\.|[^"\\])*)"|(\S+))/.exec(text) ?? [];
  return quoted?.replaceAll(/\\(.)/g, '$1') ?? plain ?? '';
}

const ending = ['ACCEPT', 'DROP', 'RETURN', 'REJECT'];

/** `undefined` where the rule has other conditions than its limit, or the counters before it do not tell. */
function cameTo(rule: Rule, rules: readonly Rule[]): number | undefined {
  const others = rule.text.replace(/ -m limit --limit \S+(?: --limit-burst \d+)?/, '').replace(/\s-j .*$/, '');
  if (others.trim() !== '') return undefined;
  const before = rules.filter((one) => one.table === rule.table && one.chain === rule.chain);
  const earlier = before.slice(0, before.indexOf(rule));
  const leading = rules.filter((one) => one.table === rule.table && one.target === rule.chain);
  const straight = earlier.every(({ target }) => ending.includes(target) || ['LOG', 'NFLOG', ''].includes(target));
  if (!straight || leading.length === 0) return undefined;
  const left = earlier.filter(({ target }) => ending.includes(target));
  return sum(leading) - sum(left);
}

function sum(rules: readonly Rule[]): number {
  return rules.reduce((all, { packets }) => all + packets, 0);
}

/** Priorities of the chains OUTPUT (include/uapi/linux/netfilter_ipv4.h). */
const priorities = new Map([
  ['raw', -300],
  ['mangle', -150],
  ['nat', -100],
  ['filter', 0],
  ['security', 50],
]);

function dropsOf(rules: readonly Rule[], dropping: ReadonlySet<string>, family: Family): readonly EarlyDrop[] {
  const tables = rules.filter(({ chain, target }) => chain === 'OUTPUT' && ['DROP', 'REJECT'].includes(target));
  const all = new Set([...tables.map(({ table }) => table), ...[...dropping].filter(isOutput).map(tableOf)]);
  return [...all].map((table) => ({ name: `${family} ${table} OUTPUT`, priority: priorities.get(table) ?? 0 }));
}

function isOutput(place: string): boolean {
  return place.endsWith(' OUTPUT');
}

function tableOf(place: string): string {
  return place.slice(0, place.indexOf(' '));
}
