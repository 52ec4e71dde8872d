// Sources -> a keeper -> what is new, told once it is kept. A source that is slow or waits for the disk holds up none of
// the others.
import type { LogEvent } from '../../model/log-event.ts';
import { Dedupe, textLength } from '../dedupe.ts';
import { LineReader, parseLogLine } from '../parse-line.ts';
import type { Batch, Cursor, Finding, Gap, Source, SourceRecord } from '../sources/source.ts';
import { type Fresh, sightingOf } from './event-store.ts';

/** The store, or memory for as long as the program runs. */
export type Keeper = {
  readonly cursor: (host: string, source: string) => Promise<Cursor | undefined>;
  readonly store: (host: string, source: string, batch: Batch) => Promise<Fresh>;
};

export type Told = { readonly host: string; readonly source: string } & (
  | { readonly kind: 'event'; readonly id: number; readonly record: SourceRecord; readonly event: LogEvent }
  | Gap
  | Finding
);

/** Nothing else remembers what is not kept any more. */
const mostInMemory = 32_768;

/** So many batches of one source may be on their way to the disk. */
const mostOnTheWay = 4;

type Tell = (told: readonly Told[]) => Promise<void> | void;

/** Until all sources have ended or the signal comes. @throws what the keeper throws; the sources are stopped then */
export async function follow(
  sources: readonly Source[],
  keeper: Keeper,
  signal: AbortSignal,
  tell: Tell,
): Promise<void> {
  const failure = new AbortController();
  const both = AbortSignal.any([signal, failure.signal]);
  // a quiet source would not notice for long that nothing is kept any more
  const fail = (error: unknown): void => failure.abort(error);
  await Promise.all(sources.map((source) => followOne(source, keeper, both, tell, fail).catch(fail)));
  if (failure.signal.aborted) throw failure.signal.reason;
}

async function followOne(
  source: Source,
  keeper: Keeper,
  signal: AbortSignal,
  tell: Tell,
  fail: (error: unknown) => void,
): Promise<void> {
  const { name, host } = source;
  const onTheWay: Promise<void>[] = [];
  let last = Promise.resolve();
  for await (const batch of source.batches(await keeper.cursor(host, name), signal)) {
    const stored = keeper.store(host, name, batch);
    const before = last;
    last = stored.then(async (fresh) => {
      await before;
      await tell(toldOf(source, batch, fresh));
    });
    last.catch(fail);
    onTheWay.push(last);
    if (onTheWay.length >= mostOnTheWay) await onTheWay.shift();
  }
  await Promise.all(onTheWay);
}

function toldOf({ name, host }: Source, { items }: Batch, fresh: Fresh): readonly Told[] {
  return items.flatMap((item, at): readonly Told[] => {
    const place = { host, source: name };
    if (item.kind !== 'record') return [{ ...place, ...item }];
    const id = fresh[at] ?? 0;
    // as it is kept: whether its source trims the blank at the end of a line is no property of the event
    const event = id === 0 ? undefined : parseLogLine(item.text.subarray(0, textLength(item.text)));
    return event === undefined ? [] : [{ ...place, kind: 'event', id, record: item, event }];
  });
}

/** Nothing outlives the program: no positions, no gaps from one run to the next. */
export function memoryKeeper(): Keeper {
  const dedupe = new Dedupe({ capacity: mostInMemory });
  const reader = new LineReader();
  const witnesses = new Map<string, number>();
  let events = 0;
  let readings = 0;
  const fresh = (host: string, witness: number, record: SourceRecord): number => {
    const sighting = sightingOf(host, witness, record);
    if (dedupe.find(sighting) !== undefined || !reader.scanAt(record.text, 0, record.text.length)) return 0;
    events++;
    dedupe.add(events, sighting);
    return events;
  };
  return {
    cursor: async () => undefined,
    store: async (host, source, { items, reread = false }) => {
      const key = `${host}\n${source}`;
      const own = (reread ? undefined : witnesses.get(key)) ?? ++readings;
      witnesses.set(key, own);
      return items.map((item) => (item.kind === 'record' ? fresh(host, own, item) : 0));
    },
  };
}
