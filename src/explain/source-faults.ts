// What is wrong with where a packet says that it comes from: an address or a card that is not the sender's.
import { type Ip, ipWidth } from '../model/ip.ts';
import { containsIp } from '../model/ip-set.ts';
import type { GroundPort } from '../model/rule-list.ts';
import type { EventFacts } from './event-facts.ts';
import type { Endpoint, Finding, Party } from './explanation.ts';
import { sameParty } from './explanation.ts';

export function sourceFaults(facts: EventFacts): readonly Finding[] {
  const { source, from } = facts;
  if (source === undefined || from.ground === undefined || from.door.role === 'closed') return [];
  if (isOwn(source, from.ground, facts)) return macFault(facts, from.ground);
  if (isUnaddressed(source.ip)) return [{ kind: 'no-address-yet', by: from.door.party, ip: source.ip }];
  return [relayed(facts, source) ?? { kind: 'forged-source', door: from.door, by: from.door.party, source }];
}

/**
 * Behind a guest port nobody but the guest is at home. Behind the other ports is also who has no name in the policy: only
 * what belongs to somebody elsewhere is a lie.
 */
function isOwn({ ip, party }: Endpoint, ground: GroundPort, { site, segment }: EventFacts): boolean {
  if (ground.own !== undefined) return containsIp(ground.own.ips, ip);
  if (containsIp(ground.behind, ip)) return true;
  return party === undefined || segment === undefined || !site.isIn(party, segment);
}

/** 0.0.0.0 and ::, and addresses that a machine gives itself (RFC 3927, RFC 4291 section 2.5.6). */
function isUnaddressed({ family, bits }: Ip): boolean {
  if (bits === 0n) return true;
  return bits >> BigInt(ipWidth[family] - (family === 4 ? 16 : 10)) === (family === 4 ? 0xa9fen : 0x3fan);
}

function macFault({ mac, from, ownerOf }: EventFacts, { own }: GroundPort): readonly Finding[] {
  const { party } = from.door;
  if (mac === undefined || own?.mac === undefined || party === undefined || own.mac === mac.source) return [];
  return [{ kind: 'forged-mac', by: party, mac: mac.source, owner: ownerOf(mac.source) }];
}

/** What systems begin with, less the one hop over the machine in the middle. */
const ttlsAfterOneHop: readonly number[] = [63, 127, 254];

function relayed({ event, destination, from }: EventFacts, source: Endpoint): Finding | undefined {
  const attacker = from.door.party;
  const ttl = event.packet?.ttl ?? event.packet?.hoplimit;
  if (attacker === undefined || destination === undefined || ttl === undefined || ttl === null) return undefined;
  const others = isAnother(source.party, attacker) && isAnother(destination.party, attacker);
  if (!others || sameParty(source.party, destination.party) || !ttlsAfterOneHop.includes(ttl)) return undefined;
  return { kind: 'relayed', attacker, ttl, victims: [source, destination] };
}

function isAnother(party: Party | undefined, attacker: Party): boolean {
  return party !== undefined && !sameParty(party, attacker);
}
