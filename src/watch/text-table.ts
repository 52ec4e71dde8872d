// Events by their text. A table of numbers, since a Map with texts as keys would cost more than all the rest: it hashes and
// moves them again and again. Full of different texts with one hash it is slow, and still right.
import type { Remembered } from './remembered.ts';
import { Crowd, Few, type Seen, type Sighting } from './same-text.ts';

/** Most texts are seen in one event only; of identical ones there may be a flood. */
const fewest = 16;

const none = -1;

/** Events with one text, when they are several. */
type Several = Few | Crowd;

export class TextTable {
  readonly #remembered: Remembered;
  readonly #buckets: Int32Array;
  readonly #next: Int32Array;
  readonly #hashes: Int32Array;
  /** Where the only event with the text is remembered, */
  readonly #only: Int32Array;
  /** or all of them. */
  readonly #several: (Several | undefined)[];
  readonly #free: number[] = [];
  #used = 0;

  /** `capacity`: so many events are in it at most. */
  constructor(remembered: Remembered, capacity: number) {
    this.#remembered = remembered;
    const size = 2 ** Math.ceil(Math.log2(Math.max(16, capacity * 2)));
    this.#buckets = new Int32Array(size).fill(none);
    this.#next = new Int32Array(capacity);
    this.#hashes = new Int32Array(capacity);
    this.#only = new Int32Array(capacity);
    this.#several = new Array<Several | undefined>(capacity).fill(undefined);
  }

  /** The events with this text. */
  of(sighting: Sighting): Seen | Several | undefined {
    const at = this.#find(sighting);
    if (at === none) return undefined;
    return this.#several[at] ?? this.#remembered.seen(this.#only[at] as number);
  }

  /** What was remembered at this slot, with the text of the sighting. */
  insert(slot: number, sighting: Sighting): void {
    const at = this.#find(sighting);
    if (at === none) {
      this.#add(slot, sighting.hash);
      return;
    }
    const several = this.#several[at];
    const seen = this.#remembered.seen(slot);
    if (several === undefined) this.#several[at] = new Few([this.#remembered.seen(this.#only[at] as number), seen]);
    else if (several instanceof Crowd) several.insert(seen);
    else if (several.events.length === fewest) this.#several[at] = new Crowd([...several.events, seen]);
    else several.events.push(seen);
  }

  remove(slot: number): void {
    const hash = this.#remembered.hash(slot);
    const at = this.#placeOf(slot, hash);
    const several = this.#several[at];
    if (several instanceof Few) {
      several.remove(this.#remembered.seen(slot));
      const [only] = several.events;
      if (several.events.length > 1 || only === undefined) return;
      this.#several[at] = undefined;
      this.#only[at] = only.slot;
    } else if (several !== undefined && several.size > 1) {
      several.remove(this.#remembered.seen(slot));
    } else {
      this.#drop(at, hash);
    }
  }

  #find(sighting: Sighting): number {
    const { hash } = sighting;
    let at = this.#buckets[hash & (this.#buckets.length - 1)] as number;
    for (; at !== none; at = this.#next[at] as number) {
      if (this.#hashes[at] === hash && this.#remembered.holds(this.#anySlot(at), sighting)) return at;
    }
    return none;
  }

  #anySlot(at: number): number {
    const several = this.#several[at];
    if (several === undefined) return this.#only[at] as number;
    const any = several instanceof Crowd ? several.any : several.events[0];
    return any?.slot ?? none;
  }

  #placeOf(slot: number, hash: number): number {
    let at = this.#buckets[hash & (this.#buckets.length - 1)] as number;
    while (!this.#isAt(at, slot)) at = this.#next[at] as number;
    return at;
  }

  #isAt(at: number, slot: number): boolean {
    const several = this.#several[at];
    return several === undefined ? this.#only[at] === slot : several.has(this.#remembered.seen(slot).id);
  }

  #add(slot: number, hash: number): void {
    const at = this.#free.pop() ?? this.#used++;
    const bucket = hash & (this.#buckets.length - 1);
    this.#next[at] = this.#buckets[bucket] as number;
    this.#buckets[bucket] = at;
    this.#hashes[at] = hash;
    this.#only[at] = slot;
  }

  #drop(at: number, hash: number): void {
    const bucket = hash & (this.#buckets.length - 1);
    const after = this.#next[at] as number;
    if (this.#buckets[bucket] === at) {
      this.#buckets[bucket] = after;
    } else {
      let before = this.#buckets[bucket] as number;
      while (this.#next[before] !== at) before = this.#next[before] as number;
      this.#next[before] = after;
    }
    this.#several[at] = undefined;
    this.#free.push(at);
  }
}
