// What the simulator says of packets: a journey of hops, each with the rule that decided, never a bare yes or no.
import type { HookName, TableFamily } from './ruleset.ts';

/** The rule that ended the evaluation of one hook, or the policy of the base chain when no rule did. */
export type Decider = {
  readonly family: TableFamily;
  readonly table: string;
  readonly chain: string;
  /** Index in the chain; undefined for the policy. */
  readonly rule?: number;
  /** The id of the list rule. */
  readonly comment?: string;
};

export type Decision = { readonly verdict: 'accept' | 'drop'; readonly by?: Decider };

/** One visit of a packet to a hook of the host. Interfaces as the hook sees them. */
export type HookVisit = {
  readonly kind: 'hook';
  readonly at: number;
  readonly packet: number;
  readonly family: 'bridge' | 'ip';
  readonly hook: HookName;
  readonly iif?: string;
  readonly oif?: string;
  readonly physin?: string;
  readonly physout?: string;
  readonly decision: Decision;
};

/** A line of the kernel log, without its time stamp. */
export type LogLine = { readonly kind: 'log'; readonly at: number; readonly packet: number; readonly text: string };

/** Why a packet went no further, other than by a rule. */
export type LossReason =
  | 'group-source'
  | 'same-port'
  | 'link-local'
  | 'malformed'
  | 'other-host'
  | 'martian-source'
  | 'no-forwarding'
  | 'ttl-exceeded'
  | 'no-route'
  | 'no-neighbour'
  | 'no-listener'
  | 'port-down';

export type SimEvent =
  | HookVisit
  | LogLine
  | {
      readonly kind: 'sent';
      readonly at: number;
      readonly packet: number;
      readonly node: string;
      readonly ifname: string;
      readonly text: string;
    }
  | {
      readonly kind: 'received';
      readonly at: number;
      readonly packet: number;
      readonly node: string;
      readonly ifname: string;
      readonly text: string;
      readonly forHere: boolean;
      readonly frame: Uint8Array;
    }
  | {
      readonly kind: 'lost';
      readonly at: number;
      readonly packet: number;
      readonly node: string;
      readonly reason: LossReason;
    };
