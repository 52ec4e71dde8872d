// Standard input -> records: saved or piped lines of any form, or the journal's export. Nobody vouches for them. Each
// run is a witness of its own, since nothing tells whether the same lines came before.
import type { Readable } from 'node:stream';
import { ExportReader } from './export-format.ts';
import { journalFields, journalItem } from './journal-entry.ts';
import { type Batch, finding, type Source, type SourceItem } from './source.ts';
import { TextLines } from './text-lines.ts';

export type StandardInputOptions = {
  readonly input?: Readable;
  /** Nobody's lines are later; saved ones may be much older. */
  readonly now?: () => number;
};

/** More than any line; without a newline in it, it is none. */
const mostLineBytes = 1024 * 1024;

export function standardInput({ input = process.stdin, now = Date.now }: StandardInputOptions = {}): Source {
  return { name: 'stdin', host: '', batches: (_cursor, signal) => read(input, now, signal) };
}

async function* read(input: Readable, now: () => number, signal: AbortSignal): AsyncGenerator<Batch> {
  // an event that has been is not told again
  if (signal.aborted) return;
  let accept: ((chunk: Buffer) => readonly SourceItem[]) | undefined;
  let rest: () => readonly SourceItem[] = () => [];
  const stop = (): unknown => input.destroy();
  signal.addEventListener('abort', stop, { once: true });
  try {
    for await (const chunk of input as AsyncIterable<Buffer>) {
      if (accept === undefined) {
        const form = isExport(chunk) ? exportForm() : lineForm(now);
        accept = form.accept;
        rest = form.rest;
        yield { items: accept(chunk), reread: true };
      } else {
        const items = accept(chunk);
        if (items.length > 0) yield { items };
      }
    }
  } catch (error) {
    if (!signal.aborted) yield { items: [finding('stdin-failed', `standard input: ${(error as Error).message}`)] };
  } finally {
    signal.removeEventListener('abort', stop);
  }
  const items = rest();
  if (items.length > 0) yield { items };
}

type Form = {
  readonly accept: (chunk: Buffer) => readonly SourceItem[];
  /** A last line without a newline. */
  readonly rest: () => readonly SourceItem[];
};

function isExport(chunk: Buffer): boolean {
  return chunk.toString('latin1', 0, 9) === '__CURSOR=';
}

function exportForm(): Form {
  const reader = new ExportReader(journalFields);
  return {
    accept: (chunk) => {
      const entries = reader.accept(chunk);
      if (entries === undefined) return [finding('stdin-damaged', 'standard input began as a journal and is none')];
      const items = entries.map((entry) => journalItem(entry, true)).filter((item) => item !== undefined);
      return items.map((item) => (item.kind === 'record' ? { ...item, trust: 0 } : item));
    },
    rest: () => reader.accept(Buffer.from('\n\n'))?.flatMap(() => []) ?? [],
  };
}

function lineForm(now: () => number): Form {
  const lines = new TextLines({ kernel: 0, other: 0 }, { notAfter: now });
  let rest = Buffer.alloc(0);
  return {
    accept: (chunk) => {
      const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      const { items, length } = lines.take(bytes);
      rest = Buffer.from(bytes.subarray(length));
      if (rest.length > mostLineBytes) rest = Buffer.alloc(0);
      return items;
    },
    rest: () => (rest.length === 0 ? [] : lines.items(rest)),
  };
}
