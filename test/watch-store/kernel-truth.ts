// What the kernel logged, by a reader that has nothing of this program in it: cat(1) on /dev/kmsg, which dies of a loss.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { ended } from '../support/child.ts';

export type TrueLine = { readonly us: number; readonly text: string };

export class KernelTruth {
  readonly #file: string;
  readonly #child: ChildProcess;

  constructor(file: string) {
    const fd = openSync(file, 'w');
    this.#file = file;
    // before all others where that may be, or on a busy machine the ring goes round first
    this.#child = spawn('sh', ['-c', 'chrt -f -p 1 $$ 2>/dev/null; exec cat /dev/kmsg'], {
      stdio: ['ignore', fd, 'inherit'],
    });
    closeSync(fd);
  }

  /** Whatever became of it. */
  end(): void {
    this.#child.kill();
  }

  /** All records of the ring, in its order. @throws Error when some were lost */
  async stop(): Promise<readonly TrueLine[]> {
    if (this.#child.exitCode !== null) throw new Error('cat(1) was too slow for /dev/kmsg');
    const gone = ended(this.#child);
    this.#child.kill();
    await gone;
    return readFileSync(this.#file, 'latin1')
      .split('\n')
      .flatMap((line) => {
        const [all, us = '', text = ''] = /^\d+,\d+,(\d+),[^;]*;(.*)$/.exec(line) ?? [];
        return all === undefined ? [] : [{ us: Number(us), text: text.trimEnd() }];
      });
  }
}
