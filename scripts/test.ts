// `npm test`: types, lint and dead code, then every test file in a process of its own. What failed is shown in full; the
// last line is always `N passed, N failed, N skipped`. `--only TEXT`, once or more, takes the test files with TEXT in their paths,
// `--guests` instead of all others those that boot whole guests.
import { execFile } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { delimiter, join, relative } from 'node:path';
import { type EventData, run } from 'node:test';
import { inspect, parseArgs, styleText } from 'node:util';

const root = join(import.meta.dirname, '..');
const tools = join(root, 'node_modules', '.bin');
const skipList = 'test/allowed-skips.json';

const { only, guests } = parseArgs({
  options: { only: { type: 'string', multiple: true }, guests: { type: 'boolean' } },
}).values;

const isAll = only === undefined && guests !== true;

/** A test file that takes longer hangs; files that were asked for by name may be meant to run long. */
const fileTimeoutMs = (isAll ? 10 : 60) * 60_000;

const inCi = !['', '0', 'false'].includes(process.env.CI ?? '');

type Failure = { readonly name: string; readonly text: string };

/** `test` is the whole path of names, from the outermost suite. */
type Skip = { readonly file: string; readonly test: string; readonly reason: string };

type Tally = {
  passed: number;
  readonly failures: Failure[];
  /** What files with failures wrote besides. */
  readonly outputs: Failure[];
  readonly skips: Skip[];
  /** Every test and suite that was reported, as `file: test`. */
  readonly seen: Set<string>;
  kernelRuns: number;
};

type Mark = '✔' | '✖' | '-';

const styles = { '✔': 'green', '✖': 'red', '-': 'yellow' } as const;

function tellLine(mark: Mark, text: string, ms?: number): void {
  const time = ms === undefined ? '' : styleText('dim', ` (${(ms / 1000).toFixed(1)} s)`, { stream: process.stdout });
  console.log(`${styleText(styles[mark], mark, { stream: process.stdout })} ${text}${time}`);
}

// What is not asked of single tests.

const checks: readonly (readonly [tool: string, ...args: readonly string[]])[] = [
  ['tsc', '--noEmit'],
  ['biome', 'check', '--error-on-warnings', '--max-diagnostics=200', '.'],
  ['knip'],
];

async function runCheck([tool, ...args]: (typeof checks)[number], tally: Tally): Promise<void> {
  const name = [tool, ...args].join(' ');
  const begin = performance.now();
  const env = { ...process.env, PATH: `${tools}${delimiter}${process.env.PATH}` };
  const output = await new Promise<string | undefined>((resolve) => {
    execFile(join(tools, tool), [...args], { cwd: root, env, maxBuffer: 1 << 28 }, (error, stdout, stderr) =>
      resolve(error === null ? undefined : `${stdout}${stderr}` || error.message),
    );
  });
  tellLine(output === undefined ? '✔' : '✖', name, performance.now() - begin);
  if (output === undefined) tally.passed++;
  else tally.failures.push({ name, text: output });
}

// The test files. Reports come file by file, in the order of the files, however many run at once.

type Counts = { passed: number; failed: number; skipped: number };

const none: Readonly<Counts> = { passed: 0, failed: 0, skipped: 0 };

type Place = EventData.TestStart | EventData.TestPass | EventData.TestFail;

/** Reads the events of one run and prints a line for each file as soon as it is done. */
class Reader {
  readonly #tally: Tally;
  readonly #files: ReadonlySet<string>;
  readonly #done = new Map<string, Counts>();
  readonly #outputs = new Map<string, string>();
  /** Names of the suites and tests that are open. */
  #path: string[] = [];
  /** Of the file that is being reported. */
  #counts: Counts = { ...none };

  constructor(tally: Tally, files: readonly string[]) {
    this.#tally = tally;
    this.#files = new Set(files);
  }

  start({ name, nesting }: Place): void {
    this.#path = [...this.#path.slice(0, nesting), name];
  }

  pass(data: EventData.TestPass): void {
    const skip = this.#skipOf(data);
    if (skip !== undefined) this.#skip(skip);
    else if (data.details.type !== 'suite') {
      this.#counts.passed++;
      this.#tally.passed++;
    }
  }

  fail(data: EventData.TestFail): void {
    const skip = this.#skipOf(data);
    if (skip !== undefined) {
      this.#skip(skip);
      return;
    }
    const why = data.details.error as Reason;
    if (why.failureType === 'subtestsFailed') return;
    const isFile = this.#files.has(data.name);
    const name = isFile ? pathOf(data.name) : `${pathOf(data.file)}:${data.line}: ${this.#path.join(' > ')}`;
    this.#counts.failed++;
    this.#tally.failures.push({ name, text: isFile ? endText(why) : inspect(why.cause ?? why) });
    if (isFile) this.close(data.name, data.details.duration_ms);
  }

  #skipOf(data: EventData.TestPass | EventData.TestFail): Skip | undefined {
    this.#path = [...this.#path.slice(0, data.nesting), data.name];
    const test = this.#path.join(' > ');
    const file = pathOf(data.file);
    this.#tally.seen.add(`${file}: ${test}`);
    const { skip, todo } = data;
    if (skip === undefined && todo === undefined) return undefined;
    const given = skip ?? todo;
    const reason = typeof given === 'string' && given !== '' ? given : skip === undefined ? 'todo' : 'no reason given';
    return { file, test, reason };
  }

  #skip(skip: Skip): void {
    this.#counts.skipped++;
    this.#tally.skips.push(skip);
  }

  /** Tests say how often they asked a real kernel by `kernel runs: N`, as a diagnostic or on a line of their own. */
  say(message: string): void {
    for (const [, count] of message.matchAll(/^kernel runs: (\d+)$/gm)) this.#tally.kernelRuns += Number(count);
  }

  print(file: string | undefined, message: string): void {
    if (file !== undefined) this.#outputs.set(file, `${this.#outputs.get(file) ?? ''}${message}`);
  }

  /** What was reported belongs to this file. A crash may come after the summary: then there is a second line. */
  close(file: string, ms: number): void {
    const { passed, failed, skipped } = this.#counts;
    const earlier = this.#done.get(file) ?? none;
    this.#done.set(file, {
      passed: earlier.passed + passed,
      failed: earlier.failed + failed,
      skipped: earlier.skipped + skipped,
    });
    this.#counts = { ...none };
    this.#path = [];
    tellLine(failed > 0 ? '✖' : passed > 0 ? '✔' : '-', `${pathOf(file)}: ${countsText(passed, failed, skipped)}`, ms);
    const output = this.#outputs.get(file) ?? '';
    this.#outputs.delete(file);
    this.say(output);
    if (failed > 0 && output !== '') this.#tally.outputs.push({ name: `output of ${pathOf(file)}`, text: output });
  }

  /** A file that reports no test at all has a mistake in it. */
  end(): void {
    for (const file of this.#files) {
      const { passed, failed, skipped } = this.#done.get(file) ?? none;
      if (passed + failed + skipped > 0) continue;
      tellLine('✖', `${pathOf(file)}: no tests`);
      this.#tally.failures.push({ name: pathOf(file), text: 'there are no tests in this file' });
    }
  }
}

type Reason = Error & { readonly failureType?: string; readonly exitCode?: number; readonly signal?: string };

/** Of a file's process; a file that took too long has been ended by a signal. */
function endText({ exitCode, signal }: Reason): string {
  return `the process of this file ended with ${signal ?? `exit code ${exitCode}`}`;
}

function countsText(passed: number, failed: number, skipped: number): string {
  const parts = [
    ...(passed > 0 ? [`${passed} passed`] : []),
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(skipped > 0 ? [`${skipped} skipped`] : []),
  ];
  return parts.join(', ') || 'nothing';
}

function pathOf(file: string | undefined): string {
  return file === undefined ? '' : relative(root, file);
}

/** Tests of what belongs to the whole machine: no other test may run beside them. */
const isAlone = (file: string): boolean => /\.(?:alone\.test|guest-test)\.ts$/.test(file);

async function runTests(files: readonly string[], concurrency: number, tally: Tally): Promise<void> {
  if (files.length === 0) return;
  const reader = new Reader(tally, files);
  const execArgv = ['--import', join(import.meta.dirname, 'test-process.ts')];
  const env = { ...process.env, BRIDGEKEEPER_TEST_FILE_MS: `${fileTimeoutMs}` };
  const stream = run({ files, concurrency, isolation: 'process', execArgv, env, cwd: root });
  stream.on('test:start', (data) => reader.start(data));
  stream.on('test:pass', (data) => reader.pass(data));
  stream.on('test:fail', (data) => reader.fail(data));
  stream.on('test:diagnostic', ({ message }) => reader.say(message));
  stream.on('test:stdout', ({ file, message }) => reader.print(file, message));
  stream.on('test:stderr', ({ file, message }) => reader.print(file, message));
  stream.on('test:summary', ({ file, duration_ms }) => {
    if (file !== undefined) reader.close(file, duration_ms);
  });
  for await (const _event of stream);
  reader.end();
}

function testFiles(only: readonly string[]): readonly string[] {
  const files = globSync(guests === true ? 'test/**/*.guest-test.ts' : 'test/**/*.test.ts', { cwd: root });
  return files
    .filter((file) => only.some((text) => file.includes(text)))
    .sort()
    .map((file) => join(root, file));
}

// Skips: fine where a reason is on the list, otherwise a test that nobody runs.

/** How many count as skipped: in CI those that are not on the list have failed. */
function checkSkips(tally: Tally, complete: boolean): number {
  const allowed: readonly Skip[] = JSON.parse(readFileSync(join(root, skipList), 'utf8'));
  const isAllowed = ({ file, test }: Skip) => allowed.some((one) => one.file === file && one.test === test);
  const isFailure = (skip: Skip) => inCi && !isAllowed(skip);
  for (const skip of tally.skips) {
    const { file, test, reason } = skip;
    tellLine('-', `skipped${isAllowed(skip) ? '' : `, not in ${skipList}`}: ${file}: ${test}: ${reason}`);
    if (isFailure(skip)) tally.failures.push({ name: `${file}: ${test}`, text: `skipped in CI: ${reason}` });
  }
  const isHidden = ({ file, test }: Skip) =>
    tally.skips.some((skip) => skip.file === file && test.startsWith(`${skip.test} > `));
  const isGone = (one: Skip) => !tally.seen.has(`${one.file}: ${one.test}`) && !isHidden(one);
  const gone = complete ? allowed.filter(isGone) : [];
  for (const { file, test } of gone) {
    tally.failures.push({ name: skipList, text: `there is no test '${test}' in ${file} any more` });
  }
  return tally.skips.filter((skip) => !isFailure(skip)).length;
}

async function runAll(tally: Tally): Promise<void> {
  if (isAll) await Promise.all(checks.map((check) => runCheck(check, tally)));
  const files = testFiles(only ?? ['']);
  if (files.length === 0)
    tally.failures.push({ name: `--only ${only?.join(' ')}`, text: 'no test file has such a path' });
  await runTests(
    files.filter((file) => !isAlone(file)),
    2,
    tally,
  );
  await runTests(files.filter(isAlone), 1, tally);
}

const tally: Tally = { passed: 0, failures: [], outputs: [], skips: [], seen: new Set(), kernelRuns: 0 };
if (inCi && process.env.UPDATE_GOLDEN) {
  tally.failures.push({ name: 'UPDATE_GOLDEN', text: 'golden files are not rewritten in CI' });
} else {
  await runAll(tally);
}
const skipped = checkSkips(tally, isAll && tally.seen.size > 0);
const { passed, failures, outputs, kernelRuns } = tally;
for (const { name, text } of [...failures, ...outputs]) {
  console.log(`\n${styleText('red', `✖ ${name}`, { stream: process.stdout })}\n${text.trimEnd()}`);
}
console.log(`\nkernel runs: ${kernelRuns}`);
console.log(`${passed} passed, ${failures.length} failed, ${skipped} skipped`);
process.exitCode = failures.length > 0 ? 1 : 0;
