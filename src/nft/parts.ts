// What both tables are made of.
import { exactly } from '../model/field.ts';
import { ofFamily } from '../model/ip-set.ts';
import { field, type Match } from '../model/match.ts';
import type { GroundPort, ListRule } from '../model/rule-list.ts';
import { accept, type Chain, type KernelRule } from '../model/ruleset.ts';
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

/** What is asked besides the addresses, before and after them. */
export function datagramMatches({
  mac,
  sport,
  dport,
}: Datagrams): readonly [mac: readonly Match[], ports: readonly Match[]] {
  return [
    mac === undefined ? [] : [field('ether saddr', exactly(mac))],
    [
      field('meta l4proto', exactly(protocolNumbers.udp)),
      field('th sport', exactly(sport)),
      field('th dport', exactly(dport)),
    ],
  ];
}

/** With the addresses in the rule itself. */
export function plainDatagrams(check: Datagrams): readonly Match[] {
  const [mac, ports] = datagramMatches(check);
  return [
    ...mac,
    field('ip saddr', ...ofFamily(check.source, 4)),
    field('ip daddr', ...ofFamily(check.destination, 4)),
    ...ports,
  ];
}

/** Is there a set of this name? Empty ones are left out. */
export type Has = (set: string) => boolean;

/** IEEE 802 Numbers; RARP is how QEMU announces a migrated guest. */
export const etherTypes = { ip: 0x0800, arp: 0x0806, rarp: 0x8035 } as const;

export const isIp = field('ether type', exactly(etherTypes.ip));
export const isArp = field('ether type', exactly(etherTypes.arp));
export const isRarp = field('ether type', exactly(etherTypes.rarp));

/**
 * IPv4 that matches, and is not tagged. nft lists the first condition as implied by what follows, and would load that as one that
 * sees through VLAN tags: a listing that is loaded again keeps the last one.
 */
export function acceptIp(...matches: readonly Match[]): KernelRule['body'] {
  return [isIp, ...matches, isIp, accept];
}

export function portChain(direction: 'in' | 'out', port: GroundPort): string {
  return `${direction}_${port.name}`;
}
