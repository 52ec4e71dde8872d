// The words of a numbered rule in the kernel log, the same in both back ends.
import type { ListRule } from './rule-list.ts';
import { shortDigest } from './short-digest.ts';

/** `RULE <n> -- DENY ` and `RULE <n> -- ACCEPT `: at most 29 characters, the room of an iptables LOG prefix. */
export function logPrefix({ number, verdict }: Pick<ListRule, 'number' | 'verdict'>): string {
  return `RULE ${number ?? 0} -- ${verdict === 'deny' ? 'DENY' : 'ACCEPT'} `;
}

/** Kernel messages of one rule: enough to see an attack, too few to push the other guests' lines out of the ring. */
export const logLimit = { kind: 'limit', packets: 20, per: 'second', burst: 100 } as const;

/** nft keeps 128 bytes of a comment; a longer id keeps its beginning and a digest of the whole. */
export function ruleComment(id: string): string {
  return id.length <= 120 ? id : `${id.slice(0, 103)}~${shortDigest(id)}`;
}
