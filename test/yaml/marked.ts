// A text with `¦` before each place that a diagnostic must point to.
import type { Diagnostic } from '../../src/model/diagnostic.ts';

export type Marked = { readonly text: string; readonly places: readonly string[] };

/** The text without its marks, and the `line:column` of each. */
export function marked(text: string): Marked {
  const places: string[] = [];
  const lines = text.split('\n').map((line, row) => {
    const parts = line.split('¦');
    let column = 1;
    for (const part of parts.slice(0, -1)) {
      column += part.length;
      places.push(`${row + 1}:${column}`);
    }
    return parts.join('');
  });
  return { text: lines.join('\n'), places };
}

/** `line:column code` of each diagnostic, to compare with the marks. */
export function placesOf(diagnostics: readonly Diagnostic[]): readonly string[] {
  return diagnostics.map(({ span, code }) => `${span.line}:${span.column} ${code}`);
}
