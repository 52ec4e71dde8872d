// How often something is looked at without any reason: as a safety net, that costs little however large the host is.

export class Pace {
  readonly #shortestMs: number;
  readonly #share: number;
  #due = 0;

  /** @param share so many times as long as it took, the next one waits: 20 is a twentieth of one processor */
  constructor(shortestMs: number, share = 20) {
    this.#shortestMs = shortestMs;
    this.#share = share;
  }

  isDue(now = Date.now()): boolean {
    return now >= this.#due;
  }

  /** However long it took the last time. */
  hasten(now = Date.now()): void {
    this.#due = Math.min(this.#due, now + this.#shortestMs);
  }

  /** Whatever the reason was, it has been looked at. */
  async timed<T>(action: () => Promise<T>): Promise<T> {
    const begun = Date.now();
    try {
      return await action();
    } finally {
      const now = Date.now();
      this.#due = now + Math.max(this.#shortestMs, this.#share * (now - begun));
    }
  }
}
