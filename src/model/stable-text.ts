// Trees of plain data: whether two are equal, and texts that are equal when the trees are, for digests.

/** In whatever order the keys were written. */
export function isSameTree(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a)) return Array.isArray(b) && isSameList(a, b);
  return !Array.isArray(b) && isSameRecord(a, b);
}

// By loops: whenever a guest starts thousands of nodes are compared, and each callback and list of keys is garbage.

function isSameList(a: readonly unknown[], b: readonly unknown[]): boolean {
  if (a.length !== b.length) return false;
  for (let at = 0; at < a.length; at++) if (!isSameTree(a[at], b[at])) return false;
  return true;
}

function isSameRecord(a: object, b: object): boolean {
  for (const key in b) if (!Object.hasOwn(a, key)) return false;
  for (const key in a) {
    if (!Object.hasOwn(b, key) || !isSameTree(a[key as keyof typeof a], b[key as keyof typeof b])) return false;
  }
  return true;
}

/** In whatever order the keys were written; JSON but for numbers of 48 and more bits. */
export function stableText(tree: unknown): string {
  if (typeof tree === 'bigint') return `${tree}n`;
  if (typeof tree !== 'object' || tree === null) return JSON.stringify(tree) ?? 'null';
  if (Array.isArray(tree)) return `[${tree.map(stableText).join(',')}]`;
  const entries = Object.entries(tree).filter(([, value]) => value !== undefined);
  if (entries.length > 1) entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, value]) => `"${key}":${stableText(value)}`).join(',')}}`;
}
