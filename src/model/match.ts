// What a rule asks of a packet: ONE closed union with several readers (print for iptables, print for nft, evaluate on
// a packet, turn into a symbolic set). Each reader switches over `kind` and ends in `unreachable`.
import type { Field, Value } from './field.ts';

export type CtState = 'invalid' | 'established' | 'related' | 'new' | 'untracked';

export type TcpFlag = 'fin' | 'syn' | 'rst' | 'psh' | 'ack' | 'urg' | 'ecn' | 'cwr';

/** The field has one of the values; a packet that lacks the field does not match, negated or not. */
export type FieldMatch = {
  readonly kind: 'field';
  readonly field: Field;
  readonly negated: boolean;
  readonly values: readonly Value[];
};

/** The fields, taken together, are an element of the table's named set. */
export type LookupMatch = {
  readonly kind: 'lookup';
  readonly fields: readonly Field[];
  readonly negated: boolean;
  readonly set: string;
};

/** `--physdev-in`, `--physdev-out`; the truth of either polarity follows net/netfilter/xt_physdev.c. */
export type PhysdevMatch = {
  readonly kind: 'physdev';
  readonly end: 'in' | 'out';
  readonly negated: boolean;
  /** A port name, or a prefix of names with a trailing `*`. */
  readonly name: string;
};

/** `--physdev-is-in`, `--physdev-is-out`, `--physdev-is-bridged`. */
export type PhysdevIsMatch = {
  readonly kind: 'physdev-is';
  readonly what: 'in' | 'out' | 'bridged';
  readonly negated: boolean;
};

export type CtStateMatch = {
  readonly kind: 'ct-state';
  readonly negated: boolean;
  readonly states: readonly CtState[];
};

/** The TCP flags under `mask` are exactly `flags`. */
export type TcpFlagsMatch = {
  readonly kind: 'tcp-flags';
  readonly negated: boolean;
  readonly mask: readonly TcpFlag[];
  readonly flags: readonly TcpFlag[];
};

/** A token bucket: true while tokens are left (net/netfilter/xt_limit.c, nft_limit.c). It has memory. */
export type LimitMatch = {
  readonly kind: 'limit';
  readonly packets: number;
  readonly per: 'second' | 'minute' | 'hour' | 'day';
  readonly burst: number;
};

/** Something of a foreign ruleset that we can carry and print but not decide. */
export type OpaqueMatch = { readonly kind: 'opaque'; readonly text: string };

export type Match =
  | FieldMatch
  | LookupMatch
  | PhysdevMatch
  | PhysdevIsMatch
  | CtStateMatch
  | TcpFlagsMatch
  | LimitMatch
  | OpaqueMatch;

export function field(name: Field, ...values: readonly Value[]): FieldMatch {
  return { kind: 'field', field: name, negated: false, values };
}

export function notField(name: Field, ...values: readonly Value[]): FieldMatch {
  return { kind: 'field', field: name, negated: true, values };
}

export function lookup(set: string, ...fields: readonly Field[]): LookupMatch {
  return { kind: 'lookup', fields, negated: false, set };
}

export function notLookup(set: string, ...fields: readonly Field[]): LookupMatch {
  return { kind: 'lookup', fields, negated: true, set };
}

export function ctState(...states: readonly CtState[]): CtStateMatch {
  return { kind: 'ct-state', negated: false, states };
}
