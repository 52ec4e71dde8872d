// What an explanation says, as facts without words: who sent a packet, what it claimed to be, which rule decided by which
// line of the policy, and what speaks for an attack. What is no evidence (a damaged line) accuses nobody.
import type { Span } from '../model/diagnostic.ts';
import type { Ip } from '../model/ip.ts';
import type { DamagedField, LogAction, LogPacket } from '../model/log-event.ts';
import type { Mac } from '../model/mac.ts';

/** Somebody who has a name. */
export type Party =
  | { readonly kind: 'guest'; readonly name: string; readonly bridge: string; readonly port: string }
  | { readonly kind: 'host'; readonly ifname: string }
  | { readonly kind: 'outside'; readonly name: string };

/** An address, and whose it is. */
export type Endpoint = { readonly ip: Ip; readonly party: Party | undefined };

/** `itself`: the host, where the line names no interface. `interface`: the host's own. `foreign`: not managed by us. */
export type DoorRole = 'guest' | 'link' | 'host' | 'uplink' | 'closed' | 'interface' | 'itself' | 'foreign' | 'unknown';

/** Where a packet came in or went out, and who alone is there. */
export type Door = {
  readonly name: string;
  readonly role: DoorRole;
  readonly bridge?: string;
  readonly party?: Party;
  /** The bridge that a link leads to. */
  readonly beyond?: string;
};

export type Outcome = 'stopped' | 'passed' | 'noted';

/** `party`: nobody else is behind the door. `behind`: one of several; a source MAC can be forged. */
export type Sender =
  | { readonly kind: 'party'; readonly party: Party }
  | { readonly kind: 'behind'; readonly mac: Mac | undefined; readonly byMac: Party | undefined }
  | { readonly kind: 'unknown' };

/** `behind`: nobody knows who has this MAC; the frame went out by the door. */
export type Suspect =
  | { readonly kind: 'party'; readonly party: Party }
  | { readonly kind: 'behind'; readonly door: Door };

/**
 * What speaks for a redirection besides the destination MAC, which whoever sends a frame may choose. `host`: the host itself
 * sent it. `own-port`: by his own port the attacker has sent what claims to be a victim's. `senders`: others have sent him
 * what was not for him. `mac`: nothing, up to now.
 */
export type Evidence = 'mac' | 'host' | 'own-port' | 'senders';

/** A line of a file, with its text where the file is at hand. */
export type Origin = { readonly span: Span; readonly line: string | undefined };

/** What a rule follows from. */
export type Basis =
  | { readonly kind: 'permission' }
  | { readonly kind: 'binding'; readonly guest: string; readonly port: string }
  | { readonly kind: 'port'; readonly port: string }
  | { readonly kind: 'interface'; readonly ifname: string }
  /** `allowed`: a line of the policy, the origin, speaks of such packets nevertheless. */
  | { readonly kind: 'rest'; readonly allowed: boolean };

export type PacketKind = Pick<
  LogPacket,
  'family' | 'protocol' | 'sport' | 'dport' | 'icmpType' | 'icmpCode' | 'flags' | 'frag'
>;

export type Firewall = 'ufw' | 'firewalld' | 'Proxmox' | 'Shorewall' | 'SuSEfirewall2';

export type Finding =
  | { readonly kind: 'unreadable'; readonly why: 'damaged' | 'cut'; readonly fields: readonly DamagedField[] }
  | { readonly kind: 'ambiguous' }
  | { readonly kind: 'partial' }
  | { readonly kind: 'other-host'; readonly said: string; readonly known: string }
  | {
      readonly kind: 'decision';
      readonly outcome: Outcome;
      readonly action: LogAction;
      readonly rule: number | undefined;
      readonly prefix: string;
      readonly from: Door;
      readonly to: Door;
    }
  /** `sender` is undefined where the line is no evidence. */
  | {
      readonly kind: 'packet';
      readonly from: Door;
      readonly sender: Sender | undefined;
      readonly source: Endpoint | undefined;
      readonly destination: Endpoint | undefined;
      readonly packet: PacketKind;
    }
  | {
      readonly kind: 'arp';
      readonly from: Door;
      readonly sender: Sender | undefined;
      readonly operation: number | undefined;
      readonly source: Endpoint | undefined;
      readonly senderMac: Mac | undefined;
      readonly destination: Endpoint | undefined;
    }
  | { readonly kind: 'no-ip'; readonly type: number | undefined }
  | {
      readonly kind: 'rule';
      readonly number: number;
      readonly id: string;
      readonly verdict: 'accept' | 'deny';
      readonly text: string;
      readonly basis: Basis;
      readonly origin: Origin;
    }
  /** No rule has this number now. */
  | { readonly kind: 'rule-gone'; readonly number: number }
  /** The rule with this number is another one now. */
  | { readonly kind: 'rule-differs'; readonly number: number; readonly text: string; readonly origin: Origin }
  | { readonly kind: 'foreign-rule'; readonly prefix: string; readonly firewall: Firewall | undefined }
  | { readonly kind: 'unknown-doors'; readonly names: readonly string[] }
  /** The frame was addressed to another machine than its IP packet. */
  | {
      readonly kind: 'redirected';
      readonly attacker: Suspect;
      /** Is it known whose MAC this is? */
      readonly certain: boolean;
      /** Known from earlier lines, not from the host file. */
      readonly learned: boolean;
      readonly mac: Mac;
      readonly meant: Endpoint;
      /** Who alone can have sent it. */
      readonly sender: Party | undefined;
      readonly evidence: Evidence;
      readonly victims: readonly Endpoint[];
    }
  /** A machine sent on what was not its own. */
  | {
      readonly kind: 'relayed';
      readonly attacker: Party;
      readonly ttl: number;
      readonly victims: readonly Endpoint[];
    }
  | { readonly kind: 'forged-source'; readonly door: Door; readonly by: Party | undefined; readonly source: Endpoint }
  | { readonly kind: 'forged-mac'; readonly by: Party; readonly mac: Mac; readonly owner: Party | undefined }
  | { readonly kind: 'no-address-yet'; readonly by: Party | undefined; readonly ip: Ip }
  | {
      readonly kind: 'forged-arp';
      readonly by: Party | undefined;
      readonly claimed: Endpoint;
      readonly mac: Mac;
      readonly told: Endpoint | undefined;
    }
  | { readonly kind: 'arp-mismatch'; readonly by: Party | undefined; readonly frame: Mac; readonly payload: Mac }
  | { readonly kind: 'flooded'; readonly mac: Mac; readonly owner: Party | undefined; readonly door: Door }
  | { readonly kind: 'no-mac' }
  | { readonly kind: 'nested' };

export type Explanation = {
  readonly outcome: Outcome;
  /** In the order in which they are told. */
  readonly findings: readonly Finding[];
  /** Who did it, only where more than a MAC says so. */
  readonly culprit: Party | undefined;
  /** Who may have done it: a MAC alone says so. Nobody where there is a culprit. */
  readonly suspect: Party | undefined;
};

/** The host is one, whichever of its interfaces it is seen at. */
export function partyKey(party: Party): string {
  return party.kind === 'host' ? 'host' : `${party.kind} ${party.name}`;
}

export function sameParty(a: Party | undefined, b: Party | undefined): boolean {
  if (a === undefined || b === undefined || a.kind !== b.kind) return false;
  return a.kind === 'host' || a.name === (b as { readonly name: string }).name;
}
