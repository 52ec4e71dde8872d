// What the administrator wants: who has which address, and who may open which connection. Intent only, no facts.
import type { Span } from './diagnostic.ts';
import type { AddressSource } from './host.ts';
import type { IpSet } from './ip-set.ts';
import type { Mac } from './mac.ts';

export type PolicyGuest = {
  readonly name: string;
  readonly addresses: IpSet;
  /** Whom to believe about further addresses; nobody unless the policy says so. */
  readonly addressesFrom: readonly AddressSource[];
  readonly mac?: Mac;
  readonly port?: string;
  readonly span: Span;
};

/** A machine that is no guest, and the host's interface, bridge or port that it is behind. */
export type Outside = {
  readonly name: string;
  readonly addresses: IpSet;
  readonly behind: string;
  readonly span: Span;
};

export type NameRef = { readonly name: string; readonly span: Span };

export type Group = { readonly name: string; readonly members: readonly NameRef[]; readonly span: Span };

export type PortRange = { readonly first: number; readonly last: number };

export type Service =
  | { readonly kind: 'any'; readonly name: string }
  | { readonly kind: 'icmp'; readonly name: string; readonly type: number; readonly code?: number }
  | { readonly kind: 'tcp' | 'udp'; readonly name: string; readonly dport: PortRange }
  | { readonly kind: 'protocol'; readonly name: string; readonly protocol: number };

/** One line under `allow`: new connections from one side to the other, their replies included. */
export type Permission = {
  /** Stable: follows from the line's text, not from its place. */
  readonly id: string;
  readonly from: readonly NameRef[];
  readonly to: readonly NameRef[];
  /** Only by this interface of the host. */
  readonly via?: NameRef;
  readonly services: readonly Service[];
  readonly log: boolean;
  readonly span: Span;
};

export type Policy = {
  readonly guests: readonly PolicyGuest[];
  readonly outside: readonly Outside[];
  readonly groups: readonly Group[];
  readonly allow: readonly Permission[];
  /** Who may answer DHCP requests: `host`, a guest, an outside machine, or nobody. */
  readonly dhcp?: NameRef;
  /** Interface name patterns (trailing `*`) of ports that stay closed until they are known. */
  readonly guestPorts: readonly string[];
  /** Ports that guests name whose own names are none: nobody is behind them. */
  readonly namelessPorts: readonly string[];
  readonly file: string;
};

/** Names that mean something in every policy and cannot be given to a guest, group or machine. */
export const reservedNames = ['host', 'guests', 'any', 'none'] as const;
