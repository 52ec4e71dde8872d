// The program that the tests of durability kill, trace, and give bad disks to; and all that its runs acknowledged.
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';

export type Acknowledged = { readonly id: number; readonly text: string };

const program = fileURLToPath(new URL('./kill-writer.ts', import.meta.url));

export class KilledProgram {
  /** By machine. */
  readonly acknowledged: readonly Acknowledged[][];
  readonly #directories: readonly string[];
  readonly #cache: string;
  readonly #wrapper: readonly string[];
  /** Its last words, when it did not end well. */
  refusal = '';
  #child: ChildProcessByStdio<Writable, Readable, null> | undefined;

  /** `cache` is where Node keeps compiled code: most of the time goes into starting. `wrapper` is what runs the program. */
  constructor(directories: readonly string[], cache: string, wrapper: readonly string[] = []) {
    this.#directories = directories;
    this.#wrapper = wrapper;
    this.#cache = cache;
    this.acknowledged = directories.map(() => []);
  }

  /** Comes back when all stores are open; the process is there at once. */
  async start(): Promise<void> {
    const env = { ...process.env, NODE_COMPILE_CACHE: this.#cache };
    const [command = '', ...words] = [...this.#wrapper, process.execPath, program, ...this.#directories];
    const child = spawn(command, words, { env, stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child = child;
    const open = new EventEmitter();
    let opened = 0;
    let rest = '';
    child.stdout.setEncoding('latin1').on('data', (text: string) => {
      const lines = `${rest}${text}`.split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        if (line === 'open') opened++;
        else this.#heard(line);
      }
      if (opened === this.#directories.length) open.emit('all');
    });
    await Promise.race([once(open, 'all'), once(child, 'close')]);
  }

  #heard(line: string): void {
    if (line.startsWith('refused ')) this.refusal = line.slice('refused '.length);
    const [, world = '', id = '', text = ''] = /^(\d+) (\d+) (.*)$/.exec(line) ?? [];
    if (world !== '') this.acknowledged[Number(world)]?.push({ id: Number(id), text });
  }

  /** What it had written before is still read. Gives the signal that ended it. */
  async kill(): Promise<NodeJS.Signals | null> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return null;
    const gone = once(child, 'close');
    child.kill('SIGKILL');
    const [, signal] = await gone;
    return signal;
  }

  /** Lets it end well; its exit code. */
  end(): Promise<number | null> {
    this.#child?.stdin.end();
    return this.ended();
  }

  async ended(): Promise<number | null> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const [code] = await once(child, 'close');
    return code;
  }
}
