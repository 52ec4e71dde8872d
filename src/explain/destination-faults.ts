// Whether a frame goes to another machine than its IP packet is meant for: what ARP spoofing makes of it. In such a line
// SRC is the victim; who has the destination MAC lets the packet come to him.
import type { Mac } from '../model/mac.ts';
import { type EventFacts, senderOf, singleDestination } from './event-facts.ts';
import { type Endpoint, type Evidence, type Finding, type Party, type Suspect, sameParty } from './explanation.ts';

export function destinationFaults(facts: EventFacts): readonly Finding[] {
  const { destination, segment, to, site, ownerOf } = facts;
  const mac = singleDestination(facts);
  if (mac === undefined || destination === undefined || segment === undefined) return [];
  const owner = ownerOf(mac);
  if (owner === undefined) return unknownOwner(mac, destination, segment, facts);
  if (to.ground !== undefined && !site.isBehind(to.ground, owner)) return [flooded(mac, owner, facts)];
  return isRightMachine(owner, destination, segment, facts)
    ? []
    : [redirected({ kind: 'party', party: owner }, mac, destination, facts)];
}

/** Guests send on for nobody; the host does for all who are not in the segment themselves. */
function isRightMachine(owner: Party, { party }: Endpoint, segment: number, { site }: EventFacts): boolean {
  const isHere = party !== undefined && site.isIn(party, segment);
  return isHere ? sameParty(party, owner) : owner.kind !== 'guest';
}

/**
 * A MAC that no fact knows. The host's own may have changed since, a guest's is not that of the guest that is meant; to a
 * port whose card is known the frame can only be flooded.
 */
function unknownOwner(mac: Mac, destination: Endpoint, segment: number, facts: EventFacts): readonly Finding[] {
  const { site, to } = facts;
  const { door, ground } = to;
  const meant = nextMachine(destination, segment, facts);
  if (ground === undefined || meant === undefined || sameParty(door.party, meant)) return [];
  if (ground.own?.mac !== undefined) return [flooded(mac, undefined, facts)];
  if (door.party !== undefined) return [redirected({ kind: 'party', party: door.party }, mac, destination, facts)];
  return site.macOf(meant) === undefined ? [] : [redirected({ kind: 'behind', door }, mac, destination, facts)];
}

/** Who in this segment has to receive the frame; `undefined` where that may be anybody outside. */
function nextMachine({ party }: Endpoint, segment: number, { site }: EventFacts): Party | undefined {
  if (party !== undefined && site.isIn(party, segment)) return party;
  const { host, uplink } = site.exit(segment);
  return uplink ? undefined : host;
}

function flooded(mac: Mac, owner: Party | undefined, { to }: EventFacts): Finding {
  return { kind: 'flooded', mac, owner, door: to.door };
}

function redirected(attacker: Suspect, mac: Mac, meant: Endpoint, facts: EventFacts): Finding {
  const { source, site, ownerOf } = facts;
  const certain = ownerOf(mac) !== undefined;
  const victims = source === undefined ? [meant] : [source, meant];
  const by = senderOf(facts);
  const sender = by.kind === 'party' ? by.party : undefined;
  return {
    kind: 'redirected',
    attacker,
    certain,
    learned: certain && !site.knowsMac(mac),
    mac,
    meant,
    sender,
    evidence: evidenceAgainst(attacker, sender, victims, facts),
    victims,
  };
}

/** The host asks by ARP whom to send to, and has no reason to accuse a guest. */
function evidenceAgainst(
  attacker: Suspect,
  sender: Party | undefined,
  victims: readonly Endpoint[],
  { witnesses }: EventFacts,
): Evidence {
  if (sender?.kind === 'host') return 'host';
  if (attacker.kind !== 'party' || witnesses === undefined) return 'mac';
  const parties = victims.map(({ party }) => party);
  return witnesses.against(attacker.party, sender, parties);
}
