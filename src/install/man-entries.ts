// The man pages as files.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Entry } from './entry.ts';

export function manEntries(checkout: string, man: string): readonly Entry[] {
  const from = join(checkout, 'docs', 'man');
  return readdirSync(from).map((page) => ({
    kind: 'file',
    path: `${man}/man${page.at(-1)}/${page}`,
    mode: 0o644,
    bytes: readFileSync(join(from, page)),
  }));
}
