// One rule of the tree -> the words of one iptables rule. What one rule cannot say is an assertion: the lowerer splits.
import assert from 'node:assert/strict';
import type { LimitMatch, Match } from '../model/match.ts';
import type { Expression, KernelRule, Statement, Verdict } from '../model/ruleset.ts';
import { isOneLine } from '../model/symbols.ts';
import { unreachable } from '../model/unreachable.ts';
import { isChainName } from './built-in.ts';
import { headerWords, limitWords, matchWords, opaqueWords } from './print-match.ts';
import { value, type Word } from './words.ts';

export function ruleWords({ body, comment }: KernelRule): readonly Word[] {
  const { matches, limits, targets } = partsOf(body);
  assert(targets.length < 2, `an iptables rule has one target: ${targets.map(({ kind }) => kind).join(', ')}`);
  return [
    ...headerWords(matches),
    ...matchWords(matches),
    ...limits.flatMap(limitWords),
    ...(comment === undefined ? [] : ['-m', 'comment', '--comment', commentValue(comment)]),
    ...targets.flatMap(targetWords),
  ];
}

type Parts = {
  readonly matches: readonly Match[];
  readonly limits: readonly LimitMatch[];
  readonly targets: readonly Statement[];
};

/** A limit has memory, and iptables asks for addresses and interfaces first: so nothing may follow a limit. */
function partsOf(body: readonly Expression[]): Parts {
  const matches: Match[] = [];
  const limits: LimitMatch[] = [];
  const targets: Statement[] = [];
  for (const expression of body) {
    switch (expression.kind) {
      case 'counter':
        continue; // every iptables rule counts
      case 'log':
      case 'verdict':
      case 'vmap':
      case 'opaque-statement':
        targets.push(expression);
        continue;
      case 'limit':
        limits.push(expression);
        break;
      default:
        assert(limits.length === 0, 'in iptables a limit is the last match of its rule');
        matches.push(expression);
    }
    assert(targets.length === 0, 'in iptables the target is the last thing of its rule');
  }
  return { matches, limits, targets };
}

/** libxt_comment: XT_MAX_COMMENT_LEN is 256 with the NUL. */
function commentValue(comment: string): Word {
  const fits = isOneLine(comment) && Buffer.byteLength(comment) <= 255;
  assert(fits, `not a comment for iptables: ${JSON.stringify(comment)}`);
  return value(comment);
}

function targetWords(statement: Statement): readonly Word[] {
  switch (statement.kind) {
    case 'log':
      return logWords(statement);
    case 'verdict':
      return verdictWords(statement.verdict);
    case 'opaque-statement':
      return opaqueWords(statement.text);
    case 'vmap':
      return assert.fail(`iptables has no verdict maps: ${statement.map}`);
    case 'counter':
      return [];
    default:
      return unreachable(statement);
  }
}

/** xt_LOG keeps 30 bytes with the NUL and cuts what is longer, in silence. */
function logWords({ prefix, level }: Extract<Statement, { kind: 'log' }>): readonly Word[] {
  assert(/^[ -~]{0,29}$/.test(prefix), `not a log prefix for iptables: ${JSON.stringify(prefix)}`);
  assert(Number.isInteger(level) && level >= 0 && level < 8, `not a log level: ${level}`);
  return ['-j', 'LOG', ...(prefix === '' ? [] : ['--log-prefix', value(prefix)]), '--log-level', value(`${level}`)];
}

function verdictWords(verdict: Verdict): readonly Word[] {
  switch (verdict.kind) {
    case 'accept':
    case 'drop':
    case 'return':
      return ['-j', value(verdict.kind.toUpperCase())];
    case 'jump':
    case 'goto':
      return [verdict.kind === 'jump' ? '-j' : '-g', chainValue(verdict.chain)];
    case 'reject':
      return ['-j', 'REJECT', ...(verdict.with === undefined ? [] : ['--reject-with', rejectValue(verdict.with)])];
    default:
      return unreachable(verdict);
  }
}

export function chainValue(name: string): Word {
  assert(isChainName(name), `not the name of a chain for iptables: ${JSON.stringify(name)}`);
  return value(name);
}

/** The answers as the tree says them, and iptables: libipt_REJECT.c. */
export const rejectAnswers: ReadonlyMap<string, string> = new Map([
  ['icmp net-unreachable', 'icmp-net-unreachable'],
  ['icmp host-unreachable', 'icmp-host-unreachable'],
  ['icmp prot-unreachable', 'icmp-proto-unreachable'],
  ['icmp port-unreachable', 'icmp-port-unreachable'],
  ['icmp net-prohibited', 'icmp-net-prohibited'],
  ['icmp host-prohibited', 'icmp-host-prohibited'],
  ['icmp admin-prohibited', 'icmp-admin-prohibited'],
  ['tcp reset', 'tcp-reset'],
]);

function rejectValue(answer: string): Word {
  const known = rejectAnswers.get(answer);
  assert(known !== undefined, `nothing to reject with: ${JSON.stringify(answer)}`);
  return value(known);
}
