// The line protocol with one agent process: requests with an id go out, each answer settles its promise.
// The agent ends when its stdin does, so nothing here has to survive a crash of ours.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { HostError } from '../model/host-error.ts';

/** Debian's own: the first python3 of the PATH may be a user's wrapper, which took 60 ms more a start. */
const python = '/usr/bin/python3';
/** How long an answer may come after the agent's own time limit before the agent counts as stuck. */
const slackMs = 10_000;
const stopMs = 2_000;

export type Patience = {
  /** How long the agent tries; 10 s unless told. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
};

type Answer = { readonly [key: string]: unknown };

type Pending = { readonly resolve: (answer: Answer) => void; readonly reject: (error: HostError) => void };

const running = new Set<ChildProcessWithoutNullStreams>();

process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** Starts an agent in a network namespace of its own. @throws HostError 'agent-failed' */
export async function openChannel(): Promise<AgentChannel> {
  const channel = new AgentChannel();
  await channel.ready;
  return channel;
}

export class AgentChannel {
  /** Who speaks in error messages: the node of the scene. */
  name = 'agent';
  readonly ready: Promise<Answer>;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #pending = new Map<number, Pending>();
  readonly #exited: Promise<unknown>;
  #nextId = 1;
  #stderr = '';
  #ended = false;

  constructor() {
    const script = fileURLToPath(new URL('./agent.py', import.meta.url));
    // A session of its own: Ctrl-C at the terminal is for us, and we take the agents down in order.
    const argv = ['--net', python, '-I', '-S', script];
    this.#child = spawn('unshare', argv, { stdio: 'pipe', detached: true });
    running.add(this.#child);
    this.ready = this.#settled(0);
    this.#exited = once(this.#child, 'close').catch(() => undefined);
    this.#listen();
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  #listen(): void {
    const child = this.#child;
    createInterface({ input: child.stdout }).on('line', (line) => this.#settle(JSON.parse(line)));
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    // A write to an agent that is gone; 'close' tells why.
    child.stdin.on('error', () => undefined);
    child.on('error', (cause) =>
      this.#end(new HostError('agent-failed', `cannot start unshare: ${cause.message}`, cause)),
    );
    child.on('close', (status, signal) => {
      const reason = this.#stderr.trim() || `ended with ${signal ?? `status ${status}`}`;
      this.#end(new HostError('agent-failed', `the agent of ${this.name} is gone: ${reason}`));
    });
  }

  #end(error: HostError): void {
    this.#ended = true;
    running.delete(this.#child);
    for (const pending of this.#pending.values()) pending.reject(error);
    this.#pending.clear();
  }

  #settled(id: number): Promise<Answer> {
    return new Promise((resolve, reject) => this.#pending.set(id, { resolve, reject }));
  }

  #settle(answer: Answer): void {
    const id = typeof answer.id === 'number' ? answer.id : 0;
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    if (answer.error === undefined) pending?.resolve(answer);
    else pending?.reject(new HostError(`${answer.code}`, `${this.name}: ${answer.error}`));
  }

  /** @throws HostError with the agent's code, or 'agent-failed', 'agent-stuck', 'cancelled' */
  async request(command: string, details: object = {}, patience: Patience = {}): Promise<Answer> {
    const { timeoutMs = 10_000, signal } = patience;
    if (signal?.aborted) throw new HostError('cancelled', `${this.name}: cancelled`, signal.reason);
    if (this.#ended) throw new HostError('agent-failed', `the agent of ${this.name} is gone`);
    const id = this.#nextId++;
    const settled = this.#settled(id);
    const cancel = () => this.#write({ id: this.#nextId++, command: 'cancel', task: id });
    const timer = setTimeout(() => this.#giveUp(id, command), timeoutMs + slackMs);
    signal?.addEventListener('abort', cancel, { once: true });
    this.#write({ ...details, id, command, timeout_ms: timeoutMs });
    try {
      return await settled;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', cancel);
    }
  }

  #write(message: object): void {
    this.#child.stdin.write(`${JSON.stringify(message)}\n`);
  }

  #giveUp(id: number, command: string): void {
    this.#pending.get(id)?.reject(new HostError('agent-stuck', `${this.name}: no answer to '${command}'`));
    this.#pending.delete(id);
  }

  /** Resolves when the process is gone; whatever it still ran is gone with it. */
  async stop(): Promise<void> {
    this.#child.stdin.end();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), stopMs);
    await this.#exited;
    clearTimeout(timer);
  }
}
