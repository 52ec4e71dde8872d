// What happens in a scene, step by step. The simulator performs a scenario, and so does the lab on the real kernel;
// both give a StepResult for each step, and the two lists must agree.
import type { Ip } from '../model/ip.ts';
import type { Packet } from '../packet/packet.ts';

export type Step =
  /** An echo request by the node's own stack; `ident` also makes the log lines of this lab recognisable. */
  | { readonly kind: 'ping'; readonly node: string; readonly to: Ip; readonly ident: number; readonly sequence: number }
  /** A TCP connection that is opened, and closed as soon as it stands. */
  | { readonly kind: 'connect'; readonly node: string; readonly to: Ip; readonly sport: number; readonly dport: number }
  /** One UDP datagram; only an ICMP error comes back, if anything. */
  | {
      readonly kind: 'datagram';
      readonly node: string;
      readonly to: Ip;
      readonly sport: number;
      readonly dport: number;
    }
  /** Raw frames out of an interface, past the node's own stack and rules. */
  | { readonly kind: 'inject'; readonly node: string; readonly ifname: string; readonly frames: readonly Packet[] }
  /** What does the node's neighbour cache say of this address? */
  | { readonly kind: 'neighbour'; readonly node: string; readonly ifname: string; readonly ip: Ip }
  /** From now on a TCP port of the node is open. */
  | { readonly kind: 'listen'; readonly node: string; readonly port: number }
  /** Clears every neighbour cache. */
  | { readonly kind: 'forget' }
  | { readonly kind: 'wait'; readonly us: number };

/** A frame as it arrived at an interface that is no bridge port, addressed to it or to everybody. */
export type Arrival = { readonly node: string; readonly ifname: string; readonly frame: Uint8Array };

export type StepResult = {
  /** `answered`, `connected`, `refused`, `silent` for probes; a MAC or `none` for caches; `done` for the rest. */
  readonly outcome: string;
  /** The kernel log lines that the step caused, in order, without time stamps. */
  readonly lines: readonly string[];
  readonly arrivals: readonly Arrival[];
};

/** How long a probe waits for its answer, in microseconds; below the first retransmission of TCP. */
export const patience = 300_000;
