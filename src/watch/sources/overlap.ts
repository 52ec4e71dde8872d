// Two looks at a ring that tells no numbers -> the lines that are new, or that nobody knows how many were lost between.
// Lines are compared by their digests, so that a cursor holds 32 short words and not 32 lines.
import { createHash } from 'node:crypto';

export const tailLength = 32;

export type Step = { readonly fresh: number; readonly lost: boolean };

export function digestOf(line: Uint8Array): string {
  return createHash('sha1').update(line).digest('base64').slice(0, 16);
}

/**
 * `tail` are the digests of the last lines of the earlier look, `now` those of the whole ring. `fresh` is the index of
 * the first new line. What is left of the tail must stand together, at the beginning of the ring if its front is gone.
 * Of several such places the one counts that agrees with most of the tail.
 */
export function stepBetween(tail: readonly string[], now: readonly string[]): Step {
  const last = tail.at(-1);
  if (last === undefined) return { fresh: 0, lost: false };
  let best = { at: -1, length: 0 };
  for (let at = now.indexOf(last); at >= 0; at = now.indexOf(last, at + 1)) {
    const length = Math.min(tail.length, at + 1);
    if (length > best.length && standsBefore(tail, now, at, length)) best = { at, length };
  }
  return { fresh: best.at + 1, lost: best.length === 0 && now.length > 0 };
}

function standsBefore(tail: readonly string[], now: readonly string[], at: number, length: number): boolean {
  for (let back = 0; back < length; back++) {
    if (tail[tail.length - 1 - back] !== now[at - back]) return false;
  }
  return true;
}
