// What a host shows of itself: bridges, their ports, its own interfaces, routes. Facts only, no intent.

import type { Span } from './diagnostic.ts';
import type { Ip, Prefix } from './ip.ts';
import type { Mac } from './mac.ts';

/** A bridge port, never a TCP port. */
export type Port = {
  readonly name: string;
  readonly bridge: string;
  /** The other end of the veth pair, if it is in the same network namespace. */
  readonly peer?: string;
  /** The guest behind the port, as the hypervisor names it. */
  readonly guest?: string;
  /** The MAC of the network card behind the port: the guest's, not the tap's. */
  readonly mac?: Mac;
  /** A physical device, bond or tunnel: what is behind it is outside of this host. */
  readonly uplink: boolean;
  readonly span: Span;
};

export type Bridge = {
  readonly name: string;
  readonly ports: readonly Port[];
  readonly stp: boolean;
  /** Its ports are bound also while no guest is on it: guests that were there may come back. */
  readonly managed?: true;
  readonly span: Span;
};

/** An interface with which the host itself takes part in a network; a bridge device may be one. */
export type HostInterface = {
  readonly name: string;
  readonly mac?: Mac;
  readonly addresses: readonly Prefix[];
  readonly peer?: string;
  readonly span: Span;
};

/** Who says that a card has an address: the administrator of libvirt, except for `agent`, which is the guest itself. */
export const addressSources = ['reservation', 'filter', 'agent'] as const;

export type AddressSource = (typeof addressSources)[number];

/** A network card as the hypervisor defines it. */
export type GuestCard = {
  readonly mac: Mac;
  /** The bridge that it is on, or will be on when the guest runs. */
  readonly bridge?: string;
  /** What is said of it; that it counts is for the policy to say. */
  readonly addresses: Readonly<Record<AddressSource, readonly Ip[]>>;
};

/** A guest that the hypervisor knows, running or not; the ports of a running one carry its name. */
export type HostGuest = {
  readonly name: string;
  readonly running: boolean;
  readonly cards: readonly GuestCard[];
  readonly span: Span;
};

export type Route = {
  readonly to: Prefix;
  readonly via?: Ip;
  readonly dev?: string;
  readonly span: Span;
};

export type Host = {
  readonly name: string;
  readonly bridges: readonly Bridge[];
  readonly interfaces: readonly HostInterface[];
  readonly routes: readonly Route[];
  /** Kernel settings that decide how packets go, for example `net.ipv4.ip_forward`. */
  readonly sysctls: Readonly<Record<string, string>>;
  readonly guests: readonly HostGuest[];
};

export function allPorts(host: Host): readonly Port[] {
  return host.bridges.flatMap((bridge) => bridge.ports);
}
