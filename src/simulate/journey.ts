// The events of a run, as one packet's journey: hop by hop, with the rule that decided at each.
import type { HookVisit, LogLine, LossReason, SimEvent } from '../model/trace.ts';

/** A visit to one hook of the host, with the log lines that it caused. */
export type Hop = { readonly visit: HookVisit; readonly lines: readonly string[] };

export type Disposition =
  | { readonly kind: 'delivered'; readonly node: string; readonly ifname: string }
  | { readonly kind: 'denied'; readonly hop: Hop }
  | { readonly kind: 'lost'; readonly node: string; readonly reason: LossReason };

export type Journey = {
  readonly packet: number;
  readonly text: string;
  readonly from: string;
  readonly hops: readonly Hop[];
  /** A flooded packet has several ends. */
  readonly ends: readonly Disposition[];
};

/** One journey for each packet, in the order in which they set out. */
export function journeys(events: readonly SimEvent[]): readonly Journey[] {
  return [...Map.groupBy(events, ({ packet }) => packet)].map(([packet, own]) => journey(packet, own));
}

function journey(packet: number, events: readonly SimEvent[]): Journey {
  const sent = events.find((event) => event.kind === 'sent');
  const first = sent ?? events.find((event) => event.kind === 'received');
  const hops = hopsOf(events);
  const denied = hops
    .filter(({ visit }) => visit.decision.verdict === 'drop')
    .map((hop) => ({ kind: 'denied', hop }) as const);
  const others = events.flatMap((event, index) => endOf(event, events.slice(index + 1)));
  return { packet, text: first?.text ?? '', from: sent?.node ?? 'host', hops, ends: [...others, ...denied] };
}

/** Where a node sends a packet on, its way is not at its end. Cards that hear of others' frames are no ends at all. */
function endOf(event: SimEvent, later: readonly SimEvent[]): readonly Disposition[] {
  if (event.kind === 'lost' && event.reason !== 'other-host')
    return [{ kind: 'lost', node: event.node, reason: event.reason }];
  if (event.kind !== 'received' || !event.forHere) return [];
  const { node, ifname } = event;
  const stopped = later.some((one) => one.kind === 'hook' && one.decision.verdict === 'drop');
  const goesOn = later.some((one) => (one.kind === 'sent' || one.kind === 'lost') && one.node === node);
  return goesOn || (stopped && node === 'host') ? [] : [{ kind: 'delivered', node, ifname }];
}

/** Lines stand before the decision of their hook. */
function hopsOf(events: readonly SimEvent[]): readonly Hop[] {
  const hops: Hop[] = [];
  let lines: string[] = [];
  for (const event of events) {
    if (event.kind === 'log') lines.push((event satisfies LogLine).text);
    if (event.kind !== 'hook') continue;
    hops.push({ visit: event, lines });
    lines = [];
  }
  return hops;
}
