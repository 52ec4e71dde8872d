// Which of the tracked connections the rules no longer allow.
import type { FlowJudge } from './flow-judge.ts';
import { flowKey, reversed, type TrackedFlow } from './tracked-flow.ts';

/**
 * @param older keys of connections that may be older than our rules: tracking that began in their middle may hold the one
 * who answered for the one who began
 * @param expected entries that a helper has announced
 */
export function revokedFlows(
  flows: readonly TrackedFlow[],
  judge: Pick<FlowJudge, 'allows'>,
  older: ReadonlySet<string>,
  expected: ReadonlySet<string>,
): readonly TrackedFlow[] {
  const forbidden = new Set(flows.filter((flow) => !mayGoOn(flow, judge, older)));
  const helped = new Set(flows.filter((flow) => flow.helper !== undefined && !forbidden.has(flow)).map(pairOf));
  // what a helper announced belongs to a connection between the same two, and goes on as long as that does
  return [...forbidden].filter((flow) => !expected.has(flow.entry) || !helped.has(pairOf(flow)));
}

function mayGoOn(flow: TrackedFlow, judge: Pick<FlowJudge, 'allows'>, older: ReadonlySet<string>): boolean {
  return judge.allows(flow) || (older.has(flowKey(flow)) && judge.allows(reversed(flow)));
}

function pairOf({ original: { source, destination } }: TrackedFlow): string {
  return [source.bits, destination.bits].sort().join(' ');
}
