// What another process stores, as it comes: the store is looked at again when somebody has committed.
import { setTimeout as sleep } from 'node:timers/promises';
import { PacketPaths } from '../watch/packet-paths.ts';
import type { EventFilter } from '../watch/store/event-filter.ts';
import { StoreReader } from '../watch/store/store-reader.ts';
import type { Attribute } from './attribute.ts';
import { type EventFormat, gapJson, gapLine, type PrintedGap, printed } from './event-text.ts';
import { printLines } from './print-lines.ts';

const pollMs = 200;
const atOnce = 500;

export type Showing = {
  readonly format: EventFormat;
  readonly attribute: Attribute;
  /** Before lines are attributed: host and policy may have changed. */
  readonly refresh: () => Promise<void>;
};

/** What has been shown already. */
export type Shown = { readonly event: number; readonly gap: number };

/** What comes after, or from now on, until the signal comes. */
export async function showStored(
  directory: string,
  filter: EventFilter,
  signal: AbortSignal,
  showing: Showing,
  shown?: Shown,
): Promise<void> {
  const reader = new StoreReader(directory);
  try {
    let { event: afterId, gap: afterGap } = shown ?? reader.last();
    let version = -1;
    const paths = new PacketPaths();
    while (!signal.aborted) {
      await sleep(pollMs, undefined, { signal }).catch(() => undefined);
      if (reader.version() === version) continue;
      version = reader.version();
      await showing.refresh();
      afterId = await showEvents(reader, { ...filter, afterId }, showing, paths);
      const gaps = reader.gaps(filter, afterGap);
      afterGap = gaps.at(-1)?.id ?? afterGap;
      await printLines(gaps.flatMap((gap) => shownGap(gap, showing.format)));
    }
  } finally {
    reader.close();
  }
}

async function showEvents(
  reader: StoreReader,
  filter: EventFilter & { readonly afterId: number },
  { format, attribute }: Showing,
  paths: PacketPaths,
): Promise<number> {
  let last = filter.afterId;
  let lines: string[] = [];
  for (const event of reader.events(filter, 'stored', paths)) {
    last = event.id;
    lines.push(printed(format, attribute(event)));
    if (lines.length < atOnce) continue;
    await printLines(lines);
    lines = [];
  }
  await printLines(lines);
  return last;
}

/** CSV has rows of one kind only. */
export function shownGap(gap: PrintedGap, format: EventFormat): readonly string[] {
  if (format === 'csv') return [];
  return [format === 'json' ? gapJson(gap) : gapLine(gap)];
}
