// How often something is looked at without any reason: as a safety net, that costs little however large the host is.

/** So many times as long as it took, the next one waits: a twentieth of one processor. */
const share = 20;

export class Pace {
  readonly #shortestMs: number;
  #due = 0;

  constructor(shortestMs: number) {
    this.#shortestMs = shortestMs;
  }

  isDue(now = Date.now()): boolean {
    return now >= this.#due;
  }

  /** Whatever the reason was, it has been looked at. */
  async timed<T>(action: () => Promise<T>): Promise<T> {
    const begun = Date.now();
    try {
      return await action();
    } finally {
      const now = Date.now();
      this.#due = now + Math.max(this.#shortestMs, share * (now - begun));
    }
  }
}
