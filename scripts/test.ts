// `npm test`: types, lint and dead code, then every test file in a process of its own. What failed is shown in full; the
// last line is always `N passed, N failed, N skipped`. `--only TEXT`, once or more, takes the test files with TEXT in their paths,
// `--guests` instead of all others those that boot whole guests. With `--again` a file that failed is run once more, and that counts:
// what failed first is shown all the same.
import { execFile } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { parseArgs, styleText } from 'node:util';
import { descendants, endAll, processes } from './processes.ts';
import { type Failure, type FileReport, root, runFile, type Skip } from './test-file.ts';
import { runInLanes } from './test-lanes.ts';

const tools = join(root, 'node_modules', '.bin');
const skipList = 'test/allowed-skips.json';

const { only, guests, again } = parseArgs({
  options: { only: { type: 'string', multiple: true }, guests: { type: 'boolean' }, again: { type: 'boolean' } },
}).values;

const isAll = only === undefined && guests !== true;

/** A test file that takes longer hangs; files that were asked for by name may be meant to run long. */
const fileTimeoutMs = (isAll ? 10 : guests === true ? 25 : 60) * 60_000;

/** Two processors are kept busy by so many files: about half of their time they wait. */
const lanes = 3;

const systemPaths = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/**
 * Every program that tests start is the same one: its modules are read and made ready once. Programs of the system come before
 * others of their names, such as the scripts that choose among several Pythons, ten times as slow as the one they choose.
 */
const env = {
  NODE_COMPILE_CACHE: join(root, 'node_modules', '.cache', 'bridgekeeper-tests'),
  ...process.env,
  PATH: [tools, ...systemPaths, process.env.PATH].join(delimiter),
};

const inCi = !['', '0', 'false'].includes(process.env.CI ?? '');

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

// The test files. Reports come file by file, in the order of the files, whatever ends first.

function tellFile({ file, ms, passed, failures, skips, seen, output, kernelRuns }: FileReport, tally: Tally): void {
  const failed = failures.length;
  tellLine(failed > 0 ? '✖' : passed > 0 ? '✔' : '-', `${file}: ${countsText(passed, failed, skips.length)}`, ms);
  // in full they come at the end, which a run that is killed does not see
  for (const { name, text } of failures) console.log(`    ${name}: ${text.trim().split('\n')[0]}`);
  tally.passed += passed;
  tally.failures.push(...failures);
  tally.skips.push(...skips);
  for (const test of seen) tally.seen.add(test);
  tally.kernelRuns += kernelRuns;
  if (failed > 0 && output !== '') tally.outputs.push({ name: `output of ${file}`, text: output });
}

function countsText(passed: number, failed: number, skipped: number): string {
  const parts = [
    ...(passed > 0 ? [`${passed} passed`] : []),
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(skipped > 0 ? [`${skipped} skipped`] : []),
  ];
  return parts.join(', ');
}

/** Tests of what belongs to the whole machine: no other test may run beside them. */
const isAlone = (file: string): boolean => /\.(?:alone\.test|guest-test)\.ts$/.test(file);

/** The files that have begun and are not done, with their beginnings. */
const running = new Map<string, number>();

/** Reports that wait for those of earlier files. */
const early = new Map<string, FileReport>();

async function runTests(files: readonly string[], lanes: number, tally: Tally): Promise<void> {
  const untold = [...files];
  await runInLanes(files, lanes, async (file) => {
    running.set(file, performance.now());
    const report = await runFile(file, env, fileTimeoutMs);
    const isDone = again !== true || report.failures.length === 0;
    early.set(file, isDone ? report : await onceMore(report));
    running.delete(file);
    for (let report = early.get(untold[0] ?? ''); report !== undefined; report = early.get(untold[0] ?? '')) {
      tellFile(report, tally);
      early.delete(report.file);
      untold.shift();
    }
  });
}

async function onceMore({ file, ms, failures, output }: FileReport): Promise<FileReport> {
  tellLine('-', `${file}: ${failures.length} failed, once more`, ms);
  for (const { name, text } of failures) console.log(`${name}\n${text.trimEnd()}`);
  if (output !== '') console.log(output.trimEnd());
  return runFile(file, env, fileTimeoutMs);
}

function testFiles(only: readonly string[]): readonly string[] {
  const files = globSync(guests === true ? 'test/**/*.guest-test.ts' : 'test/**/*.test.ts', { cwd: root });
  return files.filter((file) => only.some((text) => file.includes(text))).sort();
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
    lanes,
    tally,
  );
  await runTests(files.filter(isAlone), 1, tally);
}

/** All that there is to say, and the end, whatever else still runs in this process. */
function end(tally: Tally): never {
  const skipped = checkSkips(tally, isAll && tally.seen.size > 0);
  const { passed, failures, outputs, kernelRuns } = tally;
  for (const { name, text } of [...failures, ...outputs]) {
    console.log(`\n${styleText('red', `✖ ${name}`, { stream: process.stdout })}\n${text.trimEnd()}`);
  }
  console.log(`\nkernel runs: ${kernelRuns}`);
  console.log(`${passed} passed, ${failures.length} failed, ${skipped} skipped`);
  process.exit(failures.length > 0 ? 1 : 0);
}

/** A run that is stopped says how far it came, and leaves nothing running. */
function endBy(signal: NodeJS.Signals, tally: Tally): never {
  endAll(descendants(processes(), process.pid));
  for (const report of early.values()) tellFile(report, tally);
  const seconds = (begin: number): string => `${((performance.now() - begin) / 1000).toFixed(1)} s`;
  const open = [...running].map(([file, begin]) => `${file}, for ${seconds(begin)}`);
  tally.failures.push({ name: `ended by ${signal}`, text: `running then:\n${open.join('\n')}` });
  end(tally);
}

const tally: Tally = { passed: 0, failures: [], outputs: [], skips: [], seen: new Set(), kernelRuns: 0 };
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => endBy(signal, tally));
if (inCi && process.env.UPDATE_GOLDEN) {
  tally.failures.push({ name: 'UPDATE_GOLDEN', text: 'golden files are not rewritten in CI' });
} else {
  await runAll(tally);
}
end(tally);
