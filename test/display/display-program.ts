// `bridgekeeper display` beside a libvirt of the tests' own, in a process that stays: each command runs as from a command
// line, but Node and the modules are started once. Whoever is to be killed is started by himself.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { ended } from '../support/child.ts';
import type { Namespace, Ran } from '../support/namespace.ts';
import { root } from '../support/run-cli.ts';

export class DisplayProgram {
  readonly #child: ChildProcess;
  #last: Promise<unknown> = Promise.resolve();

  constructor({ pid }: Namespace) {
    const way = ['-n', '-m', '-p', '-t', `${pid}`, '--', process.execPath];
    const program = join(root, 'test', 'support', 'resident-program.ts');
    this.#child = spawn('nsenter', [...way, program], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  }

  /** One after the other, in the order in which they were given. */
  run(argv: readonly string[]): Promise<Ran> {
    const running = this.#last.then(() => this.#ask(['display', ...argv]));
    this.#last = running.catch(() => undefined);
    return running;
  }

  async #ask(argv: readonly string[]): Promise<Ran> {
    const listening = new AbortController();
    const { signal } = listening;
    const gone = once(this.#child, 'exit', { signal }).then(() => {
      throw new Error(`it ended by ${argv.join(' ')}`);
    });
    gone.catch(() => undefined);
    this.#child.send(argv);
    try {
      const [ran] = await Promise.race([once(this.#child, 'message', { signal }), gone]);
      return ran;
    } finally {
      listening.abort();
    }
  }

  /** It ends with its channel. */
  async end(): Promise<void> {
    const gone = ended(this.#child);
    this.#child.disconnect();
    await gone;
  }
}
