// Looking into JSON of unknown shape: each question gives the part or undefined.

export type JsonObject = { readonly [key: string]: unknown };

export function objectOf(json: unknown): JsonObject | undefined {
  return typeof json === 'object' && json !== null && !Array.isArray(json) ? (json as JsonObject) : undefined;
}

export function arrayOf(json: unknown): readonly unknown[] | undefined {
  return Array.isArray(json) ? json : undefined;
}

export function textOf(json: unknown): string | undefined {
  return typeof json === 'string' ? json : undefined;
}

/** The key and the value of an object with one key, as nft writes statements: `{"counter": {...}}`. */
export function onlyEntry(json: unknown): readonly [key: string, value: unknown] | undefined {
  const [entry, ...more] = Object.entries(objectOf(json) ?? {});
  return more.length === 0 ? entry : undefined;
}

/** Each member read, or undefined if one cannot be. */
export function everyOf<T>(
  members: readonly unknown[],
  read: (json: unknown) => T | undefined,
): readonly T[] | undefined {
  const all = members.map(read);
  return all.every((member) => member !== undefined) ? all : undefined;
}
