// Trees of plain data: whether two are equal, and texts that are equal when the trees are, for digests.

/** In whatever order the keys were written. */
export function isSameTree(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    return a.every((one, index) => isSameTree(one, b[index]));
  }
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  return keys.every((key) => key in b && isSameTree(a[key as keyof typeof a], b[key as keyof typeof b]));
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
