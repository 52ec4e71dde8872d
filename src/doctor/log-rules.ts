// What rules log, as the doctor sees it: whatever the back end, a prefix, a level or a group, and a limit.

export type Backend = 'nft' | 'iptables' | 'iptables-legacy';

export type Family = 'ip' | 'ip6' | 'inet' | 'bridge' | 'arp' | 'netdev';

export type LogRule = {
  readonly backend: Backend;
  readonly family: Family;
  readonly table: string;
  readonly chain: string;
  readonly prefix: string;
  /** Syslog's levels, 0 to 7. */
  readonly level: number;
  /** Of NFLOG; without it the rule writes into the kernel's ring. */
  readonly group?: number;
  /** As the rule has it: `3/min burst 10`. */
  readonly limit?: string;
  /** Packets that came to a rule with a limit, and those of them that it logged: where the counters tell both. */
  readonly sample?: { readonly came: number; readonly logged: number };
};

/** A base chain at the hook `output` that drops something; chains of a lower priority are asked first. */
export type EarlyDrop = { readonly name: string; readonly priority: number };

export type RuleText = { readonly log: readonly LogRule[]; readonly drops: readonly EarlyDrop[] };

/** Without a word both tools log as warnings. */
export const usualLevel = 4;
