// What is wrong with an ARP packet: a sender MAC that differs from the frame's, and an address that is claimed with
// another card or by another port than its owner's.
import type { LogArp } from '../model/log-event.ts';
import type { Mac } from '../model/mac.ts';
import { type EventFacts, senderOf } from './event-facts.ts';
import { type Endpoint, type Finding, type Party, sameParty } from './explanation.ts';

export function arpFaults(facts: EventFacts): readonly Finding[] {
  const { event, mac, site } = facts;
  const { arp } = event;
  if (arp === undefined) return [];
  const by = soleSender(facts);
  const payload = arp.senderMac ?? undefined;
  const mismatch: readonly Finding[] =
    mac === undefined || payload === undefined || mac.source === payload
      ? []
      : [{ kind: 'arp-mismatch', by, frame: mac.source, payload }];
  const claimed = arp.senderIp === undefined || arp.senderIp === null ? undefined : site.endpoint(arp.senderIp);
  if (claimed === undefined || payload === undefined || !isFalse(claimed, payload, facts)) return mismatch;
  if (by !== undefined && sameParty(by, claimed.party))
    return mismatch.length > 0 ? mismatch : [{ kind: 'forged-mac', by, mac: payload, owner: facts.ownerOf(payload) }];
  return [...mismatch, { kind: 'forged-arp', by, claimed, mac: payload, told: told(arp, facts) }];
}

function soleSender(facts: EventFacts): Party | undefined {
  const sender = senderOf(facts);
  return sender.kind === 'party' ? sender.party : undefined;
}

/** A probe (RFC 5227) claims nothing; of an address that nobody owns nobody can say who may claim it. */
function isFalse({ ip, party }: Endpoint, payload: Mac, { from, site, ownerOf }: EventFacts): boolean {
  if (ip.bits === 0n || party === undefined || party.kind === 'outside') return false;
  if (from.door.party !== undefined) {
    if (!sameParty(from.door.party, party)) return true;
  } else if (from.ground !== undefined && !site.isBehind(from.ground, party)) {
    return true;
  }
  const card = site.macOf(party);
  if (card !== undefined) return card !== payload;
  const owner = ownerOf(payload);
  return owner !== undefined && !sameParty(owner, party);
}

function told({ targetIp }: LogArp, { site }: EventFacts): Endpoint | undefined {
  return targetIp === undefined || targetIp === null ? undefined : site.endpoint(targetIp);
}
