// The least that keeps a host safe when its rules cannot be loaded: every managed port is closed.
import { field } from '../model/match.ts';
import type { RuleList } from '../model/rule-list.ts';
import { type Chain, count, drop, type Ruleset } from '../model/ruleset.ts';
import { base } from './parts.ts';

/** Ports that are known, and those that may come by their patterns. */
export function closedPorts({ ground }: RuleList): Ruleset {
  return closedNames([...ground.bridges.flatMap(({ ports }) => ports.map(({ name }) => name)), ...ground.patterns]);
}

/** `names` of ports, or patterns as `vnet*`. */
export function closedNames(names: readonly string[]): Ruleset {
  const closing = (name: 'prerouting' | 'forward' | 'output', end: 'iifname' | 'oifname', priority: number): Chain =>
    base(
      name,
      name,
      priority,
      names.map((port) => ({ body: [field(end, port), count, drop], comment: 'closed' })),
    );
  const chains = [
    closing('prerouting', 'iifname', -300),
    closing('forward', 'oifname', -200),
    closing('output', 'oifname', -200),
  ];
  return { backend: 'nft', tables: [{ family: 'bridge', name: 'bk', sets: [], maps: [], chains }] };
}
