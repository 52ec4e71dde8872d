// Trees of plain data -> texts that are equal when the trees are: for comparing, and for digests.

/** In whatever order the keys were written; numbers of 48 and more bits are no JSON. */
export function stableText(tree: unknown): string {
  return JSON.stringify(tree, stableValue) ?? '';
}

function stableValue(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
