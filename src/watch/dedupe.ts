// Sightings of log lines by several sources -> events, each once. Two sightings by one source are two events, however
// equal they are; those of different sources are one. Pure: what is too old to be kept here is asked for by `recall`.
import { type Edges, HostEdges } from './edges.ts';
import { Remembered } from './remembered.ts';
import {
  Crowd,
  hasId,
  improve,
  matchAmong,
  matchIn,
  type Same,
  type Seen,
  type Sighting,
  windowMs,
} from './same-text.ts';
import { TextTable } from './text-table.ts';

export type DedupeOptions = {
  /** So many events are kept here. */
  readonly capacity?: number;
  /** How far the events reach that are not kept here. */
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

/** Sources give the lines of one buffer one after the other. */
let viewed: ArrayBufferLike | undefined;
let view: DataView = new DataView(new ArrayBuffer(0));

/** 32 bits of all of the bytes, four at a time, the lowest first. */
export function hashOf(text: Uint8Array, length: number): number {
  if (text.buffer !== viewed) {
    viewed = text.buffer;
    view = new DataView(viewed);
  }
  let hash = length;
  let at = text.byteOffset;
  const end = at + length;
  for (; at + 4 <= end; at += 4) {
    hash = Math.imul(hash ^ view.getInt32(at, true), 0x9e37_79b1);
    hash ^= hash >>> 15;
  }
  for (; at < end; at++) hash = Math.imul(hash ^ view.getUint8(at), 0x0100_0193);
  return hash ^ (hash >>> 13);
}

export class Dedupe {
  readonly #remembered: Remembered;
  readonly #byText: TextTable;
  readonly #capacity: number;
  readonly #recall: DedupeOptions['recall'];
  /** Of those that are not remembered any more, and of all. */
  readonly #cold: HostEdges;
  readonly #all: HostEdges;

  constructor({ capacity = usualCapacity, edges = {}, recall }: DedupeOptions = {}) {
    this.#capacity = capacity;
    // one more than are kept is there for a moment
    this.#remembered = new Remembered(capacity + 1);
    this.#byText = new TextTable(this.#remembered, capacity + 1);
    this.#recall = recall;
    this.#cold = new HostEdges(edges);
    this.#all = new HostEdges(edges);
  }

  /** To be kept with the events: the next run begins with it. */
  get edges(): Edges {
    return this.#all.plain;
  }

  /** The event that this is one more sighting of, now with this witness; `undefined` when it is a new one. */
  find(sighting: Sighting): Seen | undefined {
    const same = this.#byText.of(sighting);
    const kept = same === undefined ? undefined : matchIn(same, sighting);
    const found = isSure(kept, sighting) ? kept : this.#orRecalled(sighting, same, kept);
    if (found !== undefined && !found.witnesses.includes(sighting.witness)) this.#improve(found, sighting);
    return found;
  }

  /** What `find` did not know. */
  add(id: number, sighting: Sighting): void {
    const { host, epoch, us = Number.NaN, wall = Number.NaN, wallSpan = 0 } = sighting;
    this.#keep(this.#remembered.add(id, sighting), sighting);
    this.#all.extend(host, epoch, us, wall + wallSpan);
  }

  #improve(seen: Seen, sighting: Sighting): void {
    const same = this.#byText.of(sighting);
    const ordered = same instanceof Crowd ? same : undefined;
    const moved = improve(seen, sighting, () => ordered?.remove(seen));
    if (moved) ordered?.insert(seen);
    this.#all.extendBy(seen);
  }

  /** Of equal lines the earliest is meant: one that is not kept any more is before one that is. */
  #orRecalled(sighting: Sighting, same: Same | undefined, kept: Seen | undefined): Seen | undefined {
    if (this.#recall === undefined || this.#cold.isBehind(sighting)) return kept;
    const { wall, wallSpan = 0 } = sighting;
    const [from, to] = wall === undefined ? [1, 0] : [wall - windowMs, wall + wallSpan + windowMs];
    if (kept === undefined && isFlood(same, sighting)) return undefined;
    const others = this.#recall(sighting, from, to).filter(({ id }) => !hasId(same, id));
    const found = matchAmong(kept === undefined ? others : [kept, ...others], sighting);
    // not the others: there may be more of them than are kept
    if (found !== undefined && found !== kept) {
      this.#keep(this.#remembered.addSeen(found, sighting), sighting);
      this.#all.extendBy(found);
    }
    return found;
  }

  #keep(slot: number, sighting: Sighting): void {
    this.#byText.insert(slot, sighting);
    if (this.#remembered.count <= this.#capacity) return;
    this.#byText.remove(this.#remembered.oldest);
    this.#remembered.dropOldest(this.#cold);
  }
}

/** So many equal lines are a flood. */
const floodSize = 4_096;

/**
 * In a flood of equal lines with one stamp or none a witness that was the first to see one of this very moment is not asked about
 * again: looking through all that are kept elsewhere for each of them would take longer than the flood. Two sources that
 * both show a flood of more than are kept here in one second may then count some lines twice.
 */
function isFlood(same: Same | undefined, sighting: Sighting): boolean {
  return same instanceof Crowd && same.size >= floodSize && same.isFirstOf(sighting);
}

/** No other event can be meant, or none that would make a difference. */
function isSure(kept: Seen | undefined, { us, sequence }: Sighting): boolean {
  if (kept?.us === undefined || kept.us !== us) return false;
  return sequence === undefined || kept.sequence === sequence;
}
