// What both tables are made of.
import { exactly } from '../model/field.ts';
import { field, type Match } from '../model/match.ts';
import type { ListRule } from '../model/rule-list.ts';
import type { Chain, KernelRule } from '../model/ruleset.ts';
import { protocolNumbers } from '../model/service.ts';

export function base(
  name: string,
  hook: 'prerouting' | 'input' | 'forward' | 'output',
  priority: number,
  rules: readonly KernelRule[],
): Chain {
  return { name, base: { type: 'filter', hook, priority, policy: 'accept' }, rules };
}

/** Chains must not share their names with nft's own words, hence the prefixes everywhere. */
export function ruleChain({ number }: ListRule): string {
  return `rule_${number ?? 0}`;
}

type Datagrams = Extract<ListRule['check'], { kind: 'datagrams' }>;

export function datagramMatches({ mac, source, destination, sport, dport }: Datagrams): readonly Match[] {
  return [
    ...(mac === undefined ? [] : [field('ether saddr', exactly(mac))]),
    field('ip saddr', ...source),
    field('ip daddr', ...destination),
    field('meta l4proto', exactly(protocolNumbers.udp)),
    field('th sport', exactly(sport)),
    field('th dport', exactly(dport)),
  ];
}
