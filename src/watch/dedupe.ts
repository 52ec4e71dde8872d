// Sightings of log lines by several sources -> events, each once. Two sightings by one source are two events, however
// equal they are; those of different sources are one. Pure: what is too old to be kept here is asked for by `recall`.
import { Crowd, type Few, improve, matchAmong, type Seen, type Sighting, windowMs } from './same-text.ts';
import { TextTable } from './text-table.ts';

/** How far the events that are not kept here reach; a sighting behind all of that can be none of them. By host. */
export type Edges = Readonly<Record<string, Edge>>;

export type Edge = {
  readonly wall: number;
  /** The latest event without a stamp. */
  readonly unstamped: number;
  readonly us: number;
  /** The last stamp of each boot; '' are those of which nobody knows. */
  readonly epochs: Readonly<Record<string, number>>;
};

export type DedupeOptions = {
  /** So many events are kept here. */
  readonly capacity?: number;
  readonly edges?: Edges;
  /**
   * Events with this text that are kept somewhere else: those with the same stamp, and of those between these times the
   * first that may be meant.
   */
  readonly recall?: (sighting: Sighting, from: number, to: number) => readonly Seen[];
};

const usualCapacity = 8_192;

/** How much of it is the kernel's text by which events are compared: all but the blanks at its end. */
export function textLength(text: Uint8Array): number {
  let end = text.length;
  while (end > 0 && text[end - 1] === 0x20) end--;
  return end;
}

const { latin1Slice } = Buffer.prototype as unknown as {
  readonly latin1Slice: (this: Uint8Array, from: number, to: number) => string;
};

/** Bytes as Latin-1: names of interfaces need not be UTF-8. */
export function textOf(text: Uint8Array, length: number): string {
  return latin1Slice.call(text, 0, length);
}

/** 32 bits of all of the bytes, four at a time. */
export function hashOf(text: Uint8Array, length: number): number {
  let hash = length;
  let at = 0;
  for (; at + 4 <= length; at += 4) {
    const four =
      (text[at] as number) |
      ((text[at + 1] as number) << 8) |
      ((text[at + 2] as number) << 16) |
      ((text[at + 3] as number) << 24);
    hash = Math.imul(hash ^ four, 0x9e37_79b1);
    hash ^= hash >>> 15;
  }
  for (; at < length; at++) hash = Math.imul(hash ^ (text[at] as number), 0x0100_0193);
  return hash ^ (hash >>> 13);
}

export class Dedupe {
  readonly #byText: TextTable;
  readonly #witnesses = new Map<number, readonly number[]>();
  readonly #capacity: number;
  readonly #recall: DedupeOptions['recall'];
  /** In the order in which they came; those before `#oldest` are not kept any more. */
  #queue: Seen[] = [];
  #oldest = 0;
  readonly #cold: Map<string, MutableEdge>;
  readonly #all: Map<string, MutableEdge>;

  constructor({ capacity = usualCapacity, edges = {}, recall }: DedupeOptions = {}) {
    this.#capacity = capacity;
    // one more than are kept is there for a moment
    this.#byText = new TextTable(capacity + 1);
    this.#recall = recall;
    this.#cold = edgesFrom(edges);
    this.#all = edgesFrom(edges);
  }

  /** To be kept with the events: the next run begins with it. */
  get edges(): Edges {
    const plain = ({ epochs, ...edge }: MutableEdge): Edge => ({ ...edge, epochs: Object.fromEntries(epochs) });
    return Object.fromEntries([...this.#all].map(([host, edge]) => [host, plain(edge)]));
  }

  /** The event that this is one more sighting of, now with this witness; `undefined` when it is a new one. */
  find(sighting: Sighting): Seen | undefined {
    const kept = this.#byText.of(sighting)?.match(sighting);
    const found = isSure(kept, sighting) ? kept : this.#orRecalled(sighting, kept);
    if (found !== undefined && !found.witnesses.includes(sighting.witness)) this.#improve(found, sighting);
    return found;
  }

  /** What `find` did not know. */
  add(id: number, sighting: Sighting): Seen {
    const { host, text, hash, epoch, us, wall, wallSpan = 0, sequence, trust, witness } = sighting;
    const witnesses = this.#alone(witness);
    const seen = { id, host, text, hash, epoch, us, wall, wallSpan, sequence, trust, witnesses, moved: false };
    this.#keep(seen);
    return seen;
  }

  /** Nearly all events have one witness, and there are few of those. */
  #alone(witness: number): readonly number[] {
    const known = this.#witnesses.get(witness);
    if (known !== undefined) return known;
    const alone = [witness];
    this.#witnesses.set(witness, alone);
    return alone;
  }

  #improve(seen: Seen, sighting: Sighting): void {
    const same = this.#byText.of(seen);
    const moved = improve(seen, sighting, () => same?.remove(seen));
    if (moved) same?.insert(seen);
    extend(this.#all, seen);
  }

  /** Of equal lines the earliest is meant: one that is not kept any more is before one that is. */
  #orRecalled(sighting: Sighting, kept: Seen | undefined): Seen | undefined {
    if (this.#recall === undefined || isBehind(sighting, this.#cold.get(sighting.host))) return kept;
    const { wall, wallSpan = 0 } = sighting;
    const [from, to] = wall === undefined ? [1, 0] : [wall - windowMs, wall + wallSpan + windowMs];
    const same = this.#byText.of(sighting);
    if (kept === undefined && isFlood(same, sighting)) return undefined;
    const others = this.#recall(sighting, from, to).filter(({ id }) => same?.has(id) !== true);
    const found = matchAmong(kept === undefined ? others : [kept, ...others], sighting);
    // not the others: there may be more of them than are kept
    if (found !== undefined && found !== kept) this.#keep(found);
    return found;
  }

  #keep(seen: Seen): void {
    this.#byText.insert(seen);
    extend(this.#all, seen);
    this.#queue.push(seen);
    if (this.#queue.length - this.#oldest > this.#capacity) this.#forgetOldest();
  }

  #forgetOldest(): void {
    const seen = this.#queue[this.#oldest++];
    if (this.#oldest >= this.#capacity) {
      this.#queue = this.#queue.slice(this.#oldest);
      this.#oldest = 0;
    }
    if (seen === undefined) return;
    this.#byText.remove(seen);
    extend(this.#cold, seen);
  }
}

/** So many equal lines are a flood. */
const floodSize = 4_096;

/**
 * In a flood of equal lines with one stamp or none a witness that was the first to see one of this very moment is not asked about
 * again: looking through all that are kept elsewhere for each of them would take longer than the flood. Two sources that
 * both show a flood of more than are kept here in one second may then count some lines twice.
 */
function isFlood(same: Few | Crowd | undefined, sighting: Sighting): boolean {
  return same instanceof Crowd && same.size >= floodSize && same.isFirstOf(sighting);
}

/** No other event can be meant, or none that would make a difference. */
function isSure(kept: Seen | undefined, { us, sequence }: Sighting): boolean {
  if (kept?.us === undefined || kept.us !== us) return false;
  return sequence === undefined || kept.sequence === sequence;
}

type MutableEdge = { wall: number; unstamped: number; us: number; readonly epochs: Map<string, number> };

const nowhere = Number.NEGATIVE_INFINITY;

function edgesFrom(edges: Edges): Map<string, MutableEdge> {
  const entries = Object.entries(edges);
  return new Map(entries.map(([host, edge]) => [host, { ...edge, epochs: new Map(Object.entries(edge.epochs)) }]));
}

function extend(edges: Map<string, MutableEdge>, { host, epoch = '', us, wall = nowhere, wallSpan }: Seen): void {
  let edge = edges.get(host);
  if (edge === undefined) {
    edge = { wall: -1, unstamped: -1, us: -1, epochs: new Map() };
    edges.set(host, edge);
  }
  const until = wall + wallSpan;
  if (until > edge.wall) edge.wall = until;
  if (us === undefined) {
    if (until > edge.unstamped) edge.unstamped = until;
    return;
  }
  if (us > edge.us) edge.us = us;
  if (us > (edge.epochs.get(epoch) ?? -1)) edge.epochs.set(epoch, us);
}

/** None of the events within this edge can be what was seen. */
function isBehind({ epoch, us, wall }: Sighting, edge: MutableEdge | undefined): boolean {
  if (edge === undefined) return true;
  const earliest = wall === undefined ? undefined : wall - windowMs;
  if (us === undefined) return earliest === undefined || earliest > edge.wall;
  const last = epoch === undefined ? edge.us : Math.max(edge.epochs.get(epoch) ?? -1, edge.epochs.get('') ?? -1);
  return us > last && (earliest === undefined || earliest > edge.unstamped);
}
