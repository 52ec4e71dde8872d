// A line of `allow` -> its id. It follows from the words of the line and not from its place, so that rules, counters and
// log lines keep their names when lines are added, moved or removed.

import type { Span } from '../model/diagnostic.ts';
import type { NameRef, Permission } from '../model/policy.ts';

/** A line whose id is not decided yet; `words` are the services as they were written. */
export type Line = Omit<Permission, 'id'> & {
  readonly id?: { readonly text: string; readonly span: Span };
  readonly words: readonly string[];
};

const longest = 64;

/** Ids in the order of the lines. What was given explicitly stands; other lines with the same words get `-2`, `-3`. */
export function permissionIds(lines: readonly Line[]): readonly string[] {
  const taken = new Set(lines.flatMap(({ id }) => id?.text ?? []));
  const copies = new Map<string, number>();
  return lines.map((line) => {
    if (line.id !== undefined) return line.id.text;
    const base = slug(line);
    let copy = copies.get(base) ?? 1;
    while (taken.has(numbered(base, copy))) copy++;
    copies.set(base, copy);
    taken.add(numbered(base, copy));
    return numbered(base, copy);
  });
}

function numbered(base: string, copy: number): string {
  return copy === 1 ? base : `${base}-${copy}`;
}

function slug({ from, to, via, words }: Line): string {
  const side = (refs: readonly NameRef[]) => refs.map(({ name }) => name).join('+');
  const by = via === undefined ? '' : `-via-${via.name}`;
  const text = `${side(from)}-to-${side(to)}-${words.join('+')}${by}`.replaceAll('/', '-');
  return text.length <= longest ? text : `${text.slice(0, longest - 9)}-${fingerprint(text)}`;
}

/** FNV-1a, 32 bits: tells long lines with the same beginning apart. */
function fingerprint(text: string): string {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193) >>> 0;
  }
  return hash.toString(16).padStart(8, '0');
}
