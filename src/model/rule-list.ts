// The numbered list that the administrator reads. Its meaning is plain: at every hop the first rule that matches
// decides. Both back ends are lowered from it and must be equivalent to it.
import type { Span } from './diagnostic.ts';
import type { Ip } from './ip.ts';
import type { IpSet } from './ip-set.ts';
import type { Mac } from './mac.ts';
import type { Service } from './policy.ts';

/** Where a rule looks: at a bridge port, at an interface of the host itself, or everywhere that is managed. */
export type Place =
  | { readonly kind: 'port'; readonly bridge: string; readonly port: string; readonly direction: 'in' | 'out' }
  | { readonly kind: 'host'; readonly ifname: string; readonly direction: 'in' | 'out' }
  | { readonly kind: 'everywhere' };

/**
 * Addresses that are called the same wherever they are meant, and whoever of the guests is there: a name leads to one set
 * of addresses in a list, and in the next list to what became of it.
 */
export type NamedIps = { readonly name: string; readonly ips: IpSet };

/**
 * New connections of one service from one set of addresses to another. `from` and `to` may be asked instead, and are
 * shared by many rules: where the address checks of the rule's place hold, they say the same. At a guest's port there is
 * no `from`: its own addresses are nobody else's.
 */
export type Flow = {
  readonly source: IpSet;
  readonly destination: IpSet;
  readonly service: Service;
  readonly from?: NamedIps;
  readonly to: NamedIps;
};

/** What a guest may call itself: with a known MAC both must fit together. */
export type Own = { readonly ips: IpSet; readonly mac?: Mac };

/**
 * What a rule asks, closed. `destination-not`, `source-not` and `source-is` are the DENY checks; a `within` narrows
 * them to packets between these addresses. `new-flows` accepts the first packet of each flow, and only that;
 * `datagrams` are the exceptions of DHCP, which hold in every state.
 */
export type Check =
  | { readonly kind: 'destination-not'; readonly ips: IpSet; readonly source?: IpSet }
  | { readonly kind: 'source-is'; readonly ips: IpSet }
  | { readonly kind: 'source-not'; readonly own: Own; readonly destination?: IpSet }
  | { readonly kind: 'new-flows'; readonly flows: readonly Flow[] }
  | {
      readonly kind: 'datagrams';
      readonly mac?: Mac;
      readonly source: IpSet;
      readonly destination: IpSet;
      readonly sport: number;
      readonly dport: number;
      /** May be asked instead where the address checks of the rule's place hold, and is the same at every port. */
      readonly whole?: { readonly source: NamedIps; readonly destination: NamedIps };
    }
  | { readonly kind: 'known-flow' }
  | { readonly kind: 'everything' };

export type ListRule = {
  readonly kind: 'rule';
  /** Stable for ever: made of names, never of numbers. It is the comment of every kernel rule that it becomes. */
  readonly id: string;
  /** Exceptions have none; a number stays with its id while rules are loaded. */
  readonly number?: number;
  readonly place: Place;
  readonly check: Check;
  readonly verdict: 'accept' | 'deny';
  readonly log: boolean;
  readonly text: string;
  /** The policy line, guest or host fact that the rule comes from. */
  readonly origin: Span;
};

export type Heading = { readonly kind: 'heading'; readonly id: string; readonly number: number; readonly text: string };

export type Entry = ListRule | Heading;

/** An address and the only MAC that may claim it in ARP. */
export type ArpPair = { readonly ip: Ip; readonly mac: Mac };

/** A port of a managed bridge and what the topology says of it. */
export type GroundPort = {
  readonly name: string;
  readonly bridge: string;
  /** `link` leads to another bridge, `host` to the host's own interface, `uplink` outside; `closed` is not known. */
  readonly kind: 'guest' | 'link' | 'host' | 'uplink' | 'closed';
  /** As the policy calls it. */
  readonly guest?: string;
  /** Of a link, the port at its other end: what is near this one is behind that one. */
  readonly peer?: string;
  readonly own?: Own;
  /** The addresses that may come in here as source, and be sent out here as destination. */
  readonly behind: IpSet;
  /** The addresses on this side of the port. */
  readonly near: IpSet;
  /** Who may speak ARP into this port; whose MAC nobody knows may claim its address with any. */
  readonly arp: readonly ArpPair[];
  readonly arpFree: IpSet;
  /** The cards behind the port; undefined when not all of them are known. */
  readonly macs?: readonly Mac[];
};

export type GroundBridge = {
  readonly name: string;
  readonly ports: readonly GroundPort[];
  /** What the host itself may say and hear by the bridge device; without it the device stays mute. */
  readonly device?: Pick<GroundPort, 'behind' | 'near' | 'arp' | 'arpFree'>;
};

/** What is managed, and nothing else: everything outside of it is never touched. */
export type Ground = {
  readonly bridges: readonly GroundBridge[];
  /** Interfaces by which the host takes part in guests' networks: veth ends and bridge devices with addresses. */
  readonly facing: readonly string[];
  /** Interfaces whose own traffic of the host the policy rules (`via`), as the one towards the administrator. */
  readonly ruled: readonly string[];
  /** Name patterns of guest ports that may appear later and stay closed until they are known. */
  readonly patterns: readonly string[];
};

export type RuleList = { readonly entries: readonly Entry[]; readonly ground: Ground };

export function rulesOf(list: RuleList): readonly ListRule[] {
  return list.entries.filter((entry) => entry.kind === 'rule');
}
