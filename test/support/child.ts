// Waiting for programs that tests started, never for ever: who is gone already, or goes without a word, is seen.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

type Ending = readonly [code: number | null, signal: NodeJS.Signals | null];

/** How it ended, or will end. */
export async function ended(child: ChildProcess): Promise<Ending> {
  const { exitCode, signalCode } = child;
  if (exitCode !== null || signalCode !== null) return [exitCode, signalCode];
  const [code, signal] = await once(child, 'exit');
  return [code, signal];
}

/** What it says next on its standard output. @throws Error when it ends instead */
export async function nextWords(child: ChildProcess): Promise<string> {
  const { stdout } = child;
  if (stdout === null) throw new TypeError('its standard output is not ours');
  if (stdout.closed) throw await silence(child);
  const listening = new AbortController();
  const { signal } = listening;
  const closed = once(stdout, 'close', { signal }).then(async () => {
    throw await silence(child);
  });
  closed.catch(() => undefined);
  try {
    const [chunk] = await Promise.race([once(stdout, 'data', { signal }), closed]);
    return String(chunk);
  } finally {
    listening.abort();
  }
}

async function silence(child: ChildProcess): Promise<Error> {
  const ending = (await ended(child)).filter((one) => one !== null).join('');
  return new Error(`${child.spawnargs.slice(0, 4).join(' ')} ended without a word: ${ending}`);
}
