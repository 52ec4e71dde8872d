// Who may speak ARP and RARP: the rules about it, whatever says who is behind a port.
import { exactly } from '../model/field.ts';
import { broadcastMac } from '../model/mac.ts';
import { field, lookup, type Match } from '../model/match.ts';
import { accept, type Chain, jump, type KernelRule } from '../model/ruleset.ts';
import { type Has, isArp, isRarp } from './parts.ts';

/** `unchecked` lets every ARP frame pass, as a host with iptables alone does; for showing what that means. */
export type ArpChecks = 'bound' | 'unchecked';

export type ArpAddress = 'arp saddr ip' | 'arp daddr ip';

/**
 * The sender must be who lives there; a probe (RFC 5227) has no sender address and asks for an own one.
 * @param speakers whose addresses these are; each of the matches is enough
 */
export function arpRules(speakers: (address: ArpAddress) => readonly (readonly Match[])[]): readonly KernelRule[] {
  // request and reply (RFC 826); there is no other honest operation
  const honest = field('arp operation', exactly(1), exactly(2));
  const nobody = field('arp saddr ip', exactly(0));
  return [
    // the type once more behind the last field, where a listing keeps it
    ...speakers('arp saddr ip').map((matches) => ({ body: [honest, ...matches, isArp, accept] })),
    ...speakers('arp daddr ip').map((matches) => ({ body: [honest, nobody, ...matches, isArp, accept] })),
  ];
}

/** At guests' ports: Ethernet and ARP must name the guest's card. */
export function arpChain(has: Has): Chain {
  const speakers = (address: ArpAddress): readonly (readonly Match[])[] => [
    ...(has('own_mac')
      ? [
          [
            lookup('own_mac', 'iifname', 'ether saddr', address),
            lookup('own_mac', 'iifname', 'arp saddr ether', address),
          ],
        ]
      : []),
    ...(has('own_free') ? [[lookup('own_free', 'iifname', address)]] : []),
  ];
  return { name: 'arp_in', rules: arpRules(speakers) };
}

export function arpRule(checks: ArpChecks): KernelRule {
  return { body: [isArp, checks === 'bound' ? jump('arp_in') : accept] };
}

/** RARP, with which QEMU announces a migrated guest to the bridges. @param card that it is behind the port */
export function announcement(card: Match): KernelRule {
  return { body: [isRarp, field('ether daddr', exactly(broadcastMac)), card, accept] };
}
