// The text of /etc/default/ufw with modules that cannot be loaded taken out of IPT_MODULES: the old lines stay as comments.
// Texts are latin1, so that every byte that is not changed stays as it is.
import { type Assignment, assignments, wordsOf } from './settings.ts';

/** When some names are left, a line with these follows; without any the comment is all. */
export function withoutModules(text: string, failing: ReadonlySet<string>): string {
  const lines = text.split('\n');
  const offending = assignments(text).filter(
    ({ name, value }) => name === 'IPT_MODULES' && wordsOf(value).some((word) => failing.has(word)),
  );
  for (const assignment of offending.toReversed()) {
    const old = lines.slice(assignment.first, assignment.last + 1);
    lines.splice(
      assignment.first,
      old.length,
      ...old.map((line) => `#${line}`),
      ...kept(assignment, failing, old[0] ?? ''),
    );
  }
  return lines.join('\n');
}

function kept({ value }: Assignment, failing: ReadonlySet<string>, old: string): readonly string[] {
  const words = wordsOf(value).filter((word) => !failing.has(word));
  return words.length === 0 ? [] : [`IPT_MODULES="${words.join(' ')}"${old.endsWith('\r') ? '\r' : ''}`];
}
