// The journal by `journalctl -o export` -> records. The cursor is asked for again on start: when journalctl does not
// give just this entry first, what stood there has been vacuumed away.
import { type Access, local } from '../../machine/access.ts';
import { type Ending, Output, outputOf } from '../../machine/output.ts';
import { ExportReader, type JournalEntry } from './export-format.ts';
import { journalFields, journalItem, kernelPoint, missedId } from './journal-entry.ts';
import {
  type Batch,
  type Cursor,
  type Finding,
  finding,
  type Gap,
  type Point,
  pause,
  type Source,
  type SourceItem,
} from './source.ts';

export type JournalOptions = {
  readonly access?: Access;
  /** Instead of this machine's own journal. */
  readonly directory?: string;
  /** Ends at the end of the journal. */
  readonly once?: boolean;
};

const retryMs = 5_000;
/** So often a position is worth storing when nothing but other messages came. */
const cursorMs = 1_000;
/** Before, `Missed N` could be one too few; when this was mended is not known to the version. */
const firstExactVersion = 230;

export function journal(options: JournalOptions = {}): Source {
  const { access = local } = options;
  return { name: 'journal', host: access.host, batches: (cursor, signal) => follow(access, options, cursor, signal) };
}

/** Starts journalctl again when it ends: an upgrade of systemd, a broken connection. */
async function* follow(
  access: Access,
  options: JournalOptions,
  cursor: Cursor | undefined,
  signal: AbortSignal,
): AsyncGenerator<Batch> {
  const exactCount = await countsExactly(access, signal);
  let from = cursorOf(cursor);
  if (cursor !== undefined && from === undefined) yield { items: [], reread: true };
  let told = '';
  let live = false;
  while (!signal.aborted) {
    const reading = new JournalReading(from, exactCount);
    const output = new Output(access, 'journalctl', argumentsOf(options, live, from), signal);
    yield* batchesOf(output, reading);
    const ending = await output.ending();
    if (signal.aborted) return;
    from = reading.cursor;
    if (ending.code === 0 && options.once === true) return;
    // `-f` shows this boot only: what came before it is read first
    live = ending.code === 0 && !live;
    if (live) continue;
    const problem = problemOf(ending);
    if (problem !== undefined && problem.message !== told) yield { items: [problem] };
    told = problem?.message ?? '';
    if (ending.code === 127) return;
    if (from !== undefined && /Failed to seek to cursor/.test(ending.said)) {
      yield { items: [vacuumed({})], reread: true };
      from = undefined;
    }
    await pause(retryMs, signal);
  }
}

async function countsExactly(access: Access, signal: AbortSignal): Promise<boolean> {
  const { stdout } = await outputOf(access, 'journalctl', ['--version'], signal);
  return Number(/^systemd (\d+)/.exec(stdout.toString('latin1'))?.[1] ?? 0) >= firstExactVersion;
}

/** Both kinds of entries that count: the kernel's, and journald's own when it lost some of them. */
function argumentsOf({ directory }: JournalOptions, live: boolean, from: string | undefined): readonly string[] {
  return [
    ...(live ? ['-f'] : []),
    '--no-tail',
    '--no-pager',
    ...['-o', 'export'],
    ...(directory === undefined ? [] : [`--directory=${directory}`]),
    ...(from === undefined ? [] : [`--cursor=${from}`]),
    ...['_TRANSPORT=kernel', '+', '_TRANSPORT=driver', `MESSAGE_ID=${missedId}`],
  ];
}

/** Made of hexadecimal numbers: it becomes an argument. */
function cursorOf(cursor: Cursor | undefined): string | undefined {
  const text = cursor?.journal;
  return typeof text === 'string' && /^[a-z]=[0-9a-f]+(?:;[a-z]=[0-9a-f]+)*$/.test(text) ? text : undefined;
}

async function* batchesOf(output: Output, reading: JournalReading): AsyncGenerator<Batch> {
  let tellAt = Date.now() + cursorMs;
  for await (const chunk of output) {
    const items = reading.accept(chunk);
    if (items.length === 0 && Date.now() < tellAt) continue;
    tellAt = Date.now() + cursorMs;
    yield reading.batch(items);
  }
  if (reading.cursor !== undefined) yield reading.batch([]);
}

function problemOf({ code, said }: Ending): Finding | undefined {
  if (code === 127) return finding('journal-absent', `journalctl cannot be run here: ${said}`);
  if (/insufficient permissions/i.test(said)) return finding('journal-refused', 'this user may not read the journal');
  if (/No journal files were found|No such boot ID/i.test(said))
    return finding('journal-empty', 'the journal here is empty');
  return code === 0 ? undefined : finding('journal-failed', `journalctl ended with ${code}: ${said}`);
}

/** The items of one run of journalctl. */
export class JournalReading {
  readonly #reader = new ExportReader(journalFields);
  readonly #exactCount: boolean;
  #expected: string | undefined;
  #cursor: string | undefined;
  /** The last of the kernel's entries: what journald missed came after it. */
  #last: Point | undefined;

  constructor(from: string | undefined, exactCount: boolean) {
    this.#exactCount = exactCount;
    this.#expected = from;
    this.#cursor = from;
  }

  get cursor(): string | undefined {
    return this.#cursor;
  }

  batch(items: readonly SourceItem[]): Batch {
    return { items, ...(this.#cursor !== undefined && { cursor: { journal: this.#cursor } }) };
  }

  accept(chunk: Buffer): readonly SourceItem[] {
    const entries = this.#reader.accept(chunk);
    if (entries === undefined) return [finding('journal-damaged', 'what journalctl prints is not its export format')];
    return entries.flatMap((entry) => this.#items(entry));
  }

  #items(entry: JournalEntry): readonly SourceItem[] {
    const expected = this.#expected;
    this.#expected = undefined;
    const cursor = entry.__CURSOR?.toString('latin1');
    if (cursor !== undefined) this.#cursor = cursor;
    const after = this.#last;
    this.#last = kernelPoint(entry) ?? after;
    if (expected !== undefined && cursor === expected) return []; // the last one of the earlier run
    const item = journalItem(entry, this.#exactCount);
    const gap = expected === undefined ? [] : [vacuumed(pointOf(item))];
    if (item?.kind === 'gap' && after !== undefined) return [...gap, { ...item, between: { after, ...item.between } }];
    return item === undefined ? gap : [...gap, item];
  }
}

function pointOf(item: SourceItem | undefined): Gap['between'] {
  if (item?.kind !== 'record') return {};
  const { epoch, us, wall } = item;
  return {
    before: {
      ...(epoch !== undefined && { epoch }),
      ...(us !== undefined && { us }),
      ...(wall !== undefined && { wall }),
    },
  };
}

function vacuumed(between: Gap['between']): Gap {
  return { kind: 'gap', lost: 'unknown', reason: 'vacuumed', between };
}
