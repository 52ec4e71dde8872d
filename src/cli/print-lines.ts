// Many lines to stdout, no faster than they are read: a pipe that is slow must not fill our memory.
import { once } from 'node:events';

export async function printLines(lines: readonly string[]): Promise<void> {
  if (lines.length === 0 || process.stdout.write(`${lines.join('\n')}\n`)) return;
  await once(process.stdout, 'drain');
}
