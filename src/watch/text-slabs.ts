// Texts of the events that are remembered, one behind the other in large buffers. A buffer is used again when the last text
// in it is dropped: texts come and go in one order, and as strings or buffers of their own they would be most of the garbage.

/** What begins at `at` in it belongs to somebody. */
export type Slab = { readonly bytes: Uint8Array; live: number };

const slabSize = 64 * 1024;

export class TextSlabs {
  #current: Slab = { bytes: new Uint8Array(slabSize), live: 0 };
  #used = 0;
  readonly #free: Slab[] = [];

  /** Where the text of the last `put` stands. */
  get slab(): Slab {
    return this.#current;
  }

  /** Copies the first `length` bytes into `slab`, and gives the place in it. They stay until `drop`. */
  put(text: Uint8Array, length: number): number {
    if (this.#used + length > this.#current.bytes.length) this.#begin(length);
    const at = this.#used;
    this.#current.bytes.set(text.length === length ? text : text.subarray(0, length), at);
    this.#current.live++;
    this.#used = at + length;
    return at;
  }

  /** One text less. */
  drop(slab: Slab): void {
    slab.live--;
    if (slab.live > 0) return;
    if (slab === this.#current) this.#used = 0;
    else if (slab.bytes.length === slabSize) this.#free.push(slab);
  }

  #begin(length: number): void {
    const old = this.#current;
    const fresh = length <= slabSize ? this.#free.pop() : undefined;
    this.#current = fresh ?? { bytes: new Uint8Array(Math.max(slabSize, length)), live: 0 };
    this.#used = 0;
    if (old.live === 0 && old.bytes.length === slabSize) this.#free.push(old);
  }
}

export function standsAt(slab: Slab, at: number, text: Uint8Array, length: number): boolean {
  const { bytes } = slab;
  for (let index = 0; index < length; index++) if (bytes[at + index] !== text[index]) return false;
  return true;
}
