// The events that are remembered, the latest of them, as columns of numbers: objects that live for thousands of lines are
// what fills a heap. Only what is seen a second time becomes an object, which then knows better than the columns.
import type { HostEdges } from './edges.ts';
import type { Seen, Sighting } from './same-text.ts';
import { type Slab, standsAt, TextSlabs } from './text-slabs.ts';

/** In a column: the event has no such number. */
const unknown = Number.NaN;

export class Remembered {
  readonly #size: number;
  readonly #ids: Float64Array;
  readonly #us: Float64Array;
  readonly #walls: Float64Array;
  readonly #spans: Float64Array;
  readonly #sequences: Float64Array;
  readonly #trusts: Uint8Array;
  readonly #witnesses: Float64Array;
  readonly #hashes: Int32Array;
  readonly #hosts: string[];
  readonly #epochs: (string | undefined)[];
  readonly #texts = new TextSlabs();
  readonly #slabs: (Slab | undefined)[];
  readonly #places: Int32Array;
  readonly #lengths: Int32Array;
  readonly #seen: (Seen | undefined)[];
  /** Lists of one witness: nearly all events have one, and there are few of those. */
  readonly #alone = new Map<number, readonly number[]>();
  #epoch: string | undefined;
  #oldest = 0;
  #count = 0;

  constructor(size: number) {
    this.#size = size;
    this.#ids = new Float64Array(size);
    this.#us = new Float64Array(size);
    this.#walls = new Float64Array(size);
    this.#spans = new Float64Array(size);
    this.#sequences = new Float64Array(size);
    this.#trusts = new Uint8Array(size);
    this.#witnesses = new Float64Array(size);
    this.#hashes = new Int32Array(size);
    this.#hosts = new Array<string>(size).fill('');
    this.#epochs = new Array<string | undefined>(size).fill(undefined);
    this.#slabs = new Array<Slab | undefined>(size).fill(undefined);
    this.#places = new Int32Array(size);
    this.#lengths = new Int32Array(size);
    this.#seen = new Array<Seen | undefined>(size).fill(undefined);
  }

  get count(): number {
    return this.#count;
  }

  get oldest(): number {
    return this.#oldest;
  }

  /** Gives the slot. There must be room. */
  add(id: number, sighting: Sighting): number {
    const slot = this.#next(sighting);
    const { epoch, us, wall, wallSpan, sequence, trust, witness } = sighting;
    // of many equal texts one is kept
    if (epoch !== this.#epoch) this.#epoch = epoch;
    this.#epochs[slot] = this.#epoch;
    this.#ids[slot] = id;
    this.#us[slot] = us ?? unknown;
    this.#walls[slot] = wall ?? unknown;
    this.#spans[slot] = wallSpan ?? 0;
    this.#sequences[slot] = sequence ?? unknown;
    this.#trusts[slot] = trust;
    this.#witnesses[slot] = witness;
    return slot;
  }

  /** What is an object already, with the text of the sighting. */
  addSeen(seen: Seen, sighting: Sighting): number {
    seen.slot = this.#next(sighting);
    this.#seen[seen.slot] = seen;
    return seen.slot;
  }

  #next({ host, text, length, hash }: Sighting): number {
    const end = this.#oldest + this.#count++;
    const slot = end < this.#size ? end : end - this.#size;
    this.#hosts[slot] = host;
    this.#hashes[slot] = hash;
    this.#places[slot] = this.#texts.put(text, length);
    this.#slabs[slot] = this.#texts.slab;
    this.#lengths[slot] = length;
    return slot;
  }

  hash(slot: number): number {
    return this.#hashes[slot] as number;
  }

  holds(slot: number, { host, text, length }: Sighting): boolean {
    const slab = this.#slabs[slot];
    if (slab === undefined || this.#lengths[slot] !== length || this.#hosts[slot] !== host) return false;
    return standsAt(slab, this.#places[slot] as number, text, length);
  }

  /** The same object each time. */
  seen(slot: number): Seen {
    const seen = this.#seen[slot] ?? this.#fromColumns(slot);
    this.#seen[slot] = seen;
    return seen;
  }

  #fromColumns(slot: number): Seen {
    return {
      id: this.#ids[slot] as number,
      host: this.#hosts[slot] as string,
      epoch: this.#epochs[slot],
      us: numberIn(this.#us, slot),
      wall: numberIn(this.#walls, slot),
      wallSpan: this.#spans[slot] as number,
      sequence: numberIn(this.#sequences, slot),
      trust: this.#trusts[slot] as number,
      witnesses: this.#aloneList(this.#witnesses[slot] as number),
      moved: false,
      slot,
    };
  }

  #aloneList(witness: number): readonly number[] {
    const known = this.#alone.get(witness);
    if (known !== undefined) return known;
    const alone = [witness];
    this.#alone.set(witness, alone);
    return alone;
  }

  /** `edges` reach as far as it then. */
  dropOldest(edges: HostEdges): void {
    const slot = this.#oldest;
    const seen = this.#seen[slot];
    if (seen === undefined) {
      const until = (this.#walls[slot] as number) + (this.#spans[slot] as number);
      edges.extend(this.#hosts[slot] as string, this.#epochs[slot], this.#us[slot] as number, until);
    } else {
      edges.extendBy(seen);
      seen.slot = -1;
      this.#seen[slot] = undefined;
    }
    const slab = this.#slabs[slot];
    if (slab !== undefined) this.#texts.drop(slab);
    this.#oldest = slot + 1 === this.#size ? 0 : slot + 1;
    this.#count--;
  }
}

function numberIn(column: Float64Array, slot: number): number | undefined {
  const number = column[slot] as number;
  return Number.isNaN(number) ? undefined : number;
}
