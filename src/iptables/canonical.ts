// The form in which a printed tree and the listings of it by iptables-save, of either kind, are equal. What is changed,
// and why, stands at each function.
import { canonicalMatch, isMatch, isPure, sortedMatches } from '../model/canonical-match.ts';
import type { NumberRange } from '../model/field.ts';
import type { Match } from '../model/match.ts';
import type { Chain, Expression, KernelRule, Ruleset, Statement, Table } from '../model/ruleset.ts';
import { listedRate } from './rate.ts';

/** By name: iptables-save lists base chains first, the others in an order of its own, and tables as it finds them. */
export function canonical(ruleset: Ruleset): Ruleset {
  const tables = ruleset.tables.map(canonicalTable).filter(({ chains }) => chains.length > 0);
  return { ...ruleset, tables: byName(tables) };
}

function byName<T extends { readonly name: string }>(things: readonly T[]): readonly T[] {
  return things.toSorted((a, b) => (a.name < b.name ? -1 : Number(a.name > b.name)));
}

/** Listings show every base chain; one without rules that accepts is the same as none. */
function canonicalTable(table: Table): Table {
  const chains = table.chains.filter((chain) => chain.rules.length > 0 || chain.base?.policy !== 'accept');
  return { ...table, chains: byName(chains.map(canonicalChain)) };
}

function canonicalChain(chain: Chain): Chain {
  return { ...chain, rules: chain.rules.map(canonicalRule) };
}

/** iptables asks for addresses, interfaces and protocol first, wherever they stood; matches without memory commute. */
function canonicalRule(rule: KernelRule): KernelRule {
  const isPureMatch = (expression: Expression): expression is Match => isMatch(expression) && isPure(expression);
  const pure = rule.body.filter(isPureMatch).map(canonicalMatch).map(positivePorts);
  const rest = rule.body.filter((expression) => !isPureMatch(expression));
  return { ...rule, body: [...sortedMatches(saying(pure)), ...rest.flatMap(canonicalRest)] };
}

/** iptables-nft lists `! --dport 0:9` as `--dport 10:65535`: what it loads is `dport > 9`. */
function positivePorts(match: Match): Match {
  if (match.kind !== 'field' || !match.negated || !isPort(match)) return match;
  const rest = complement(match.values.filter((value) => typeof value !== 'string'));
  return rest === undefined ? match : { ...match, negated: false, values: [rest] };
}

function complement([range, ...more]: readonly NumberRange[]): NumberRange | undefined {
  if (range === undefined || more.length > 0) return undefined;
  if (range.first === 0n && range.last < 0xffffn) return { first: range.last + 1n, last: 0xffffn };
  if (range.last === 0xffffn && range.first > 0n) return { first: 0n, last: range.first - 1n };
  return undefined;
}

/** `-s 0.0.0.0/0` is not listed, nor is `--dport 0:65535` beside another option of its match. */
function saying(matches: readonly Match[]): readonly Match[] {
  const transport = matches.filter((match) => match.kind === 'tcp-flags' || isPort(match));
  const ports = transport.filter((match) => isPort(match) && holdsAll(match, 0xffffn));
  const kept = ports.length === transport.length ? ports.slice(0, 1) : [];
  return matches
    .filter((match) => !ports.includes(match) && !(isAddress(match) && holdsAll(match, 0xffff_ffffn)))
    .concat(kept.map((match) => ({ ...match, field: 'th dport' }) as Match));
}

function isPort(match: Match): boolean {
  return match.kind === 'field' && match.field.startsWith('th ');
}

function isAddress(match: Match): boolean {
  return match.kind === 'field' && (match.field === 'ip saddr' || match.field === 'ip daddr');
}

function holdsAll(match: Match, largest: bigint): boolean {
  if (match.kind !== 'field' || match.negated) return false;
  return match.values.some((value) => typeof value !== 'string' && value.first === 0n && value.last === largest);
}

/** Every rule counts, so `counter` says nothing; rates and answers are listed in one spelling of several. */
function canonicalRest(expression: Expression): readonly Expression[] {
  switch (expression.kind) {
    case 'counter':
      return [];
    case 'limit':
      return [{ ...expression, ...listedRate(expression) }];
    case 'verdict':
      return [canonicalVerdict(expression)];
    default:
      return [expression];
  }
}

function canonicalVerdict(statement: Extract<Statement, { kind: 'verdict' }>): Statement {
  const { verdict } = statement;
  const usual = verdict.kind === 'reject' && verdict.with === 'icmp port-unreachable';
  return usual ? { kind: 'verdict', verdict: { kind: 'reject' } } : statement;
}
