// What the sections of the compiler work from, and what they make: entries of the list that have no numbers yet.
import type { Host } from '../model/host.ts';
import type { IpSet } from '../model/ip-set.ts';
import type { Policy } from '../model/policy.ts';
import type { ListRule } from '../model/rule-list.ts';
import type { SegmentGround } from './behind.ts';
import type { Names } from './sides.ts';

/** A list entry before it has its number; `numbered: false` for the exceptions. */
export type Draft =
  | (Omit<ListRule, 'number'> & { readonly numbered: boolean })
  | { readonly kind: 'heading'; readonly id: string; readonly text: string };

export type Section = { readonly id: string; readonly text: string; readonly rules: readonly Draft[] };

/** What a compiler section works from. */
export type Input = {
  readonly policy: Policy;
  readonly host: Host;
  readonly names: Names;
  readonly segments: readonly SegmentGround[];
  readonly hostIps: IpSet;
};
