// A gap <-> its row.
import type { Gap, GapReason, Lost, Point } from '../sources/source.ts';
import type { Column } from './event-row.ts';

export const gapColumns = [
  'host',
  'source',
  'kind',
  'count',
  'reason',
  'said',
  'after_wall',
  'after_boot',
  'after_us',
  'after_sequence',
  'before_wall',
  'before_boot',
  'before_us',
  'before_sequence',
  'stored',
] as const;

type GapColumn = (typeof gapColumns)[number];

export type StoredGap = Gap & {
  readonly id: number;
  readonly host: string;
  readonly source: string;
  /** When it was noticed. */
  readonly stored: number;
};

export function gapValues(host: string, source: string, gap: Gap, stored: number): readonly Column[] {
  const { lost, reason, said, between } = gap;
  const [kind, count] = lossColumns(lost);
  return [host, source, kind, count, reason, said ?? null, ...point(between.after), ...point(between.before), stored];
}

function lossColumns(lost: Lost): readonly [kind: string, count: number | null] {
  if (typeof lost === 'string') return [lost, null];
  return 'exact' in lost ? ['exact', lost.exact] : ['atLeast', lost.atLeast];
}

function point({ wall, epoch, us, sequence }: Point = {}): readonly Column[] {
  return [wall ?? null, epoch ?? null, us ?? null, sequence ?? null];
}

export function gapOf(row: Readonly<Record<GapColumn | 'id', Column>>): StoredGap {
  const after = pointOf(row.after_wall, row.after_boot, row.after_us, row.after_sequence);
  const before = pointOf(row.before_wall, row.before_boot, row.before_us, row.before_sequence);
  return {
    kind: 'gap',
    id: Number(row.id),
    host: String(row.host),
    source: String(row.source),
    lost: lostOf(row.kind, row.count),
    reason: row.reason as GapReason,
    between: { ...(after !== undefined && { after }), ...(before !== undefined && { before }) },
    ...(row.said !== null && { said: String(row.said) }),
    stored: Number(row.stored),
  };
}

function lostOf(kind: Column, count: Column): Lost {
  if (kind === 'exact') return { exact: Number(count) };
  if (kind === 'atLeast') return { atLeast: Number(count) };
  return kind === 'notCovered' ? kind : 'unknown';
}

function pointOf(wall: Column, epoch: Column, us: Column, sequence: Column): Point | undefined {
  if (wall === null && epoch === null && us === null && sequence === null) return undefined;
  return {
    ...(wall !== null && { wall: Number(wall) }),
    ...(epoch !== null && { epoch: String(epoch) }),
    ...(us !== null && { us: Number(us) }),
    ...(sequence !== null && { sequence: Number(sequence) }),
  };
}
