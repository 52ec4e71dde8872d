// The program in a process that stays, where a test gives many commands that are not what it is about: each runs as from a
// command line, but Node and the modules are started once. Nothing is on its standard input.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { LiveHost } from '../apply/live-host.ts';
import { ended } from './child.ts';
import type { Ran } from './namespace.ts';

/** A test, or its whole file: the process ends with it. */
type Owner = { readonly after: (end: () => Promise<void>) => void };

export class Resident {
  readonly #child: ChildProcess;
  readonly #always: readonly string[];
  #last: Promise<unknown> = Promise.resolve();

  private constructor(child: ChildProcess, always: readonly string[]) {
    this.#child = child;
    this.#always = always;
  }

  /** `way` are the words before the program, which enter a namespace; `always` is added to every command. */
  static start(t: Owner, way: readonly string[], always: readonly string[] = []): Resident {
    const [file = '', ...args] = [...way, process.execPath, join(import.meta.dirname, 'resident-program.ts')];
    const { SSH_CONNECTION: _ssh, BRIDGEKEEPER_STATE: _state, ...env } = process.env;
    const child = spawn(file, args, { env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    const resident = new Resident(child, always);
    t.after(() => resident.#end());
    return resident;
  }

  static on(t: Owner, { namespace, state }: LiveHost): Resident {
    return Resident.start(t, ['nsenter', '-n', '-t', String(namespace.pid), '--'], ['--state', state]);
  }

  /** One after the other, in the order in which they were given. */
  run(args: readonly string[]): Promise<Ran> {
    const running = this.#last.then(() => this.#ask(args));
    this.#last = running.catch(() => undefined);
    return running;
  }

  async mustRun(args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(args);
    assert.equal(code, 0, `bridgekeeper ${args.join(' ')}: exit ${code}\n${stdout}${stderr}`);
    return stdout;
  }

  async #ask(args: readonly string[]): Promise<Ran> {
    const listening = new AbortController();
    const { signal } = listening;
    const gone = once(this.#child, 'exit', { signal }).then(() => assert.fail(`it ended by ${args.join(' ')}`));
    gone.catch(() => undefined);
    this.#child.send([...args, ...this.#always]);
    try {
      const [ran] = await Promise.race([once(this.#child, 'message', { signal }), gone]);
      return ran;
    } finally {
      listening.abort();
    }
  }

  async #end(): Promise<void> {
    this.#child.kill('SIGKILL');
    await ended(this.#child);
  }
}
