// A program that says something whenever something changes, kept running: it only wakes us up, and nothing that it says is
// believed. When it ends, as with a daemon that it listens to, it is started again, later each time.
import { setTimeout as sleep } from 'node:timers/promises';
import { type Access, endingWithInput } from '../machine/access.ts';
import { Output } from '../machine/output.ts';

/** To a program that runs. */
export type Line = { readonly write: (octets: Uint8Array) => void; readonly kill: () => void };

export type Listener = {
  readonly program: string;
  readonly args: readonly string[];
  /** Not now: what it listens to is not there. */
  readonly isPossible?: () => boolean;
  /** Comes also shortly after each start: what happened before was not heard. */
  readonly started: () => void;
  readonly heard: (chunk: Buffer) => void;
  /** For a program that ends when its input ends, and not before: takes the way to it; undefined when it has ended. */
  readonly talk?: (line: Line | undefined) => void;
};

const shortestPauseMs = 200;
const longestPauseMs = 10_000;
/** Until it surely listens. */
const settledMs = 300;

/** Until the signal comes. */
export async function listen(access: Access, listener: Listener, signal: AbortSignal): Promise<void> {
  let pauseMs = shortestPauseMs;
  while (!signal.aborted) {
    const begun = Date.now();
    if (listener.isPossible?.() ?? true) await listenOnce(access, listener, signal);
    pauseMs = Date.now() - begun > longestPauseMs ? shortestPauseMs : Math.min(longestPauseMs, pauseMs * 2);
    await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
  }
}

async function listenOnce(access: Access, listener: Listener, signal: AbortSignal): Promise<void> {
  const { program, args, started, heard, talk } = listener;
  const settled = setTimeout(started, settledMs);
  // a daemon that is killed leaves nobody listening behind; setpriv(1) would need a system call that the unit refuses
  const [file = '', ...words] = talk === undefined ? endingWithInput(program, args) : [program, ...args];
  const output = new Output(access, file, words, signal);
  talk?.({ write: (octets) => output.write(octets), kill: () => output.kill() });
  try {
    for await (const chunk of output) heard(chunk);
    await output.ending();
  } finally {
    talk?.(undefined);
    clearTimeout(settled);
  }
}
