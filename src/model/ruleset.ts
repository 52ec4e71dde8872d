// The netfilter tree: tables, sets, maps, chains, rules. Both back ends lower to it, print it and parse back into it;
// the simulator runs it.
import type { Field, FieldType, Value } from './field.ts';
import type { Match } from './match.ts';

export type TableFamily = 'ip' | 'ip6' | 'inet' | 'bridge' | 'arp' | 'netdev';

export type HookName = 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting' | 'ingress';

export type BasePolicy = 'accept' | 'drop';

export type Verdict =
  | { readonly kind: 'accept' }
  | { readonly kind: 'drop' }
  | { readonly kind: 'return' }
  | { readonly kind: 'jump'; readonly chain: string }
  | { readonly kind: 'goto'; readonly chain: string }
  | { readonly kind: 'reject'; readonly with?: string };

/** What a rule does once its matches held. Only `verdict` and a `vmap` that hits can end the evaluation. */
export type Statement =
  | { readonly kind: 'log'; readonly prefix: string; readonly level: number }
  | { readonly kind: 'counter' }
  | { readonly kind: 'verdict'; readonly verdict: Verdict }
  | { readonly kind: 'vmap'; readonly fields: readonly Field[]; readonly map: string }
  | { readonly kind: 'opaque-statement'; readonly text: string };

/** Evaluated from left to right; the first match that fails ends the rule. */
export type Expression = Match | Statement;

export type KernelRule = {
  readonly body: readonly Expression[];
  /** The stable id of the list rule that this kernel rule belongs to. */
  readonly comment?: string;
};

export type Chain = {
  readonly name: string;
  readonly base?: {
    readonly type: 'filter' | 'nat' | 'route';
    readonly hook: HookName;
    readonly priority: number;
    readonly policy: BasePolicy;
  };
  readonly rules: readonly KernelRule[];
};

/** One value for each of the set's types. */
export type Element = readonly Value[];

export type NamedSet = {
  readonly name: string;
  readonly types: readonly FieldType[];
  /** Elements may be ranges (nft's `flags interval`); such sets are slower, so they are used only where needed. */
  readonly interval: boolean;
  readonly elements: readonly Element[];
};

export type VerdictMap = {
  readonly name: string;
  readonly types: readonly FieldType[];
  readonly interval: boolean;
  readonly elements: readonly { readonly key: Element; readonly verdict: Verdict }[];
};

export type Table = {
  readonly family: TableFamily;
  readonly name: string;
  readonly sets: readonly NamedSet[];
  readonly maps: readonly VerdictMap[];
  readonly chains: readonly Chain[];
};

export type Backend = 'iptables' | 'nft';

export type Ruleset = { readonly backend: Backend; readonly tables: readonly Table[] };

export const accept: Statement = { kind: 'verdict', verdict: { kind: 'accept' } };
export const drop: Statement = { kind: 'verdict', verdict: { kind: 'drop' } };
export const returnToCaller: Statement = { kind: 'verdict', verdict: { kind: 'return' } };
export const count: Statement = { kind: 'counter' };

export function jump(chain: string): Statement {
  return { kind: 'verdict', verdict: { kind: 'jump', chain } };
}

export function goTo(chain: string): Statement {
  return { kind: 'verdict', verdict: { kind: 'goto', chain } };
}

/** syslog's `info`, the level of our own log rules (syslog(3)). */
const infoLevel = 6;

export function log(prefix: string): Statement {
  return { kind: 'log', prefix, level: infoLevel };
}
