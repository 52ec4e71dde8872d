// Batches as they come -> few commits: a batch waits at most 20 ms, and no longer than until 256 items are together. Who
// sent it hears of it when it is on the disk.
import { HostError } from '../../model/host-error.ts';
import { storeError } from './database.ts';
import { EventStore, type Fresh, type SourceBatch } from './event-store.ts';
import { makeReserve, releaseReserve } from './reserve.ts';
import { type Retention, retain, usualRetention } from './retention.ts';

export type GroupOptions = {
  readonly retention?: Retention;
  readonly capacity?: number;
  readonly now?: () => number;
  /** Milliseconds of a clock that nobody sets. */
  readonly ticks?: () => number;
};

type Waiting = { readonly batch: SourceBatch; readonly stored: (fresh: Fresh) => void };

const longestMs = 20;
const mostItems = 256;
const retentionEveryMs = 600_000;

export class GroupCommit {
  readonly #directory: string;
  readonly #store: EventStore;
  readonly #retention: Retention;
  readonly #now: () => number;
  readonly #ticks: () => number;
  readonly #failed: (error: unknown) => void;
  #waiting: Waiting[] = [];
  #items = 0;
  #timer: NodeJS.Timeout | undefined;
  readonly #begun: { readonly now: number; readonly ticks: number };
  #retainAt = Number.NEGATIVE_INFINITY;

  /** `failed` hears of the error after which nothing more is stored. @throws HostError */
  constructor(directory: string, failed: (error: unknown) => void, options: GroupOptions = {}) {
    const { retention = usualRetention, now = Date.now, ticks = () => performance.now(), capacity } = options;
    this.#directory = directory;
    this.#retention = retention;
    this.#now = now;
    this.#ticks = ticks;
    this.#begun = { now: now(), ticks: ticks() };
    this.#failed = failed;
    this.#store = new EventStore(directory, capacity === undefined ? {} : { capacity });
    makeReserve(directory);
  }

  get store(): EventStore {
    return this.#store;
  }

  add(batch: SourceBatch, stored: (fresh: Fresh) => void): void {
    this.#waiting.push({ batch, stored });
    this.#items += batch.batch.items.length;
    if (this.#items >= mostItems) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), longestMs);
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#items = 0;
    if (waiting.length === 0) return;
    try {
      const batches = waiting.map(({ batch }) => batch);
      const fresh = this.#store.commit(batches, this.#now());
      for (const [at, { stored }] of waiting.entries()) stored(fresh[at] ?? []);
      this.#retain();
    } catch (error) {
      this.#failed(this.#lastWord(error));
    }
  }

  close(): void {
    this.flush();
    this.#store.close();
  }

  #retain(): void {
    const ticks = this.#ticks();
    if (ticks < this.#retainAt) return;
    this.#retainAt = ticks + retentionEveryMs;
    const now = this.#now();
    // a clock that is set forward must not make everything old at once; what it did while nobody ran cannot be known
    const steady = this.#begun.now + ticks - this.#begun.ticks;
    retain(this.#store.database, this.#retention, Math.min(now, steady), Math.max(now, steady));
  }

  /** A full disk is written down with the space that was kept back. Nothing is tried again. */
  #lastWord(error: unknown): unknown {
    const failure = storeError(this.#directory, error);
    try {
      this.#store.close();
      if (!(failure instanceof HostError) || failure.code !== 'disk-full') return failure;
      releaseReserve(this.#directory);
      const store = new EventStore(this.#directory);
      const gap = { kind: 'gap', lost: 'unknown', reason: 'disk-full', between: {} } as const;
      store.commit([{ host: '', source: 'store', batch: { items: [gap] } }], this.#now());
      store.close();
    } catch {
      // not even that: the message on stderr must do
    }
    return failure;
  }
}
