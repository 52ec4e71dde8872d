// What shells complete: in bash everything that commander knows, asked of the function; in bash, zsh and fish as somebody types it.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { stayingCli } from '../support/resident.ts';
import { freshDirectory, runProgram } from '../support/run-cli.ts';

const runCli = stayingCli();

async function script(shell: string): Promise<string> {
  const { code, stdout, stderr } = await runCli(['completion', shell]);
  assert.equal(code, 0, stderr);
  return stdout;
}

/** Commands and options as their help has them. */
async function helpOf(path: readonly string[]): Promise<{ readonly commands: string[]; readonly options: string[] }> {
  const { stdout } = await runCli([...path, '--help']);
  const part = (name: string): string => stdout.split(new RegExp(`^${name}:$`, 'm'))[1]?.split(/\n(?=\S)/)[0] ?? '';
  const commands = [...part('Commands').matchAll(/^ {2}([a-z-]+)/gm)].map(([, word = '']) => word);
  const heads = [...part('Options').matchAll(/^ {2}(-\S.*?)(?: {2}|$)/gm)].map(([, head = '']) => head);
  return { commands, options: heads.flatMap((head) => head.match(/--?[A-Za-z][a-z-]*/g) ?? []) };
}

test('bash: every command and every option of each', async (t) => {
  const file = join(freshDirectory(t), 'completion');
  writeFileSync(file, await script('bash'));
  const top = await helpOf([]);
  const rows: (readonly [words: readonly string[], wanted: readonly string[]])[] = [
    [[''], top.commands],
    [['-'], top.options],
  ];
  for (const name of top.commands) {
    if (name === 'help') continue;
    const { commands, options } = await helpOf([name]);
    rows.push([[name, '-'], options]);
    if (commands.length === 0) continue;
    rows.push([[name, ''], commands]);
    for (const part of commands.filter((one) => one !== 'help')) {
      rows.push([[name, part, '-'], (await helpOf([name, part])).options]);
    }
  }
  assert.ok(rows.length > 30, String(rows.length));
  const asked = rows.map(([words]) => {
    const list = ['bridgekeeper', ...words].map((word) => `'${word}'`).join(' ');
    return `COMP_WORDS=(${list}); COMP_CWORD=${words.length}; _bridgekeeper; echo "\${COMPREPLY[*]}"`;
  });
  const { status, stdout, stderr } = spawnSync('bash', ['--norc', '-eu'], {
    input: `source ${file}\n${asked.join('\n')}\n`,
    encoding: 'utf8',
  });
  assert.deepEqual([status, stderr], [0, '']);
  for (const [index, line] of stdout.trimEnd().split('\n').entries()) {
    const [words = [], wanted = []] = rows[index] ?? [];
    assert.deepEqual(line.split(' ').sort(), [...new Set(wanted)].sort(), words.join(' '));
  }
});

const rows: readonly (readonly [typed: string, becomes: string])[] = [
  ['ev\t', 'events'],
  ['events --ki\tdri\t', 'events --kind drift'],
  ['events --kind drift --kind tro\t', 'events --kind drift --kind trouble'],
  ['events -o cs\t', 'events -o csv'],
  ['events --output=cs\t', 'events --output csv'],
  ['events --port v\t', 'events --port v'],
  ['disp\tinsp\t', 'display inspect'],
  ['display plan --vi\tgu\t', 'display plan --via guest'],
  ['display set web --pl\tcha\t', 'display set web --plan change.json'],
  ['apply --dry\tcha\t', 'apply --dry-run change.json'],
  ['apply --confirm plan --backend ipt\tcha\t', 'apply --confirm plan --backend iptables change.json'],
  ['check some\t', 'check some place'],
  ['rules some\\ place/ --form\tiptables-sc\t', 'rules some place/ --format iptables-script'],
  ['ufw ch\tcha\t', 'ufw check change.json'],
  ['uninstall --root so\t', 'uninstall --root some place'],
  ['watch km\t', 'watch kmsg'],
  ['help ru\t', 'help rules'],
  ['doctor --fi\tno\t', 'doctor --fix no'],
  ['completion fi\t', 'completion fish'],
];

type Shell = { readonly argv: readonly string[]; readonly setup: (folder: string) => readonly string[] };

const shells: Readonly<Record<string, Shell>> = {
  bash: {
    argv: ['bash', '--norc', '--noprofile', '-i'],
    setup: (folder) => [
      `bridgekeeper() { printf '%s ' "$@" >>${folder}/out; echo >>${folder}/out; }`,
      `source ${folder}/bash`,
    ],
  },
  zsh: {
    argv: ['zsh', '-f', '-i'],
    setup: (folder) => [
      `bridgekeeper() { printf '%s ' "$@" >>${folder}/out; echo >>${folder}/out; }`,
      `fpath=(${folder}/functions $fpath); autoload -U compinit; compinit -u -D`,
    ],
  },
  fish: {
    argv: ['fish', '--no-config', '-i'],
    setup: (folder) => [
      `function bridgekeeper; printf '%s ' $argv >>${folder}/out; echo >>${folder}/out; end`,
      `source ${folder}/fish`,
    ],
  },
};

async function typed(t: TestContext, name: string, { argv, setup }: Shell): Promise<readonly string[]> {
  const folder = freshDirectory(t);
  const work = join(folder, 'work');
  mkdirSync(join(work, 'some place'), { recursive: true });
  mkdirSync(join(folder, 'functions'));
  writeFileSync(join(work, 'something'), '');
  writeFileSync(join(work, 'change.json'), '');
  const text = await script(name);
  writeFileSync(join(folder, name), text);
  writeFileSync(join(folder, 'functions', '_bridgekeeper'), text);
  const out = join(folder, 'out');
  const job = { setup: setup(folder), rows: rows.map(([row]) => row), out };
  const driver = join(import.meta.dirname, 'type-in-shell.py');
  const env = { TERM: 'dumb', HOME: folder, INPUTRC: '/dev/null', LC_ALL: 'C.UTF-8' };
  const run = await runProgram('python3', [driver, ...argv], { input: JSON.stringify(job), env, cwd: work });
  assert.equal(run.code, 0, run.stderr);
  return readFileSync(out, 'utf8').split('\n').slice(1);
}

suite('as it is typed', () => {
  for (const [name, shell] of Object.entries(shells)) {
    const isThere = existsSync(`/usr/bin/${name}`);
    test(name, { skip: isThere ? false : `needs ${name}` }, async (t) => {
      const found = await typed(t, name, shell);
      for (const [index, [row, becomes]] of rows.entries()) {
        // the sign between an option and its value, and the one behind a directory, are the shell's choice
        const line = (found[index] ?? '').replace(/ (--[a-z-]+)=/g, ' $1 ').replace(/\/? *$/, '');
        assert.equal(line, becomes, JSON.stringify(row));
      }
    });
  }
});
