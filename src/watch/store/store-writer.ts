// The store as the rest of the program writes to it: one thread behind a lock that only one process has.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { HostError } from '../../model/host-error.ts';
import type { Batch, Cursor } from '../sources/source.ts';
import type { Fresh } from './event-store.ts';
import { lockForWriting, type WriterLock } from './writer-lock.ts';
import type { FromThread, ThreadData, ToThread } from './writer-thread.ts';

type Waiting = { readonly resolve: (value: unknown) => void; readonly reject: (error: unknown) => void };

/** It keeps a few megabytes; without a limit V8 would let many times as much of garbage lie about. */
const resourceLimits = { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: 96 };

/** `undefined` when another process writes to this store. @throws HostError when it cannot be opened */
export async function openStoreWriter(
  directory: string,
  options: ThreadData['options'] = {},
): Promise<StoreWriter | undefined> {
  const lock = lockForWriting(directory);
  if (lock === undefined) return undefined;
  try {
    const file = import.meta.url.endsWith('.ts') ? './writer-thread.ts' : './writer-thread.js';
    const worker = new Worker(new URL(file, import.meta.url), {
      workerData: { directory, options } satisfies ThreadData,
      resourceLimits,
    });
    const [first] = (await once(worker, 'message')) as unknown as readonly [FromThread];
    if (first.kind === 'failed') throw errorOf(first);
    return new StoreWriter(worker, lock);
  } catch (error) {
    lock.release();
    throw error;
  }
}

function errorOf({ code, message }: { readonly code: string | undefined; readonly message: string }): Error {
  return code === undefined ? new Error(message) : new HostError(code, message);
}

export class StoreWriter {
  readonly #worker: Worker;
  readonly #lock: WriterLock;
  readonly #waiting = new Map<number, Waiting>();
  #tickets = 0;
  #failure: unknown;

  constructor(worker: Worker, lock: WriterLock) {
    this.#worker = worker;
    this.#lock = lock;
    worker.on('message', (message: FromThread) => this.#heard(message));
    worker.on('error', (error) => this.#fail(error));
  }

  /** Where a source has to go on. */
  async cursor(host: string, source: string): Promise<Cursor | undefined> {
    return (await this.#ask((ticket) => ({ kind: 'cursor', ticket, host, source }))) as Cursor | undefined;
  }

  /** When it comes back, the batch is on the disk. @throws HostError 'disk-full', 'store-refused' */
  async store(host: string, source: string, batch: Batch): Promise<Fresh> {
    const made = { host, source, batch };
    return (await this.#ask((ticket) => ({ kind: 'batch', ticket, batch: made }))) as Fresh;
  }

  /** The lock is free afterwards in any case. @throws what went wrong in storing the last of it */
  async close(): Promise<void> {
    try {
      if (this.#failure === undefined) {
        this.#tell({ kind: 'close' });
        await once(this.#worker, 'exit');
      }
    } finally {
      // another process may write only when this one does no more
      await this.#worker.terminate().finally(() => this.#lock.release());
    }
  }

  #ask(message: (ticket: number) => ToThread): Promise<unknown> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const ticket = this.#tickets++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(ticket, { resolve, reject });
      this.#tell(message(ticket));
    });
  }

  #tell(message: ToThread): void {
    this.#worker.postMessage(message);
  }

  #heard(message: FromThread): void {
    switch (message.kind) {
      case 'stored':
      case 'cursor': {
        const waiting = this.#waiting.get(message.ticket);
        this.#waiting.delete(message.ticket);
        waiting?.resolve(message.kind === 'stored' ? message.fresh : message.cursor);
        break;
      }
      case 'failed':
        this.#fail(errorOf(message));
        break;
      default:
        break;
    }
  }

  #fail(error: unknown): void {
    this.#failure = error;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
