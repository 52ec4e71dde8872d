// One test file in a process of its own: what node:test tells of it, as data. A file that hangs is ended by itself
// (test-process.ts), and from here when it cannot do even that.
import { join, relative } from 'node:path';
import { type EventData, run, type TestsStream } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import { descendants, endAll, processes } from './processes.ts';

export const root = join(import.meta.dirname, '..');

export type Failure = { readonly name: string; readonly text: string };

/** `test` is the whole path of names, from the outermost suite. */
export type Skip = { readonly file: string; readonly test: string; readonly reason: string };

export type FileReport = {
  /** As a path from the root. */
  readonly file: string;
  readonly ms: number;
  readonly passed: number;
  readonly failures: readonly Failure[];
  readonly skips: readonly Skip[];
  /** Every test and suite that was reported, as `file: test`. */
  readonly seen: readonly string[];
  readonly output: string;
  readonly kernelRuns: number;
};

type Place = EventData.TestStart | EventData.TestPass | EventData.TestFail;

type Reason = Error & { readonly failureType?: string; readonly exitCode?: number; readonly signal?: string };

/** Reads the events of one file. */
class Reader {
  readonly #file: string;
  passed = 0;
  readonly failures: Failure[] = [];
  readonly skips: Skip[] = [];
  readonly seen: string[] = [];
  #printed = '';
  /** Names of the suites and tests that are open. */
  #path: string[] = [];
  #said = '';

  constructor(file: string) {
    this.#file = file;
  }

  listen(stream: TestsStream): void {
    stream.on('test:start', (data) => this.#start(data));
    stream.on('test:pass', (data) => this.#pass(data));
    stream.on('test:fail', (data) => this.#fail(data));
    stream.on('test:diagnostic', ({ message }) => {
      if (!isCount(message)) this.#said += `${message}\n`;
    });
    for (const kind of ['test:stdout', 'test:stderr'] as const)
      stream.on(kind, ({ message }: EventData.TestStdout) => {
        this.#printed += message;
      });
  }

  #start({ name, nesting }: Place): void {
    this.#path = [...this.#path.slice(0, nesting), name];
  }

  #pass(data: EventData.TestPass): void {
    const skip = this.#skipOf(data);
    if (skip !== undefined) this.skips.push(skip);
    else if (data.details.type !== 'suite') this.passed++;
  }

  #fail(data: EventData.TestFail): void {
    const skip = this.#skipOf(data);
    const why = data.details.error as Reason;
    if (skip !== undefined) this.skips.push(skip);
    else if (data.name === join(root, this.#file)) this.failures.push({ name: this.#file, text: endText(why) });
    else if (why.failureType !== 'subtestsFailed') {
      const place = relative(root, data.file ?? '');
      this.failures.push({
        name: `${place}:${data.line}: ${this.#path.join(' > ')}`,
        text: inspect(why.cause ?? why),
      });
    }
  }

  #skipOf(data: EventData.TestPass | EventData.TestFail): Skip | undefined {
    this.#start(data);
    const test = this.#path.join(' > ');
    this.seen.push(`${this.#file}: ${test}`);
    const { skip, todo } = data;
    if (skip === undefined && todo === undefined) return undefined;
    const given = skip ?? todo;
    const reason = typeof given === 'string' && given !== '' ? given : skip === undefined ? 'todo' : 'no reason given';
    return { file: this.#file, test, reason };
  }

  /** Also errors while no test was open: node:test makes them diagnostics, prints nothing, and ends the process with 1. */
  get output(): string {
    return [this.#printed, this.#said].filter((text) => text !== '').join('\n');
  }

  /** Tests say how often they asked a real kernel by `kernel runs: N`, as a diagnostic or on a line of their own. */
  get kernelRuns(): number {
    const counts = this.output.matchAll(/^kernel runs: (\d+)$/gm);
    return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
  }
}

/** With which node:test ends each run. */
function isCount(message: string): boolean {
  return /^(?:tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) [\d.]+$/.test(message);
}

/** Of a file's process; a file that took too long has been ended by a signal. */
function endText({ exitCode, signal, message }: Reason): string {
  if (signal === undefined && exitCode === undefined) return message;
  return `the process of this file ended with ${signal ?? `exit code ${exitCode}`}`;
}

/** What a file may take to end itself after its deadline, and to die after that. */
const graceMs = 60_000;

/**
 * @param env what all files get
 * @param deadlineMs after which the file ends itself
 */
export async function runFile(file: string, env: NodeJS.ProcessEnv, deadlineMs: number): Promise<FileReport> {
  const begin = performance.now();
  const reader = new Reader(file);
  const stream = run({
    files: [join(root, file)],
    isolation: 'process',
    execArgv: ['--import', join(import.meta.dirname, 'test-process.ts')],
    env: { ...env, BRIDGEKEEPER_TEST_FILE_MS: `${deadlineMs}` },
    cwd: root,
  });
  reader.listen(stream);
  const isOver = (async () => {
    for await (const _event of stream);
    return true;
  })();
  if (!(await endsWithin(isOver, deadlineMs + graceMs))) {
    endTree(file);
    if (!(await endsWithin(isOver, graceMs)))
      reader.failures.push({ name: file, text: 'it hangs, and cannot be ended' });
  }
  const { passed, failures, skips, seen, output, kernelRuns } = reader;
  // a file that reports no test at all has a mistake in it
  if (passed + failures.length + skips.length === 0)
    failures.push({ name: file, text: 'there are no tests in this file' });
  return { file, ms: performance.now() - begin, passed, failures, skips, seen, output, kernelRuns };
}

/** The file's process, which waits for something without running any code, and all that it started. */
function endTree(file: string): void {
  const all = processes();
  const own = all.filter(({ parent, command }) => parent === process.pid && command.includes(file));
  endAll(own.flatMap((one) => [one, ...descendants(all, one.pid)]));
}

async function endsWithin(isOver: Promise<boolean>, ms: number): Promise<boolean> {
  const timer = new AbortController();
  const late = sleep(ms, false, { signal: timer.signal }).catch(() => false);
  try {
    return await Promise.race([isOver, late]);
  } finally {
    timer.abort();
  }
}
