// A program for resident.ts: runs the command lines that it is sent, one after the other, and answers what each printed.
import { main } from '../../src/cli/main.ts';

type Stream = 'stdout' | 'stderr';

let said: Record<Stream, string> = { stdout: '', stderr: '' };

for (const name of ['stdout', 'stderr'] satisfies readonly Stream[]) {
  process[name].write = (chunk: string | Uint8Array, ...rest: readonly unknown[]): boolean => {
    said[name] += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('utf8');
    const done = rest.at(-1);
    if (typeof done === 'function') process.nextTick(done);
    return true;
  };
}

async function answer(argv: readonly string[]): Promise<void> {
  said = { stdout: '', stderr: '' };
  const code = await main(argv);
  process.send?.({ code, ...said });
}

process.on('message', (argv) => void answer(argv as readonly string[]));
