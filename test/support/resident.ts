// The program in a process that stays, where a test gives many commands that are not what it is about: each runs as from a
// command line, but Node and the modules are started once, which costs more than most commands. What a process is by itself
// (signals, a terminal, standard input, what is left when it dies) is for who starts one of its own.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { after } from 'node:test';
import { ended } from './child.ts';
import type { Ran } from './namespace.ts';
import type { CommandLine } from './resident-program.ts';
import { root, runCli } from './run-cli.ts';

type Place = { readonly namespace: { readonly pid: number }; readonly state?: string };

export class Resident {
  readonly #child: ChildProcess;
  readonly #always: readonly string[];
  #last: Promise<unknown> = Promise.resolve();
  #said = '';

  /**
   * @param way the words before the program, which enter a namespace
   * @param always is added to every command
   * @param cwd where it runs
   */
  constructor(way: readonly string[], always: readonly string[] = [], cwd = '/') {
    const [file = '', ...args] = [...way, process.execPath, join(import.meta.dirname, 'resident-program.ts')];
    const {
      SSH_CONNECTION: _ssh,
      BRIDGEKEEPER_STATE: _state,
      FORCE_COLOR: _force,
      NO_COLOR: _no,
      ...env
    } = process.env;
    this.#child = spawn(file, args, { env, cwd, stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
    this.#child.stderr?.on('data', (chunk) => {
      this.#said += chunk;
    });
    this.#always = always;
  }

  /**
   * On a host in a namespace, with its state if it is given.
   * @param as a program that runs it as somebody else, and its arguments
   */
  static on({ namespace, state }: Place, as: readonly string[] = []): Resident {
    const always = state === undefined ? [] : ['--state', state];
    return new Resident(['nsenter', '-n', '-t', String(namespace.pid), '--', ...as], always);
  }

  /** One after the other, in the order in which they were given. */
  run(args: readonly string[], env: CommandLine['env'] = {}): Promise<Ran> {
    const running = this.#last.then(() => this.#ask({ args: [...args, ...this.#always], env }));
    this.#last = running.catch(() => undefined);
    return running;
  }

  async mustRun(args: readonly string[], env?: CommandLine['env']): Promise<string> {
    const { code, stdout, stderr } = await this.run(args, env);
    assert.equal(code, 0, `bridgekeeper ${args.join(' ')}: exit ${code}\n${stdout}${stderr}`);
    return stdout;
  }

  async #ask(line: CommandLine): Promise<Ran> {
    const over = new AbortController();
    const { signal } = over;
    const gone = once(this.#child, 'close', { signal }).then(() =>
      assert.fail(`it ended by ${line.args.join(' ')}: ${this.#said}`),
    );
    gone.catch(() => undefined);
    try {
      const answer = once(this.#child, 'message', { signal });
      this.#child.send(line);
      const [ran] = await Promise.race([answer, gone]);
      return ran;
    } finally {
      over.abort();
    }
  }

  /** It ends with its channel. */
  async close(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect();
    await ended(this.#child);
  }
}

/** `runCli` for a whole file of tests, in a process that stays but for commands that read their input or run elsewhere. */
export function stayingCli(): typeof runCli {
  let resident: Resident | undefined;
  after(() => resident?.close());
  return (argv, options = {}) => {
    const { input, cwd, env } = options;
    if (input !== undefined || cwd !== undefined) return runCli(argv, options);
    resident ??= new Resident([], [], root);
    return resident.run(argv, env);
  };
}
