// Scripts that let shells complete commands, as files where each shell looks by itself.
import { type Entry, textFile } from './entry.ts';
import type { Places } from './places.ts';

export type Completion = { readonly shell: keyof Places['completions']; readonly text: string };

export function completionEntries({ completions }: Places, scripts: readonly Completion[]): readonly Entry[] {
  return scripts.map(({ shell, text }) => textFile(completions[shell], text));
}
