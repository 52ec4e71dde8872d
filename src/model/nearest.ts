// A mistyped word -> the known word that was probably meant.

/** The known word with the fewest edits, if they are few enough to be a slip; the first of several. */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  const limit = Math.max(1, Math.floor(word.length / 3));
  let best: { readonly word: string; readonly edits: number } | undefined;
  for (const other of known) {
    if (Math.abs(other.length - word.length) > limit) continue;
    const edits = distance(word.toLowerCase(), other.toLowerCase());
    if (edits <= limit && (best === undefined || edits < best.edits)) best = { word: other, edits };
  }
  return best?.word;
}

/** `did you mean 'x'?`, or nothing. */
export function suggestion(word: string, known: Iterable<string>): string | undefined {
  const meant = nearest(word, known);
  return meant === undefined ? undefined : `did you mean '${meant}'?`;
}

/** Levenshtein distance in which two neighbours that changed places are one edit (optimal string alignment). */
function distance(a: string, b: string): number {
  let previous: readonly number[] = [];
  let row: readonly number[] = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 0; i < a.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++) {
      const change = at(row, j) + (a[i] === b[j] ? 0 : 1);
      const swapped = i > 0 && j > 0 && a[i] === b[j - 1] && a[i - 1] === b[j];
      const swap = swapped ? at(previous, j - 1) + 1 : change;
      next.push(Math.min(change, swap, at(row, j + 1) + 1, at(next, j) + 1));
    }
    previous = row;
    row = next;
  }
  return at(row, b.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Number.POSITIVE_INFINITY;
}
