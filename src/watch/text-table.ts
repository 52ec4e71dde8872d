// Events by their text. A table of numbers, since a Map with texts as keys would cost more than all the rest: it hashes and
// moves them again and again. Full of different texts with one hash it is slow, and still right.
import { Crowd, Few, type Seen } from './same-text.ts';

/** Most texts are seen in one event only; of identical ones there may be a flood. */
const fewest = 16;

type Group = { readonly host: string; readonly text: string; readonly hash: number; events: Few | Crowd };

const none = -1;

/** What an event and a sighting have in common. */
type Key = { readonly host: string; readonly text: string; readonly hash: number };

export class TextTable {
  readonly #buckets: Int32Array;
  readonly #next: Int32Array;
  readonly #hashes: Int32Array;
  readonly #groups: (Group | undefined)[];
  readonly #free: number[] = [];
  #used = 0;

  /** `capacity`: so many events are in it at most. */
  constructor(capacity: number) {
    const size = 2 ** Math.ceil(Math.log2(Math.max(16, capacity * 2)));
    this.#buckets = new Int32Array(size).fill(none);
    this.#next = new Int32Array(capacity);
    this.#hashes = new Int32Array(capacity);
    this.#groups = new Array<Group | undefined>(capacity).fill(undefined);
  }

  of(key: Key): Few | Crowd | undefined {
    return this.#groups[this.#find(key)]?.events;
  }

  insert(seen: Seen): void {
    const group = this.#groups[this.#find(seen)];
    if (group === undefined) this.#add(seen);
    else if (group.events.size === fewest && group.events instanceof Few) {
      group.events = new Crowd([...group.events.events, seen]);
    } else group.events.insert(seen);
  }

  remove(seen: Seen): void {
    const at = this.#find(seen);
    const group = this.#groups[at];
    if (group === undefined) return;
    group.events.remove(seen);
    if (group.events.size === 0) this.#drop(at, seen.hash);
  }

  #find({ host, text, hash }: Key): number {
    let at = this.#buckets[hash & (this.#buckets.length - 1)] as number;
    for (; at !== none; at = this.#next[at] as number) {
      if (this.#hashes[at] !== hash) continue;
      const group = this.#groups[at];
      if (group !== undefined && group.text === text && group.host === host) return at;
    }
    return none;
  }

  #add(seen: Seen): void {
    const at = this.#free.pop() ?? this.#used++;
    const bucket = seen.hash & (this.#buckets.length - 1);
    this.#next[at] = this.#buckets[bucket] as number;
    this.#buckets[bucket] = at;
    this.#hashes[at] = seen.hash;
    const { host, text, hash } = seen;
    this.#groups[at] = { host, text, hash, events: new Few(seen) };
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
    this.#groups[at] = undefined;
    this.#free.push(at);
  }
}
