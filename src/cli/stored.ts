// What another process stores, as it comes: the store is looked at again when somebody has committed.
import { setTimeout as sleep } from 'node:timers/promises';
import { HostError } from '../model/host-error.ts';
import { PacketPaths } from '../watch/packet-paths.ts';
import type { EventFilter } from '../watch/store/event-filter.ts';
import { StoreReader } from '../watch/store/store-reader.ts';
import type { Attribute } from './attribute.ts';
import { gapJson } from './event-json.ts';
import { type EventFormat, gapLine, type PrintedGap, printed } from './event-text.ts';
import { printLines } from './print-lines.ts';

const pollMs = 200;
const atOnce = 500;

export type Showing = {
  readonly format: EventFormat;
  readonly attribute: Attribute;
  /** Before lines are attributed: host and policy may have changed. */
  readonly refresh: () => Promise<void>;
  /** `event`, `gap`; undefined: all. */
  readonly kinds?: ReadonlySet<string> | undefined;
};

export function isShown({ kinds }: Showing, kind: 'event' | 'gap'): boolean {
  return kinds?.has(kind) ?? true;
}

/** What has been shown already. */
export type Shown = { readonly event: number; readonly gap: number };

/**
 * What comes after, or from now on, until the signal comes.
 * @param besides what else there is to show, each time
 */
export async function showStored(
  directory: string,
  filter: EventFilter,
  signal: AbortSignal,
  showing: Showing,
  shown?: Shown,
  besides: () => readonly string[] = () => [],
): Promise<void> {
  let reader = storeIfThere(directory);
  try {
    let { event: afterId, gap: afterGap } = shown ?? reader?.last() ?? nothingShown;
    let version = -1;
    const paths = new PacketPaths();
    while (!signal.aborted) {
      await sleep(pollMs, undefined, { signal }).catch(() => undefined);
      await printLines(besides());
      reader ??= storeIfThere(directory);
      if (reader === undefined || reader.version() === version) continue;
      version = reader.version();
      await showing.refresh();
      if (isShown(showing, 'event')) afterId = await showEvents(reader, { ...filter, afterId }, showing, paths);
      const gaps = isShown(showing, 'gap') ? reader.gaps(filter, afterGap) : [];
      afterGap = gaps.at(-1)?.id ?? afterGap;
      await printLines(gaps.flatMap((gap) => shownGap(gap, showing.format)));
    }
  } finally {
    reader?.close();
  }
}

export const nothingShown: Shown = { event: 0, gap: 0 };

/** Undefined as long as nobody has stored anything. @throws HostError as `StoreReader` */
export function storeIfThere(directory: string): StoreReader | undefined {
  try {
    return new StoreReader(directory);
  } catch (error) {
    if (error instanceof HostError && error.code === 'store-absent') return undefined;
    throw error;
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
