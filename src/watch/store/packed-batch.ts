// A batch of a source -> what goes quickly from one thread to another, and back: the numbers of all records in one array and
// their texts in another, which change their owner. Objects would be copied field by field, and cost as much as storing them.
import type { Batch, Cursor, SourceItem, SourceRecord, Trust } from '../sources/source.ts';

export type PackedBatch = {
  readonly cursor: Cursor | undefined;
  readonly reread: boolean;
  /** `columns` of them for each item. */
  readonly numbers: Float64Array<ArrayBuffer>;
  readonly texts: Uint8Array<ArrayBuffer>;
  /** Boot ids: a record has the number of its own, counted from one. */
  readonly epochs: readonly string[];
  /** Gaps and findings, in their order. */
  readonly others: readonly SourceItem[];
};

const columns = 9;
const unknown = Number.NaN;
/** In place of the trust: not a record. */
const other = -1;

export function packed({ items, cursor, reread = false }: Batch): PackedBatch {
  const records = items.filter((item) => item.kind === 'record');
  const texts = new Uint8Array(records.reduce((sum, { text }) => sum + text.length, 0));
  const numbers = new Float64Array(items.length * columns);
  const epochs: string[] = [];
  let at = 0;
  for (const [index, item] of items.entries()) {
    const row = index * columns;
    if (item.kind !== 'record') {
      numbers[row] = other;
      continue;
    }
    texts.set(item.text, at);
    at += item.text.length;
    writeRow(numbers, row, item, epochNumber(epochs, item.epoch));
  }
  return { cursor, reread, numbers, texts, epochs, others: items.filter((item) => item.kind !== 'record') };
}

/** Records of one boot follow each other. */
function epochNumber(epochs: string[], epoch: string | undefined): number {
  if (epoch === undefined) return 0;
  if (epochs.at(-1) !== epoch) epochs.push(epoch);
  return epochs.length;
}

function writeRow(numbers: Float64Array, row: number, record: SourceRecord, epoch: number): void {
  const { trust, text, us, wall, wallSpan, sequence, facility, folded } = record;
  numbers[row] = trust;
  numbers[row + 1] = text.length;
  numbers[row + 2] = us ?? unknown;
  numbers[row + 3] = wall ?? unknown;
  numbers[row + 4] = wallSpan ?? unknown;
  numbers[row + 5] = sequence ?? unknown;
  numbers[row + 6] = facility ?? unknown;
  numbers[row + 7] = epoch;
  numbers[row + 8] = folded === true ? 1 : 0;
}

/** What has to be handed over with it. */
export function transferOf({ numbers, texts }: PackedBatch): readonly ArrayBuffer[] {
  return [numbers.buffer, texts.buffer];
}

/** As it was; what a record does not have may be there as `undefined`. */
export function unpacked({ cursor, reread, numbers, texts, epochs, others }: PackedBatch): Batch {
  const items: SourceItem[] = [];
  let at = 0;
  let nextOther = 0;
  for (let row = 0; row < numbers.length; row += columns) {
    const length = numbers[row + 1] as number;
    if (numbers[row] === other) {
      const item = others[nextOther++];
      if (item !== undefined) items.push(item);
    } else {
      items.push(recordAt(numbers, row, epochs, new Uint8Array(texts.buffer, at, length)));
      at += length;
    }
  }
  return { items, reread, ...(cursor !== undefined && { cursor }) };
}

function recordAt(numbers: Float64Array, row: number, epochs: readonly string[], text: Uint8Array): SourceRecord {
  return {
    kind: 'record',
    trust: numbers[row] as Trust,
    epoch: epochs[(numbers[row + 7] as number) - 1],
    us: numberIn(numbers, row + 2),
    wall: numberIn(numbers, row + 3),
    wallSpan: numberIn(numbers, row + 4),
    sequence: numberIn(numbers, row + 5),
    facility: numberIn(numbers, row + 6),
    folded: numbers[row + 8] === 1 ? true : undefined,
    text,
  };
}

function numberIn(numbers: Float64Array, at: number): number | undefined {
  const number = numbers[at] as number;
  return Number.isNaN(number) ? undefined : number;
}
