// What we do not understand of nft's JSON -> words for a reader: nft's own where that is plain, else the JSON itself.
import { arrayOf, everyOf, objectOf, onlyEntry, textOf } from './json.ts';

export function opaqueText(json: unknown): string {
  return words(json) ?? JSON.stringify(json) ?? 'null';
}

function words(json: unknown): string | undefined {
  if (typeof json === 'string' || typeof json === 'number') return `${json}`;
  const [key, inner] = onlyEntry(json) ?? [];
  if (key === undefined) return undefined;
  if (inner === null) return key;
  switch (key) {
    case 'match':
      return matchWords(objectOf(inner) ?? {});
    case 'counter':
    case 'quota':
      return joined([key, 'name', textOf(inner)]);
    case 'mangle':
      return joined([words(objectOf(inner)?.key), 'set', words(objectOf(inner)?.value)]);
    case 'meta':
    case 'ct':
      return Object.keys(objectOf(inner) ?? {}).length === 1 ? joined([key, textOf(objectOf(inner)?.key)]) : undefined;
    case 'payload':
      return joined([textOf(objectOf(inner)?.protocol), textOf(objectOf(inner)?.field)]);
    case '&':
      return everyOf(arrayOf(inner) ?? [], words)?.join(' & ');
    case 'range':
      return everyOf(arrayOf(inner) ?? [], words)?.join('-');
    case 'prefix':
      return joined([words(objectOf(inner)?.addr), words(objectOf(inner)?.len)], '/');
    default:
      return undefined;
  }
}

function matchWords({ op, left, right }: { readonly [key: string]: unknown }): string | undefined {
  return joined([words(left), ...(op === '==' || op === 'in' ? [] : [textOf(op)]), words(right)]);
}

function joined(parts: readonly (string | undefined)[], by = ' '): string | undefined {
  return parts.every((part) => part !== undefined) ? parts.join(by) : undefined;
}
