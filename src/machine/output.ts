// A program that runs until it ends or is no longer wanted: its output in pieces, and how it ended.
import type { Access, Child, Input } from './access.ts';

export type Ending = {
  /** 127 when it could not be started, as shells say it. */
  readonly code: number | null;
  /** The last of what it said on stderr. */
  readonly said: string;
};

const mostSaid = 2_000;

export class Output implements AsyncIterable<Buffer> {
  readonly #child: Child;
  readonly #ending: Promise<Ending>;
  readonly #signal: AbortSignal;
  readonly #stop = (): void => this.stop();

  constructor(access: Access, program: string, args: readonly string[], signal: AbortSignal, input?: Input) {
    this.#child = access.start(program, args, input);
    this.#signal = signal;
    this.#child.stdin.on('error', () => undefined);
    this.#ending = this.#ended();
    if (signal.aborted) this.stop();
    else signal.addEventListener('abort', this.#stop, { once: true });
  }

  #ended(): Promise<Ending> {
    let said = '';
    this.#child.stderr.on('data', (chunk: Buffer) => {
      said = `${said}${chunk.toString('latin1')}`.slice(-mostSaid);
    });
    return new Promise((resolve) => {
      this.#child.on('error', ({ message }) => resolve({ code: 127, said: message }));
      this.#child.on('close', (code) => resolve({ code, said: said.trim() }));
    });
  }

  /** What goes to the program's standard input. */
  write(input: string | Uint8Array): void {
    if (typeof input === 'string') this.#child.stdin.write(input, 'latin1');
    else this.#child.stdin.write(input);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    try {
      for await (const chunk of this.#child.stdout) yield chunk as Buffer;
    } catch (error) {
      // a stream that we ended ourselves
      if (!this.#signal.aborted && (error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
    } finally {
      this.stop();
    }
  }

  /** Comes when the program has ended; the output must be read or stopped. */
  ending(): Promise<Ending> {
    return this.#ending;
  }

  /** On another machine the end of standard input ends the program, here a signal does. */
  stop(): void {
    this.#signal.removeEventListener('abort', this.#stop);
    this.#child.stdin.end();
    this.#child.kill('SIGTERM');
  }

  /** Whatever it is doing. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }
}

/** The whole output of a program that ends by itself. */
export async function outputOf(
  access: Access,
  program: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<Ending & { readonly stdout: Buffer }> {
  const output = new Output(access, program, args, signal);
  const chunks: Buffer[] = [];
  for await (const chunk of output) chunks.push(chunk);
  return { ...(await output.ending()), stdout: Buffer.concat(chunks) };
}
