// What goes wrong in a test file outside of its tests: the report says what it was, not only that the process ended with 1.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { after, before, suite, test } from 'node:test';
import type { FileReport } from '../../scripts/test-file.ts';

const root = join(import.meta.dirname, '..', '..');
let directory: string;

before(() => {
  directory = mkdtempSync(join(tmpdir(), 'bridgekeeper-reports-'));
});
after(() => rmSync(directory, { recursive: true }));

/** Of a file with this text, run as `npm test` runs it, in a process of its own: node:test runs no files from inside of one. */
function reportOf(text: string): FileReport {
  const file = join(directory, 'some.test.mjs');
  const runner = join(directory, 'runner.mjs');
  writeFileSync(file, `import { test } from 'node:test';\n${text}\n`);
  writeFileSync(
    runner,
    `import { runFile } from ${JSON.stringify(join(root, 'scripts/test-file.ts'))};
    console.log(JSON.stringify(await runFile(${JSON.stringify(relative(root, file))}, process.env, 60_000)));`,
  );
  const { NODE_TEST_CONTEXT: _ours, ...env } = process.env;
  return JSON.parse(execFileSync(process.execPath, [runner], { env, encoding: 'utf8' }));
}

suite('both tests pass, and the process ends with 1', () => {
  const tests = "test('one', () => undefined);\ntest('other', () => undefined);";
  const rows: readonly (readonly [name: string, text: string, says: RegExp])[] = [
    ['an error at the exit', "process.on('exit', () => { throw new Error('too late'); });", /Error: too late\n {4}at/],
    ['an error of nobody', "setTimeout(() => { throw new Error('too late'); }, 50);", /too late/],
    ['a rejection of nobody', "setTimeout(() => Promise.reject(new Error('too late')), 50);", /too late/],
    [
      'an error that a test left behind',
      "test('leaves', () => { setTimeout(() => { throw new Error('too late'); }, 50); });",
      /Test "leaves" at .* the error "Error: too late"/,
    ],
  ];
  for (const [name, text, says] of rows) {
    test(name, () => {
      const { passed, failures, output } = reportOf(`${tests}\n${text}`);
      assert.ok(passed >= 2);
      assert.deepEqual(
        failures.map((failure) => failure.text),
        ['the process of this file ended with exit code 1'],
      );
      assert.match(output, says);
    });
  }
});

test('a file that all is well with says nothing by itself', () => {
  const { passed, failures, output, kernelRuns } = reportOf(
    "test('one', (context) => { context.diagnostic('kernel runs: 2'); console.log('kernel runs: 3'); });",
  );
  assert.deepEqual([passed, failures, kernelRuns], [1, [], 5]);
  assert.deepEqual(
    output.split('\n').filter((line) => line !== ''),
    ['kernel runs: 3', 'kernel runs: 2'],
  );
});
