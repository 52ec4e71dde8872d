// The small chains of the bridge table: for each border port and direction the numbered checks in the list's order, for each
// DENY rule what becomes of a frame. Only what the look-ups of the base chains did not accept comes here.
import { lookup, type Match, notLookup } from '../model/match.ts';
import type { GroundPort, ListRule } from '../model/rule-list.ts';
import { logLimit, logPrefix, ruleComment } from '../model/rule-prefix.ts';
import { accept, type Chain, count, drop, goTo, type KernelRule, log, type Statement } from '../model/ruleset.ts';
import { type Has, isArp, isIp, plainDatagrams, portChain, ruleChain } from './parts.ts';

/** What becomes of a frame that a rule denies. */
export function denyChain(rule: ListRule, atPort: boolean): Chain {
  const flooded = atPort && rule.place.kind === 'port' && rule.place.direction === 'out';
  const copies = flooded ? [floodedCopy(rule, lookup('told', 'oifname'))] : [];
  return { name: ruleChain(rule), rules: [...copies, ...denial(rule)] };
}

/** A frame that was not addressed to a card behind the port is a flooded copy: no attack, so it is counted only. */
export function floodedCopy(rule: ListRule, ...matches: readonly Match[]): KernelRule {
  const stranger = notLookup('station', 'oifname', 'ether daddr');
  return { body: [...matches, stranger, count, drop], comment: ruleComment(rule.id) };
}

/** Logged as often as the limit lets, counted and dropped each time. */
export function denial(rule: ListRule, ...matches: readonly Match[]): readonly KernelRule[] {
  const comment = ruleComment(rule.id);
  return [
    { body: [...matches, logLimit, log(logPrefix(rule))], comment },
    { body: [...matches, count, drop], comment },
  ];
}

export function inChain(port: GroundPort, rules: readonly ListRule[], rest: ListRule | undefined, has: Has): Chain {
  const checks = rules.flatMap((rule) => portRules(rule, port, 'in', has));
  return { name: portChain('in', port), rules: [...checks, ...lastRules(rest)] };
}

export function outChain(port: GroundPort, rules: readonly ListRule[], rest: ListRule | undefined, has: Has): Chain {
  const checks = rules.flatMap((rule) => portRules(rule, port, 'out', has));
  return { name: portChain('out', port), rules: [...checks, ...lastRules(rest)] };
}

/** What passed the numbered checks may go on; every other kind of frame ends here. */
function lastRules(rest: ListRule | undefined): readonly KernelRule[] {
  return [
    { body: [isIp, accept] },
    { body: [isArp, accept] },
    { body: [rest === undefined ? drop : goTo(ruleChain(rest))] },
  ];
}

/** A numbered check of one port, over the sets: the same conditions for one address as for many. */
function portRules(rule: ListRule, port: GroundPort, direction: 'in' | 'out', has: Has): readonly KernelRule[] {
  const end = direction === 'in' ? 'iifname' : 'oifname';
  const target: Statement = rule.verdict === 'accept' ? accept : goTo(ruleChain(rule));
  const comment = ruleComment(rule.id);
  const { check } = rule;
  const ipRule = (...matches: readonly Match[]): KernelRule => ({ body: [isIp, ...matches, target], comment });
  switch (check.kind) {
    case 'destination-not':
      return [ipRule(...notIn(direction === 'out', 'ip daddr', end, port, has))];
    case 'source-is':
      return [ipRule(lookup('own', end, 'ip saddr'))];
    case 'source-not':
      return [
        ...(direction === 'in' ? [{ body: [isArp, target], comment }] : []),
        ...sourceNot(direction === 'in', end, port, has).map((matches) => ipRule(...matches)),
      ];
    case 'datagrams':
      // those that stand behind the address checks may go on with everything else that passed them
      return check.whole === undefined ? [{ body: [isIp, ...plainDatagrams(check), target], comment }] : [];
    case 'everything':
      return [{ body: [target], comment }];
    case 'new-flows':
    case 'known-flow':
      return [];
  }
}

function sourceNot(
  far: boolean,
  end: 'iifname' | 'oifname',
  port: GroundPort,
  has: Has,
): readonly (readonly Match[])[] {
  if (port.kind !== 'guest') return [notIn(far, 'ip saddr', end, port, has)];
  return port.own?.mac === undefined
    ? [[notLookup('own', end, 'ip saddr')]]
    : [[notLookup('own_mac', end, 'ether saddr', 'ip saddr')]];
}

/** Neither in the hash set nor in the interval set of the far or the near side. */
function notIn(
  far: boolean,
  address: 'ip saddr' | 'ip daddr',
  end: 'iifname' | 'oifname',
  port: GroundPort,
  has: Has,
): readonly Match[] {
  if (port.kind === 'guest') return [notLookup('own', end, address)];
  const name = far ? 'behind' : 'near';
  return [name, `${name}_net`].filter(has).map((set) => notLookup(set, end, address));
}
