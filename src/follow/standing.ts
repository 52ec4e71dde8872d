// What is so for a while is told when it begins, and not again as long as it is so.

export class Standing<T> {
  #known = new Map<string, T>();

  has(key: string): boolean {
    return this.#known.has(key);
  }

  /** What is so now, by its words -> what began, and what is over. */
  now(items: ReadonlyMap<string, T>): { readonly begun: readonly T[]; readonly over: readonly T[] } {
    const begun = [...items].filter(([key]) => !this.#known.has(key)).map(([, item]) => item);
    const over = [...this.#known].filter(([key]) => !items.has(key)).map(([, item]) => item);
    this.#known = new Map(items);
    return { begun, over };
  }
}
