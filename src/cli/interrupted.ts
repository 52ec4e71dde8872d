// Commands that run until somebody ends them.
import { Interrupted } from './lab.ts';

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * The action hears of the signal and comes to its end by itself.
 * @throws Interrupted afterwards; main turns it into exit code 130
 */
export async function untilInterrupted(action: (signal: AbortSignal) => Promise<number>): Promise<number> {
  const abort = new AbortController();
  const interrupt = (): void => abort.abort(new Interrupted());
  for (const signal of signals) process.on(signal, interrupt);
  try {
    const exitCode = await action(abort.signal);
    abort.signal.throwIfAborted();
    return exitCode;
  } finally {
    for (const signal of signals) process.off(signal, interrupt);
  }
}
