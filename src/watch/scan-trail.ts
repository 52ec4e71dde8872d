// Which words of a line were read, and where their values stand, in the order of the line.

/** Lines with more words are not learned. */
const mostWords = 64;

export class Trail {
  readonly words = new Uint8Array(mostWords);
  /** Where the value is kept. */
  readonly slots = new Uint8Array(mostWords);
  /** Where it stands in the line. */
  readonly places = new Int32Array(mostWords);
  count = 0;
  isTooLong = false;

  clear(): void {
    this.count = 0;
    this.isTooLong = false;
  }

  add(word: number, slot: number, place: number): void {
    const { count } = this;
    if (count === mostWords) {
      this.isTooLong = true;
      return;
    }
    this.words[count] = word;
    this.slots[count] = slot;
    this.places[count] = place;
    this.count = count + 1;
  }
}
