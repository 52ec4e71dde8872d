// Connections that a change ends, or would end, for the administrator.

import { type FlowWords, flowWords } from '../apply/flow-words.ts';
import type { Revocation } from '../apply/live/revoke.ts';
import type { Target } from '../apply/target.ts';

const mostLines = 10;

/** Before a change; nothing when none would be cut. */
export function cutLines({ flows, trouble }: Revocation, target: Target): readonly string[] {
  if (trouble !== undefined) return [`which connections would have to be cut is not known: ${trouble}`];
  if (flows.length === 0) return [];
  const words = flowWords(flows, target);
  const more = words.slice(mostLines).reduce((sum, { connections }) => sum + connections, 0);
  return [
    `${counted(flows.length)} would be cut:`,
    ...words.slice(0, mostLines).map((one) => `  ${line(one)}`),
    ...(more === 0 ? [] : [`  and ${more} more`]),
  ];
}

/** After a change. */
export function cutSummary({ flows, trouble }: Revocation): string | undefined {
  if (trouble !== undefined) return `connections that are not allowed any more may go on: ${trouble}`;
  return flows.length === 0 ? undefined : `${counted(flows.length)} cut, as the policy does not allow them`;
}

/** For -o json. */
export function cutData({ flows, trouble }: Revocation, target: Target): object {
  return {
    count: flows.length,
    connections: flowWords(flows, target),
    ...(trouble === undefined ? {} : { trouble }),
  };
}

function counted(count: number): string {
  return count === 1 ? '1 connection' : `${count} connections`;
}

function line({ source, destination, service, connections }: FlowWords): string {
  return `${source} -> ${destination} ${service}${connections === 1 ? '' : ` (${connections})`}`;
}
