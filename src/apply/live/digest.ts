// Digests: whether a host, a policy or a ruleset is still what it was when somebody looked.
import { createHash } from 'node:crypto';
import { canonical as canonicalIptables } from '../../iptables/canonical.ts';
import { stableText } from '../../model/stable-text.ts';
import { canonical as canonicalNft } from '../../nft/canonical.ts';
import type { Loaded } from '../loaded.ts';

/** SHA-256, in hex. */
export function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** Equal for rules that mean the same, wherever they were read. */
export function loadedDigest({ nft, iptables }: Pick<Loaded, 'nft' | 'iptables'>): string {
  return digest(stableText([canonicalNft(nft), canonicalIptables(iptables)]));
}
