// The program's command lines in the namespace of a host, for tests of what the commands say and do: one process for all of
// them, as starting it costs more than most commands. What a process is by itself (signals, a terminal, who it runs as, what
// is left when it dies) is for LiveHost.run and LiveHost.start.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { ended } from '../support/child.ts';
import type { Ran } from '../support/namespace.ts';
import type { LiveHost } from './live-host.ts';
import type { CommandLine } from './standing-main.ts';

const standingMain = join(import.meta.dirname, 'standing-main.ts');

export class StandingProgram {
  readonly #child: ChildProcess;
  readonly #state: string;
  readonly #said: () => string;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(child: ChildProcess, state: string) {
    this.#child = child;
    this.#state = state;
    let said = '';
    child.stderr?.on('data', (chunk) => {
      said += chunk;
    });
    this.#said = () => said;
  }

  /** @param as a program that runs it as somebody else, and its arguments */
  static async start(host: LiveHost, as: readonly string[] = []): Promise<StandingProgram> {
    const enter = ['-n', '-t', String(host.namespace.pid), '--', ...as, process.execPath, standingMain];
    const child = spawn('nsenter', enter, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], cwd: '/' });
    const standing = new StandingProgram(child, host.state);
    assert.equal(await standing.#answer(), 'ready');
    return standing;
  }

  async #answer(): Promise<unknown> {
    const over = new AbortController();
    const { signal } = over;
    const gone = once(this.#child, 'close', { signal }).then(() => {
      throw new Error(`the standing program ended: ${this.#said()}`);
    });
    gone.catch(() => undefined);
    try {
      const [answer] = await Promise.race([once(this.#child, 'message', { signal }), gone]);
      return answer;
    } finally {
      over.abort();
    }
  }

  /** @param state where it keeps what it loads; that of the host without it */
  run(args: readonly string[], env: CommandLine['env'] = {}, state = this.#state): Promise<Ran> {
    const ran = this.#last.then(() => {
      const answer = this.#answer();
      this.#child.send({ args: [...args, '--state', state], env } satisfies CommandLine);
      return answer as Promise<Ran>;
    });
    this.#last = ran.catch(() => undefined);
    return ran;
  }

  async mustRun(args: readonly string[], env?: CommandLine['env']): Promise<string> {
    const { code, stdout, stderr } = await this.run(args, env);
    assert.equal(code, 0, `bridgekeeper ${args.join(' ')}: exit ${code}\n${stdout}${stderr}`);
    return stdout;
  }

  async close(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect();
    await ended(this.#child);
  }
}
