// Runs the chains of a hook on a packet, in the order of their priorities: nf_hook_slow() and the rule loops of
// nf_tables_core.c and ip_tables.c. `accept` ends its own base chain only, `drop` is final.
import type { LimitMatch } from '../model/match.ts';
import type { Chain, HookName, KernelRule, Ruleset, Statement, Table, Verdict } from '../model/ruleset.ts';
import type { Decider, Decision } from '../model/trace.ts';
import { unreachable } from '../model/unreachable.ts';
import { keyOf, matches, type PreparedSet, prepareMap, prepareSet } from './matches.ts';
import type { View } from './view.ts';

type PreparedTable = {
  readonly table: Table;
  readonly chains: ReadonlyMap<string, Chain>;
  readonly sets: ReadonlyMap<string, PreparedSet<true>>;
  readonly maps: ReadonlyMap<string, PreparedSet<Verdict>>;
};

type BaseChain = { readonly in: PreparedTable; readonly chain: Chain; readonly priority: number };

/** A ruleset ready to run. Limits have a memory, so each world needs one of its own. */
export class Firewall {
  readonly #bases = new Map<string, BaseChain[]>();
  readonly #buckets = new Map<LimitMatch, Map<KernelRule, Bucket>>();

  constructor(ruleset: Ruleset) {
    for (const table of ruleset.tables) {
      const prepared: PreparedTable = {
        table,
        chains: new Map(table.chains.map((chain) => [chain.name, chain])),
        sets: new Map(table.sets.map((set) => [set.name, prepareSet(set)])),
        maps: new Map(table.maps.map((map) => [map.name, prepareMap(map)])),
      };
      for (const chain of table.chains) if (chain.base !== undefined) this.#hook(prepared, chain, chain.base);
    }
  }

  #hook(prepared: PreparedTable, chain: Chain, { hook, priority, type }: NonNullable<Chain['base']>): void {
    if (type === 'nat') throw new Error('address translation on a bridge is not simulated');
    for (const family of prepared.table.family === 'inet' ? ['ip'] : [prepared.table.family]) {
      const key = `${family} ${hook}`;
      const bases = [...(this.#bases.get(key) ?? []), { in: prepared, chain, priority }];
      this.#bases.set(
        key,
        bases.toSorted((a, b) => a.priority - b.priority),
      );
    }
  }

  /** Base chains with priorities from `after` (exclusive) on; `log` is called for each line, in order. */
  decide(family: 'bridge' | 'ip', hook: HookName, view: View, now: number, log: (prefix: string) => void): Decision {
    let decision: Decision = { verdict: 'accept' };
    for (const base of this.#bases.get(`${family} ${hook}`) ?? []) {
      const run: Run = { in: base.in, view, log, takeToken: (rule, limit) => this.#take(rule, limit, now) };
      decision = decideBase(base.chain, run);
      if (decision.verdict === 'drop') return decision;
    }
    return decision;
  }

  #take(rule: KernelRule, limit: LimitMatch, now: number): boolean {
    const ofLimit = this.#buckets.get(limit) ?? new Map<KernelRule, Bucket>();
    this.#buckets.set(limit, ofLimit);
    const bucket = ofLimit.get(rule) ?? { tokens: limit.burst, at: now };
    const refill = ((now - bucket.at) / 1_000_000 / secondsIn[limit.per]) * limit.packets;
    const tokens = Math.min(limit.burst, bucket.tokens + refill);
    ofLimit.set(rule, { tokens: tokens >= 1 ? tokens - 1 : tokens, at: now });
    return tokens >= 1;
  }
}

type Bucket = { readonly tokens: number; readonly at: number };

const secondsIn: Readonly<Record<LimitMatch['per'], number>> = { second: 1, minute: 60, hour: 3600, day: 86_400 };

type Run = {
  readonly in: PreparedTable;
  readonly view: View;
  readonly log: (prefix: string) => void;
  readonly takeToken: (rule: KernelRule, limit: LimitMatch) => boolean;
};

function decideBase(chain: Chain, run: Run): Decision {
  const end = runChain(chain, run);
  if (end.kind === 'decided') return end.decision;
  const { family, name: table } = run.in.table;
  return { verdict: chain.base?.policy ?? 'accept', by: { family, table, chain: chain.name } };
}

type ChainEnd = { readonly kind: 'decided'; readonly decision: Decision } | { readonly kind: 'returned' };

const returned: ChainEnd = { kind: 'returned' };

/** RETURN and the end of a chain go back behind the jump; behind a goto nothing of the calling chain is left. */
function runChain(chain: Chain, run: Run): ChainEnd {
  for (const [index, rule] of chain.rules.entries()) {
    const verdict = runRule(rule, run);
    if (verdict === undefined) continue;
    switch (verdict.kind) {
      case 'accept':
      case 'drop':
        return { kind: 'decided', decision: { verdict: verdict.kind, by: decider(chain, index, rule, run) } };
      case 'reject':
        return { kind: 'decided', decision: { verdict: 'drop', by: decider(chain, index, rule, run) } };
      case 'return':
        return returned;
      case 'goto':
        return runChain(target(verdict.chain, run), run);
      case 'jump': {
        const end = runChain(target(verdict.chain, run), run);
        if (end.kind === 'decided') return end;
        break;
      }
      default:
        return unreachable(verdict);
    }
  }
  return returned;
}

function target(name: string, run: Run): Chain {
  const chain = run.in.chains.get(name);
  if (chain === undefined) throw new Error(`table ${run.in.table.name} has no chain '${name}'`);
  return chain;
}

function decider(chain: Chain, rule: number, { comment }: KernelRule, run: Run): Decider {
  const { family, name: table } = run.in.table;
  return { family, table, chain: chain.name, rule, ...(comment === undefined ? {} : { comment }) };
}

/** The verdict of a rule whose conditions all hold; undefined when one fails, or when it only logs and counts. */
function runRule(rule: KernelRule, run: Run): Verdict | undefined {
  for (const expression of rule.body) {
    switch (expression.kind) {
      case 'log':
      case 'counter':
      case 'verdict':
      case 'vmap':
      case 'opaque-statement': {
        const verdict = runStatement(expression, run);
        if (verdict !== undefined) return verdict;
        break;
      }
      default:
        if (!matches(expression, run.view, { sets: run.in.sets, takeToken: (limit) => run.takeToken(rule, limit) }))
          return undefined;
    }
  }
  return undefined;
}

function runStatement(statement: Statement, run: Run): Verdict | undefined {
  switch (statement.kind) {
    case 'log':
      run.log(statement.prefix);
      return undefined;
    case 'counter':
      return undefined;
    case 'verdict':
      return statement.verdict;
    case 'vmap': {
      const key = keyOf(statement.fields, run.view);
      return key === undefined ? undefined : run.in.maps.get(statement.map)?.find(key);
    }
    case 'opaque-statement':
      throw new Error(`the simulator cannot run '${statement.text}'`);
    default:
      return unreachable(statement);
  }
}
