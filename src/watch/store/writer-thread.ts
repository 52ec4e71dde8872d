// The thread of the one writer: syncing to the disk never keeps anybody from reading /dev/kmsg. Batches come as messages,
// and an answer goes back for each when it is stored.
import { parentPort, workerData } from 'node:worker_threads';
import { HostError } from '../../model/host-error.ts';
import { storeError } from './database.ts';
import type { Fresh } from './event-store.ts';
import { GroupCommit, type GroupOptions } from './group-commit.ts';
import { type PackedBatch, unpacked } from './packed-batch.ts';

export type ThreadData = { readonly directory: string; readonly options: Omit<GroupOptions, 'now'> };

export type ToThread =
  | {
      readonly kind: 'batch';
      readonly ticket: number;
      readonly host: string;
      readonly source: string;
      readonly batch: PackedBatch;
    }
  | { readonly kind: 'cursor'; readonly ticket: number; readonly host: string; readonly source: string }
  | { readonly kind: 'close' };

export type FromThread =
  | { readonly kind: 'open' }
  | { readonly kind: 'stored'; readonly ticket: number; readonly fresh: Fresh }
  | { readonly kind: 'cursor'; readonly ticket: number; readonly cursor: unknown }
  | { readonly kind: 'closed' }
  | { readonly kind: 'failed'; readonly code: string | undefined; readonly message: string };

function tell(message: FromThread): void {
  parentPort?.postMessage(message);
}

function fail(failure: unknown): void {
  const error = storeError((workerData as ThreadData).directory, failure);
  const code = error instanceof HostError ? error.code : undefined;
  tell({
    kind: 'failed',
    code,
    message: code === undefined ? String((error as Error).stack) : (error as Error).message,
  });
  parentPort?.close();
}

function serve({ directory, options }: ThreadData): void {
  const group = new GroupCommit(directory, fail, options);
  parentPort?.on('message', (message: ToThread) => {
    switch (message.kind) {
      case 'batch': {
        const { ticket, host, source, batch } = message;
        group.add({ host, source, batch: unpacked(batch) }, (fresh) => tell({ kind: 'stored', ticket, fresh }));
        break;
      }
      case 'cursor': {
        const cursor = group.store.cursor(message.host, message.source);
        tell({ kind: 'cursor', ticket: message.ticket, cursor });
        break;
      }
      default:
        group.close();
        tell({ kind: 'closed' });
        parentPort?.close();
    }
  });
  tell({ kind: 'open' });
}

try {
  serve(workerData as ThreadData);
} catch (error) {
  fail(error);
}
