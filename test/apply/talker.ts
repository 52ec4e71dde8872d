// A process in a guest's namespace that talks with the other guests, as talk.py says.
import assert from 'node:assert/strict';
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ended } from '../support/child.ts';
import type { Namespace } from '../support/namespace.ts';
import { python } from '../support/python.ts';

export type Said = { readonly sent: number; readonly echoed: number; readonly lost: number; readonly last: number };

/** One connection that says something every few milliseconds, and hears it again. */
export type Talk = { readonly said: () => Promise<Said> };

type Answer = Readonly<Record<string, unknown>>;

const script = join(import.meta.dirname, 'talk.py');

export class Talker {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #waiting = new Map<string, PromiseWithResolvers<Answer>>();
  #asked = 0;

  private constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child;
    createInterface(child.stdout).on('line', (line) => {
      const { id, ...answer } = JSON.parse(line);
      this.#waiting.get(id)?.resolve(answer);
    });
    let complaint = '';
    child.stderr.on('data', (chunk) => {
      complaint += chunk;
    });
    child.on('close', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`the guest's process ended: ${complaint}`));
    });
  }

  /** Comes back when it listens on these ports. */
  static async start({ pid }: Namespace, ports: readonly number[]): Promise<Talker> {
    const argv = ['-n', '-t', String(pid), '--', python, script, ...ports.map(String)];
    const talker = new Talker(spawn('nsenter', argv, { stdio: ['pipe', 'pipe', 'pipe'] }));
    await talker.#answer('ready');
    return talker;
  }

  async #answer(id: string, order = ''): Promise<Answer> {
    const answer = Promise.withResolvers<Answer>();
    this.#waiting.set(id, answer);
    this.#child.stdin.write(order);
    try {
      return await answer.promise;
    } finally {
      this.#waiting.delete(id);
    }
  }

  /** Comes back when the first answer was heard. */
  async ask(proto: 'tcp' | 'udp' | 'ftp', ip: string, port: number): Promise<Talk> {
    const id = String(++this.#asked);
    const { failed } = await this.#answer(id, `ask ${id} ${proto} ${ip} ${port}\n`);
    assert.equal(failed, undefined, `${proto} ${port}`);
    return { said: async () => (await this.#answer(id, `said ${id}\n`)) as Said };
  }

  /** Its connections end, and nobody is told. */
  async fresh(): Promise<void> {
    await this.#answer('fresh', 'fresh fresh\n');
  }

  async end(): Promise<void> {
    const gone = ended(this.#child);
    this.#child.stdin.end();
    await gone;
  }
}
