// The daemon on a small host, as its user starts it: what it says, line by line, and how long that took.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Happening } from '../../src/follow/happening.ts';
import { ended } from '../support/child.ts';
import { assertPrompt } from '../support/slowness.ts';

export type Heard = Happening & { readonly at: string };

/** Everything is to be noticed within two seconds. */
const promptMs = 2_000;

const patienceMs = 60_000;

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
      await serving.until(({ kind }) => kind === 'following', patienceMs);
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

  /** What is said after the action, and how long it took: on an idle machine `ms` at most. */
  async after(
    action: () => Promise<unknown>,
    wanted: (heard: Heard) => boolean,
    ms = promptMs,
  ): Promise<{ readonly heard: Heard; readonly ms: number }> {
    const from = this.heard.length;
    await action();
    const begun = Date.now();
    const heard = await this.until(wanted, ms + patienceMs, from);
    const took = Date.now() - begun;
    assertPrompt(took, ms, `to say ${heard.words}`);
    return { heard, ms: took };
  }

  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return this.child.exitCode;
    this.child.kill(signal);
    const [code] = await ended(this.child);
    return code;
  }
}
