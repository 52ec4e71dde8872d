// Which rulesets a lab tries: back ends, and for nft with ARP bound to ports or unchecked.
import type { Arp } from '../lab/lab.ts';
import type { Backend } from '../model/ruleset.ts';

export type Variant = { readonly backend: Backend; readonly arp: Arp };

export type VariantOptions = { readonly backend: Backend | 'both'; readonly arpChecks?: 'on' | 'off' };

/** iptables does not see ARP, so there is nothing to switch on there. */
export function variantsOf({ backend, arpChecks }: VariantOptions): readonly Variant[] {
  const iptables: readonly Variant[] = [{ backend: 'iptables', arp: 'unchecked' }];
  const nft = (['unchecked', 'bound'] as const)
    .filter((arp) => arpChecks === undefined || (arpChecks === 'on') === (arp === 'bound'))
    .map((arp): Variant => ({ backend: 'nft', arp }));
  return [...(backend === 'nft' ? [] : iptables), ...(backend === 'iptables' ? [] : nft)];
}

export function variantName({ backend, arp }: Variant): string {
  if (backend === 'iptables') return 'iptables';
  return arp === 'bound' ? 'nft, ARP bound' : 'nft, ARP unchecked';
}
