// Connections that shall end -> what `conntrack` is told: for each of them its own words. Each look-up of the tool goes
// through all that the kernel tracks, so where many end, those that differ in little share one; but never with one that
// may go on.
import { printIp } from '../model/ip.ts';
import type { TrackedFlow } from './tracked-flow.ts';

/** From so many look-ups on wider ones are looked for. */
const manyFilters = 32;

/** Arguments for `conntrack -D`. Every one of `dying` matches one of them at least, and none of `others` does. */
export function cutFilters(
  dying: readonly TrackedFlow[],
  others: readonly TrackedFlow[],
): readonly (readonly string[])[] {
  const exact = dying.map((flow): Cut => ({ flow, words: exactFilter(flow), wide: false }));
  const cuts = widened(exact, others, connectionFilter, false);
  return (cuts.length < manyFilters ? cuts : widest(cuts, others)).map(({ words }) => words);
}

type Filter = (flow: TrackedFlow) => readonly string[];

/** `flow` is one of those that the words say. */
type Cut = { readonly flow: TrackedFlow; readonly words: readonly string[]; readonly wide: boolean };

/** Each filter must hold all that the one before it does. */
function widest(cuts: readonly Cut[], others: readonly TrackedFlow[]): readonly Cut[] {
  const byDestination = [serviceFilter, destinationFilter].reduce(
    (some, filter) => widened(some, others, filter),
    cuts,
  );
  const narrow = byDestination.filter(({ wide }) => !wide);
  const bySource = [pairFilter, sourceFilter].reduce<readonly Cut[]>(
    (some, filter) => widened(some, others, filter),
    narrow,
  );
  return [...byDestination.filter(({ wide }) => wide), ...bySource];
}

/** What one filter says together, if it says nothing of the others. */
function widened(cuts: readonly Cut[], others: readonly TrackedFlow[], filter: Filter, wide = true): readonly Cut[] {
  const taken = new Set(others.map((flow) => filter(flow).join(' ')));
  return [...Map.groupBy(cuts, ({ flow }) => filter(flow).join(' '))].flatMap(([key, some]) => {
    const [first] = some;
    return first === undefined || some.length === 1 || taken.has(key)
      ? some
      : [{ flow: first.flow, words: filter(first.flow), wide }];
  });
}

function ends({ original: { source, destination } }: TrackedFlow): readonly string[] {
  return ['-s', printIp(source), '-d', printIp(destination)];
}

function zoned({ zone = 0 }: TrackedFlow): readonly string[] {
  return ['-w', String(zone)];
}

const options = {
  sport: '--sport',
  dport: '--dport',
  type: '--icmp-type',
  code: '--icmp-code',
  id: '--icmp-id',
  srckey: '--srckey',
  dstkey: '--dstkey',
} as const;

function words({ original }: TrackedFlow, names: readonly (keyof typeof options)[]): readonly string[] {
  return names.flatMap((name) => (original[name] === undefined ? [] : [options[name], String(original[name])]));
}

/** One connection. */
export function exactFilter(flow: TrackedFlow): readonly string[] {
  const names = ['sport', 'dport', 'type', 'code', 'id', 'srckey', 'dstkey'] as const;
  return [...protocol(flow), ...ends(flow), ...words(flow, names), ...zoned(flow)];
}

function protocol({ protocol: number }: TrackedFlow): readonly string[] {
  return ['-p', String(number)];
}

/** All of one client to one service: the rules do not tell them apart. */
function connectionFilter(flow: TrackedFlow): readonly string[] {
  return [...protocol(flow), ...ends(flow), ...words(flow, ['dport', 'type', 'code', 'dstkey']), ...zoned(flow)];
}

function serviceFilter(flow: TrackedFlow): readonly string[] {
  const to = ['-d', printIp(flow.original.destination)];
  return [...protocol(flow), ...to, ...words(flow, ['dport', 'type', 'code', 'dstkey']), ...zoned(flow)];
}

function pairFilter(flow: TrackedFlow): readonly string[] {
  return [...ends(flow), ...zoned(flow)];
}

function sourceFilter(flow: TrackedFlow): readonly string[] {
  return ['-s', printIp(flow.original.source), ...zoned(flow)];
}

function destinationFilter(flow: TrackedFlow): readonly string[] {
  return ['-d', printIp(flow.original.destination), ...zoned(flow)];
}
