// The program as a process: exit codes, colours, pipes, and how it is found.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ended } from '../support/child.ts';
import { freshDirectory, program, root, runCli, runProgram } from '../support/run-cli.ts';

const folder = 'examples/two-bridge';

const usage: readonly (readonly [argv: string, code: number, stdout: RegExp, stderr: RegExp])[] = [
  ['--help', 0, /^Usage: bridgekeeper \[options\] \[command\]\n[\s\S]*\n {2}lab /, /^$/],
  ['rules --help', 0, /^Usage: bridgekeeper rules [\s\S]*--numbers <file>/, /^$/],
  ['--version', 0, /^\d+\.\d+\.\d+\n$/, /^$/],
  ['', 2, /^$/, /^Usage: bridgekeeper/],
  ['chekc', 2, /^$/, /unknown command 'chekc'\n\(Did you mean check\?\)/],
  ['check --polcy x', 2, /^$/, /unknown option '--polcy'\n\(Did you mean --policy\?\)/],
  ['check a b', 2, /^$/, /too many arguments/],
  ['check --policy', 2, /^$/, /argument missing/],
  [`rules ${folder} --format xml`, 2, /^$/, /Allowed choices are table, iptables-save, iptables-script, nft/],
  [`rules ${folder} -o yaml`, 2, /^$/, /Allowed choices are text, json/],
  [`lab ${folder} --without x`, 2, /^$/, /a whole number is wanted/],
  [`lab ${folder} --without -1`, 2, /^$/, /a whole number is wanted/],
  [`lab ${folder} --backend none`, 2, /^$/, /Allowed choices are nft, iptables, both/],
  [`lab ${folder} --attack 99`, 2, /^$/, /there is no attack 99 on this host; there are 1, 2, 3, 4, 5, 6, 7\n$/],
];

for (const [argv, code, stdout, stderr] of usage) {
  test(`bridgekeeper ${argv}: exit ${code}`, async () => {
    const run = await runCli(argv.split(' ').filter((word) => word !== ''));
    assert.equal(run.code, code);
    assert.match(run.stdout, stdout);
    assert.match(run.stderr, stderr);
    assert.doesNotMatch(run.stderr, /\n\s+at /, 'no stack for a user');
  });
}

/** util-linux script(1) gives the program a terminal. */
async function onTerminal(env: Readonly<Record<string, string>>): Promise<string> {
  // Node takes the terminals of CI machines for colourless
  const command = `env -u CI ${process.execPath} ${program} rules ${folder}`;
  const { code, stdout } = await runProgram('script', ['-qefc', command, '/dev/null'], {
    env: { TERM: 'xterm', ...env },
  });
  assert.equal(code, 0);
  return stdout;
}

const colour = '\u001b[';

test('colours on a terminal, none with NO_COLOR, and none in a pipe', async () => {
  assert.ok((await onTerminal({})).includes(colour));
  assert.ok(!(await onTerminal({ NO_COLOR: '1' })).includes(colour));
  assert.ok(!(await runCli(['rules', folder])).stdout.includes(colour));
});

test('a reader that has seen enough is no fault', async () => {
  for (const format of ['table', 'nft', 'iptables-save']) {
    const child = spawn(process.execPath, [program, 'rules', folder, '--format', format], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const errors = child.stderr.toArray();
    child.stdout.destroy();
    const [code, signal] = await ended(child);
    assert.deepEqual([code, signal, Buffer.concat(await errors).toString()], [0, null, ''], format);
  }
});

test('bin/bridgekeeper is found through links, from any directory, without Node on the path', async (t) => {
  const directory = freshDirectory(t);
  const bin = join(root, 'bin', 'bridgekeeper');
  mkdirSync(join(directory, 'usr', 'bin'), { recursive: true });
  mkdirSync(join(directory, 'my programs'));
  const links: readonly (readonly [what: string, file: string])[] = [
    ['as it is', bin],
    ['a link', join(directory, 'bk')],
    ['a link to a link, by a relative path', join(directory, 'usr', 'bin', 'bk')],
    ['a link with blanks in its path', join(directory, 'my programs', 'bk "$(id)"')],
  ];
  symlinkSync(bin, join(directory, 'bk'));
  symlinkSync('../../bk', join(directory, 'usr', 'bin', 'bk'));
  symlinkSync(bin, join(directory, 'my programs', 'bk "$(id)"'));
  for (const [what, file] of links) {
    const run = await runProgram(file, ['check', join(root, folder)], { cwd: '/', env: { PATH: '/usr/bin:/bin' } });
    assert.deepEqual(run, { code: 0, stdout: '0 errors, 0 warnings: 59 rules\n', stderr: '' }, what);
  }
});

test('a full disk is not taken for success, nor for a fault of the policy', async () => {
  const command = `exec ${process.execPath} ${program} rules ${folder} >/dev/full`;
  const { code, stderr } = await runProgram('sh', ['-c', command]);
  assert.equal(code, 2);
  assert.match(stderr, /^bridgekeeper: cannot write to the standard output: ENOSPC[^\n]*\n$/);
});
