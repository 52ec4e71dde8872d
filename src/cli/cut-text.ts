// Connections that a change ends, or would end, for the administrator.

import { type FlowNames, type FlowWords, flowWords } from '../apply/flow-words.ts';
import type { Revocation } from '../apply/live/revoke.ts';

const mostLines = 10;

/** Before a change; nothing when none would be cut. */
export function cutLines({ flows, trouble }: Revocation, names: FlowNames): readonly string[] {
  if (trouble !== undefined) return [`which connections would have to be cut is not known: ${trouble}`];
  return flows.length === 0 ? [] : [`${counted(flows.length)} would be cut:`, ...flowLines(flows, names)];
}

/** Whenever somebody asks; nothing when there are none. */
export function goingOnLines({ flows, trouble }: Revocation, names: FlowNames): readonly string[] {
  if (trouble !== undefined) return [`Connections that are not allowed would not be ended: ${trouble}`];
  if (flows.length === 0) return [];
  return [
    `${counted(flows.length)} that the policy does not allow: the next apply cuts them`,
    ...flowLines(flows, names),
  ];
}

function flowLines(flows: Revocation['flows'], names: FlowNames): readonly string[] {
  const words = flowWords(flows, names);
  const more = words.slice(mostLines).reduce((sum, { connections }) => sum + connections, 0);
  return [...words.slice(0, mostLines).map((one) => `  ${line(one)}`), ...(more === 0 ? [] : [`  and ${more} more`])];
}

/** After a change. */
export function cutSummary({ flows, trouble }: Revocation): string | undefined {
  if (trouble !== undefined) return `connections that are not allowed any more may go on: ${trouble}`;
  return flows.length === 0 ? undefined : `${counted(flows.length)} cut, as the policy does not allow them`;
}

/** For -o json. */
export function cutData({ flows, trouble }: Revocation, names: FlowNames): object {
  return {
    count: flows.length,
    connections: flowWords(flows, names),
    ...(trouble === undefined ? {} : { trouble }),
  };
}

function counted(count: number): string {
  return count === 1 ? '1 connection' : `${count} connections`;
}

function line({ source, destination, service, connections }: FlowWords): string {
  return `${source} -> ${destination} ${service}${connections === 1 ? '' : ` (${connections})`}`;
}
