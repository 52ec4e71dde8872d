// Lines of a log file or of standard input -> records. Knows the line before: repeats and years come from it.
import { unescapedSyslog } from './escapes.ts';
import { journalItem } from './journal-entry.ts';
import { isJournalJson, journalJsonEntry } from './journal-json.ts';
import { type HeadBounds, type LineHead, LineHeads } from './line-head.ts';
import { lossOf, mayTellLoss } from './loss-words.ts';
import { mayRepeat, mostRepeats, repeatOf, repeatsByLine } from './repeats.ts';
import { type Gap, mayBeLogLine, type SourceItem, type SourceRecord, type Trust } from './source.ts';

export type LineTrust = {
  /** Of a line that says it is the kernel's. */
  readonly kernel: Trust;
  readonly other: Trust;
};

type Previous = { readonly text: Buffer; readonly wall?: number };

export class TextLines {
  readonly #trust: LineTrust;
  readonly #heads: LineHeads;
  #previous: Previous | undefined;
  /** So many repeats are believed now. */
  #credit = mostRepeats;

  constructor(trust: LineTrust, bounds: HeadBounds) {
    this.#trust = trust;
    this.#heads = new LineHeads(bounds);
  }

  /** Reads a line for the sake of the next ones. */
  recall(line: Buffer): void {
    this.items(line);
  }

  items(line: Buffer): readonly SourceItem[] {
    this.#credit = Math.min(mostRepeats, this.#credit + repeatsByLine);
    if (isJournalJson(line)) return this.#journalled(line);
    if (mayBeLogLine(line)) return this.#logLine(line);
    if (line.includes('message repeated ')) return this.#repeated(line, this.#heads.read(line));
    this.#previous = undefined;
    return mayTellLoss(line) ? this.#loss(line) : [];
  }

  /** journalctl vouches for what it says; whoever wrote the line into a file may have said it himself. */
  #journalled(line: Buffer): readonly SourceItem[] {
    this.#previous = undefined;
    const entry = journalJsonEntry(line);
    const item = entry === undefined ? undefined : journalItem(entry, true);
    if (item?.kind !== 'record') return item === undefined ? [] : [item];
    return [{ ...item, trust: item.facility === 0 ? this.#trust.kernel : this.#trust.other }];
  }

  #logLine(line: Buffer): readonly SourceItem[] {
    const head = this.#heads.read(line);
    if (mayRepeat(line, head.from)) {
      const repeated = this.#repeated(line, head);
      if (repeated.length > 0) return repeated;
    }
    const text = unescapedSyslog(line.subarray(head.from));
    this.#previous = { text, ...(head.wall !== undefined && { wall: head.wall }) };
    return [this.#record(head, text)];
  }

  #record(head: LineHead, text: Buffer): SourceRecord {
    const { wall, wallSpan, us, sequence, facility, kernel } = head;
    const trust = kernel ? this.#trust.kernel : this.#trust.other;
    // what fills log files, and is quicker made at once than field by field
    if (wall !== undefined && wallSpan !== undefined && us !== undefined && facility === undefined) {
      return { kind: 'record', trust, us, wall, wallSpan, text };
    }
    return {
      kind: 'record',
      trust,
      ...(us !== undefined && { us }),
      ...(wall !== undefined && { wall }),
      ...(wallSpan !== undefined && { wallSpan }),
      ...(sequence !== undefined && { sequence }),
      ...(facility !== undefined && { facility }),
      text,
    };
  }

  /** The line before was written once and stood for more, which came since then. */
  #repeated(line: Buffer, head: LineHead): readonly SourceItem[] {
    const previous = this.#previous;
    const repeat = repeatOf(line.toString('latin1', head.from), previous?.text.toString('latin1'));
    if (repeat === undefined) return [];
    const text = repeat.text === undefined ? previous?.text : unescapedSyslog(Buffer.from(repeat.text, 'latin1'));
    if (text === undefined || !mayBeLogLine(text)) return [];
    const { us: _, ...rest } = this.#record(head, text);
    const record: SourceRecord = { ...rest, ...spanOf(previous?.wall, head), folded: true };
    const times = Math.min(repeat.times, this.#credit);
    this.#credit -= times;
    const records = Array.from({ length: times }, () => record);
    return repeat.times > times ? [...records, tooMany(repeat.times - times, head)] : records;
  }

  #loss(line: Buffer): readonly SourceItem[] {
    const head = this.#heads.read(line);
    const said = line.toString('latin1', head.from, head.from + 300);
    const lost = lossOf(said);
    if (lost === undefined) return [];
    const between = head.wall === undefined ? {} : { before: { wall: head.wall } };
    return [{ kind: 'gap', lost, reason: 'daemon', between, said }];
  }
}

function spanOf(from: number | undefined, { wall, wallSpan = 0 }: LineHead): Pick<SourceRecord, 'wall' | 'wallSpan'> {
  if (wall === undefined || from === undefined || from > wall) return {};
  return { wall: from, wallSpan: wall - from + wallSpan };
}

function tooMany(count: number, { wall }: LineHead): Gap {
  const between = wall === undefined ? {} : { before: { wall } };
  return { kind: 'gap', lost: { atLeast: count }, reason: 'daemon', between, said: 'message repeated' };
}
