// The daemon on a small host, as its user starts it: what it says, line by line, and how long that took.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism, loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Happening } from '../../src/follow/happening.ts';

export type Heard = Happening & { readonly at: string };

/** Everything is to be noticed within two seconds; where several programs wait for each processor that cannot be asked. */
const promptMs = isBusy() ? 20_000 : 2_000;

function isBusy(): boolean {
  const [waiting = 0] = loadavg();
  return waiting > 2 * availableParallelism();
}

export class Serving {
  readonly child: ChildProcess;
  readonly heard: Heard[] = [];
  stderr = '';

  private constructor(argv: readonly string[], env: NodeJS.ProcessEnv) {
    const [file = '', ...args] = argv;
    this.child = spawn(file, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let rest = '';
    this.child.stdout?.on('data', (chunk) => {
      const lines = `${rest}${chunk}`.split('\n');
      rest = lines.pop() ?? '';
      this.heard.push(...lines.map((line) => JSON.parse(line)));
    });
    this.child.stderr?.on('data', (chunk) => {
      this.stderr += chunk;
    });
  }

  /** `argv` without the options that say how to print. */
  static async start(argv: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<Serving> {
    const serving = new Serving([...argv, '-o', 'json'], env);
    try {
      await serving.until(({ kind }) => kind === 'following', 30_000);
    } catch (error) {
      serving.child.kill('SIGKILL');
      throw error;
    }
    // until the programs that wake it up surely listen
    await sleep(600);
    return serving;
  }

  /** The first thing from `from` on that is so; waits for it. */
  async until(wanted: (heard: Heard) => boolean, ms: number, from = 0): Promise<Heard> {
    for (const end = Date.now() + ms; Date.now() < end; await sleep(5)) {
      const found = this.heard.slice(from).find(wanted);
      if (found !== undefined) return found;
      if (this.child.exitCode !== null) break;
    }
    const said = this.heard.slice(from).map((one) => JSON.stringify(one));
    return assert.fail(`not heard within ${ms} ms: ${wanted}\n${said.join('\n')}\n${this.stderr}`);
  }

  /** What is said after the action, and how long it took. */
  async after(
    action: () => Promise<unknown>,
    wanted: (heard: Heard) => boolean,
    ms = promptMs,
  ): Promise<{ readonly heard: Heard; readonly ms: number }> {
    const from = this.heard.length;
    await action();
    const begun = Date.now();
    const heard = await this.until(wanted, ms, from);
    return { heard, ms: Date.now() - begun };
  }

  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return this.child.exitCode;
    this.child.kill(signal);
    const [code] = await once(this.child, 'exit');
    return code;
  }
}
