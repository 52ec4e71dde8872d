// The program as a user starts it: arguments in, texts and exit code out.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Texts } from './compiled.ts';

export const root = join(import.meta.dirname, '..', '..');

export const program = join(root, 'src', 'cli', 'bridgekeeper.ts');

export type Run = { readonly code: number; readonly stdout: string; readonly stderr: string };

export type RunOptions = {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
};

export function runCli(argv: readonly string[], options: RunOptions = {}): Promise<Run> {
  return runProgram(process.execPath, [program, ...argv], options);
}

/** Without a terminal, and without what the tests' own environment says of colours. */
export function runProgram(
  file: string,
  argv: readonly string[],
  { input = '', env = {}, cwd = root }: RunOptions = {},
): Promise<Run> {
  const { FORCE_COLOR: _force, NO_COLOR: _no, ...inherited } = process.env;
  return new Promise((resolve) => {
    const settings = { cwd, env: { ...inherited, ...env }, maxBuffer: 1 << 28 };
    const child = execFile(file, [...argv], settings, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : 255, stdout, stderr });
    });
    // a program that does not read its input may close it first
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
  });
}

/** A directory that vanishes with the test, also if what was killed in it still writes. */
export function freshDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'bridgekeeper-test-'));
  t.after(() => rmSync(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 }));
  return directory;
}

/** Such a directory with host.yaml and policy.yaml in it. */
export function directoryWith(t: TestContext, { host, policy }: Texts): string {
  const directory = freshDirectory(t);
  writeFileSync(join(directory, 'host.yaml'), host);
  writeFileSync(join(directory, 'policy.yaml'), policy);
  return directory;
}
