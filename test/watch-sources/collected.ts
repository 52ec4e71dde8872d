// What a source gives until a test has seen enough of it.
import type { Batch, Cursor, Finding, Gap, Source, SourceItem, SourceRecord } from '../../src/watch/sources/source.ts';

export class Collected {
  readonly batches: Batch[] = [];
  cursor: Cursor | undefined;
  readonly items: SourceItem[] = [];

  get records(): readonly SourceRecord[] {
    return this.items.filter((item) => item.kind === 'record');
  }

  get gaps(): readonly Gap[] {
    return this.items.filter((item) => item.kind === 'gap');
  }

  get findings(): readonly Finding[] {
    return this.items.filter((item) => item.kind === 'finding');
  }

  get texts(): readonly string[] {
    return this.records.map(textOf);
  }
}

export function textOf({ text }: SourceRecord): string {
  return Buffer.from(text).toString('latin1');
}

export type CollectOptions = {
  readonly cursor?: Cursor | undefined;
  /** Stops the source; without it, the source must end by itself. */
  readonly enough?: (collected: Collected) => boolean;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
};

/** @throws Error when it takes too long */
export async function collect(source: Source, options: CollectOptions = {}): Promise<Collected> {
  const { cursor, enough, timeoutMs = 60_000, signal } = options;
  const collected = new Collected();
  collected.cursor = cursor;
  const abort = new AbortController();
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    abort.abort();
  }, timeoutMs);
  const both = signal === undefined ? abort.signal : AbortSignal.any([abort.signal, signal]);
  for await (const batch of source.batches(cursor, both)) {
    collected.batches.push(batch);
    collected.items.push(...batch.items);
    collected.cursor = batch.cursor ?? collected.cursor;
    if (enough?.(collected)) abort.abort();
  }
  clearTimeout(timer);
  if (!late) abort.abort(); // connections end with the signal
  if (late) {
    const { items } = collected;
    throw new Error(
      `${source.name}: not enough after ${timeoutMs} ms: ${items.length} items, ${JSON.stringify(items.at(-1))}`,
    );
  }
  return collected;
}
