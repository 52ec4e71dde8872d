// Commands that run until somebody ends them.
import { exitCodes } from './exit-codes.ts';

/** A signal ended the command; main turns it into exit code 130. */
export class Interrupted extends Error {}

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * The action hears of the signal and comes to its end by itself; a second signal does not wait for that.
 * @throws Interrupted afterwards; main turns it into exit code 130
 */
export async function untilInterrupted(action: (signal: AbortSignal) => Promise<number>): Promise<number> {
  const abort = new AbortController();
  const interrupt = (): void => {
    if (abort.signal.aborted) process.exit(exitCodes.interrupted);
    abort.abort(new Interrupted());
  };
  for (const signal of signals) process.on(signal, interrupt);
  try {
    const exitCode = await action(abort.signal);
    abort.signal.throwIfAborted();
    return exitCode;
  } finally {
    for (const signal of signals) process.off(signal, interrupt);
  }
}
