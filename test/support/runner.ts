// Programs in a namespace, started by a small process that stays there (runner.py): a fork of Node itself, and `nsenter` before each
// program, cost several times what most of these programs do.
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { ended } from './child.ts';
import type { Ran } from './namespace.ts';
import { python } from './python.ts';

type Settle = { readonly resolve: (ran: Ran) => void; readonly reject: (error: Error) => void };

export class Runner {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #waiting = new Map<number, Settle>();
  #last = 0;

  /** In the network namespace of this process. */
  constructor(pid: number) {
    const argv = [python, '-I', '-S', join(import.meta.dirname, 'runner.py')];
    this.#child = spawn('nsenter', ['-n', '-t', String(pid), '--', ...argv], { stdio: ['pipe', 'pipe', 'inherit'] });
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      const { id, ...ran } = JSON.parse(line);
      this.#waiting.get(id)?.resolve(ran);
      this.#waiting.delete(id);
    });
    this.#child.stdin.on('error', () => undefined);
    this.#child.once('close', () => {
      for (const { reject } of this.#waiting.values())
        reject(new Error('what starts programs in the namespace is gone'));
    });
  }

  run(program: string, args: readonly string[], input = ''): Promise<Ran> {
    const id = ++this.#last;
    const ran = new Promise<Ran>((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    this.#child.stdin.write(
      `${JSON.stringify({ id, argv: [program, ...args], input: input.toWellFormed(), env: process.env })}\n`,
    );
    return ran;
  }

  async end(): Promise<void> {
    const gone = ended(this.#child);
    this.#child.stdin.end();
    await gone;
  }
}
