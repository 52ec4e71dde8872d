// What the documents say of the program, held against the program: commands and options by its own help, keys by the
// schemas, excerpts by running them, paths and links by looking.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { exitCodes } from '../src/cli/exit-codes.ts';
import { parsePolicy } from '../src/policy/parse-policy.ts';
import { serviceNames } from '../src/policy/service.ts';
import { parseHost } from '../src/topology/host-file.ts';
import { stayingCli } from './support/resident.ts';

const root = join(import.meta.dirname, '..');

function text(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

/** A man page's source with its escapes and font changes taken out. */
function manText(page: string): string {
  const source = text(`docs/man/${page}`);
  return source.replace(/\\f[BIRP]/g, '').replaceAll('\\-', '-');
}

const runCli = stayingCli();

async function printed(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runCli(args);
  assert.equal(code, 0, `${args.join(' ')}: ${stderr}`);
  return stdout;
}

/** The first words of the lines under a heading of commander's help. */
function helpWords(help: string, heading: string): readonly string[] {
  const section = help.split(/^(?=\S.*:$)/m).find((part) => part.startsWith(`${heading}:`)) ?? '';
  return [...section.matchAll(/^ {2}(\S.*?)(?: {2}|$)/gm)].map(([, words = '']) => words);
}

function commandsIn(help: string): readonly string[] {
  return helpWords(help, 'Commands')
    .map((words) => words.split(' ')[0] ?? '')
    .filter((name) => name !== 'help');
}

/** `lab`, and where a command has commands of its own, each of them: `ufw check`. */
const commands: string[] = [];
for (const name of commandsIn(await printed('--help'))) {
  const parts = commandsIn(await printed(name, '--help'));
  commands.push(...(parts.length === 0 ? [name] : parts.map((part) => `${name} ${part}`)));
}

const optionsOf = new Map<string, readonly string[]>();
for (const command of commands) {
  const words = helpWords(await printed(...command.split(' '), '--help'), 'Options');
  optionsOf.set(
    command,
    words.map((each) => /--[a-z-]+/.exec(each)?.[0] ?? ''),
  );
}

describe('commands, options, exit codes', () => {
  test('there are commands with options', () => {
    assert.ok(commands.includes('lab') && (optionsOf.get('lab')?.length ?? 0) > 8, [...optionsOf].join('\n'));
  });

  test('the man page has every command and every option', () => {
    const page = manText('bridgekeeper.1');
    for (const command of commands) assert.match(page, new RegExp(`^\\.TP\n\\.B ${command}$`, 'm'), command);
    for (const option of new Set([...optionsOf.values()].flat())) {
      assert.match(page, new RegExp(`^\\.TP\n\\.(?:B|BI|BR) .*${option}\\b`, 'm'), option);
    }
  });

  test('the man page has no option that the program has not', () => {
    const known = new Set([...optionsOf.values()].flat()).add('--version').add('--noflush');
    const named = manText('bridgekeeper.1').match(/--[a-z]+(?:-[a-z]+)*/g) ?? [];
    assert.deepEqual([...new Set(named.filter((option) => !known.has(option)))], []);
  });

  test("README's table has every command with the options that only some commands have", () => {
    const section = text('README.md').split('## Commands')[1]?.split('\n## ')[0] ?? '';
    const common = ['--help', '--output', '--host', '--policy'];
    for (const option of common) assert.ok(section.includes(option), option);
    for (const [command, options] of optionsOf) {
      const row = section.split('\n').find((line) => line.startsWith(`| \`${command}\``));
      assert.ok(row !== undefined, `no row for ${command}`);
      for (const option of options.filter((one) => !common.includes(one)))
        assert.ok(row.includes(option), `${command} ${option}`);
    }
  });

  test('both tell the meaning of every exit code', () => {
    for (const code of Object.values(exitCodes)) {
      assert.match(text('README.md'), new RegExp(`^\\| ${code} +\\| [a-z]`, 'm'));
      assert.match(manText('bridgekeeper.1'), new RegExp(`^\\.B ${code}\n[A-Z]`, 'm'));
    }
  });

  test('the version is that of the package, in the program and in the man pages', async () => {
    const { version } = JSON.parse(text('package.json')) as { readonly version: string };
    assert.equal((await printed('--version')).trim(), version);
    for (const page of readdirSync(join(root, 'docs', 'man')))
      assert.ok(manText(page).includes(`Bridgekeeper ${version}"`), page);
  });
});

type Schema = { readonly [key: string]: unknown };

/** Every key that a map of the file may have. */
function keysOf(schema: unknown): readonly string[] {
  if (typeof schema !== 'object' || schema === null) return [];
  const own = Object.keys(((schema as Schema).properties as Schema | undefined) ?? {});
  return [...own, ...Object.values(schema).flatMap(keysOf)];
}

describe('file formats', () => {
  for (const [page, schema] of [
    ['bridgekeeper-policy.5', 'policy.schema.json'],
    ['bridgekeeper-host.5', 'host.schema.json'],
  ] as const) {
    test(`${page} has every key of ${schema}`, () => {
      const keys = new Set(keysOf(JSON.parse(text(`schemas/${schema}`))));
      assert.ok(keys.size > 5);
      for (const key of keys) assert.match(manText(page), new RegExp(`^\\.(?:B|SS) ${key}$`, 'm'), key);
    });
  }

  test('bridgekeeper-policy.5 has every name of a service', () => {
    const words = new Set(manText('bridgekeeper-policy.5').split(/[\s,.]+/));
    assert.deepEqual(
      serviceNames.filter((name) => !words.has(name)),
      [],
    );
  });

  test('the examples in the man pages and in README have no fault', () => {
    const example = (page: string): string => /^\.EX\n([\s\S]*?)^\.EE$/m.exec(text(`docs/man/${page}`))?.[1] ?? '';
    const policies = [
      example('bridgekeeper-policy.5'),
      /^```yaml\n([\s\S]*?)^```$/m.exec(text('README.md'))?.[1] ?? '',
    ];
    for (const policy of policies) {
      const { value, diagnostics } = parsePolicy(policy, 'policy.yaml');
      assert.deepEqual(diagnostics, []);
      assert.ok((value?.allow.length ?? 0) > 0);
    }
    const host = parseHost(example('bridgekeeper-host.5'), 'host.yaml');
    assert.deepEqual(host.diagnostics, []);
    assert.ok((host.value?.bridges.length ?? 0) > 0);
  });
});

const groff = spawnSync('groff', ['--version']).status === 0;

test('the man pages are clean', { skip: groff ? false : 'groff is not installed' }, () => {
  for (const page of globSync('docs/man/*', { cwd: root })) {
    const { stderr, status } = spawnSync('groff', ['-man', '-Tutf8', '-ww', '-z', page], {
      cwd: root,
      encoding: 'utf8',
    });
    assert.equal(`${status} ${stderr}`, '0 ', page);
  }
});

describe('README', () => {
  test('the excerpt of the rules is what `rules` prints', async () => {
    const real = new Set((await printed('rules', 'examples/two-bridge')).split('\n'));
    const [excerpt = ''] = /^RULE +PORT[\s\S]*?(?=^```)/m.exec(text('README.md')) ?? [];
    const lines = excerpt.trimEnd().split('\n');
    assert.ok(lines.length > 3);
    for (const line of lines) assert.ok(real.has(line), line);
  });
});

const pages = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', ...globSync('docs/**/*.md', { cwd: root })];

describe('links and paths', () => {
  test('links lead to files and headings that are there', () => {
    let links = 0;
    for (const page of pages) {
      for (const [, target = ''] of withoutCode(text(page)).matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^https?:/.test(target)) continue;
        const [path = '', anchor] = target.split('#');
        const file = path === '' ? page : join(dirname(page), path);
        assert.ok(existsSync(join(root, file)), `${page}: ${target}`);
        if (anchor !== undefined) assert.ok(anchors(text(file)).includes(anchor), `${page}: ${target}`);
        links++;
      }
    }
    assert.ok(links > 5);
  });

  test('paths that are named are there', () => {
    let paths = 0;
    for (const page of pages) {
      for (const [, path = ''] of text(page).matchAll(
        /`((?:src|test|docs|scripts|examples|schemas|bin|\.ci)\/[\w./-]*)`/g,
      )) {
        assert.ok(existsSync(join(root, path)), `${page}: ${path}`);
        paths++;
      }
    }
    assert.ok(paths > 20);
  });
});

function withoutCode(markdown: string): string {
  return markdown.replace(/^```[\s\S]*?^```$/gm, '').replace(/`[^`\n]*`/g, '');
}

/** As GitHub makes them of headings. */
function anchors(markdown: string): readonly string[] {
  const headings = [...markdown.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => heading);
  return headings.map((heading) =>
    heading
      .toLowerCase()
      .replace(/[^\w\s-]/g, '')
      .replaceAll(' ', '-'),
  );
}

describe('docs/architecture.md', () => {
  const page = text('docs/architecture.md');

  test('every folder of src/ is in the table and has its words', () => {
    const folders = new Set(globSync('*/**/*.ts', { cwd: join(root, 'src') }).map((file) => file.split('/')[0]));
    assert.ok(folders.size > 8);
    for (const folder of folders) {
      assert.ok(page.includes(`\n| \`${folder}\``), `${folder} is not in the table`);
      assert.match(page, new RegExp(`^### .*src/${folder}\\b`, 'm'), `${folder} has no section`);
    }
  });

  test('every file that it names is there', () => {
    const names = new Set(globSync('{src,test,scripts}/**/*.{ts,py}', { cwd: root }).map((file) => basename(file)));
    const named = [...page.matchAll(/`(?:[\w-]+\/)*([\w.-]+\.(?:ts|py))`/g)].map(([, name = '']) => name);
    assert.ok(named.length > 60);
    assert.deepEqual(
      named.filter((name) => !names.has(name)),
      [],
    );
  });
});

test('design notes are numbered without holes, and each says all four things', () => {
  const notes = readdirSync(join(root, 'docs', 'design')).sort();
  assert.ok(notes.length > 10);
  for (const [index, note] of notes.entries()) {
    const number = String(index + 1).padStart(3, '0');
    const page = text(`docs/design/${note}`);
    assert.ok(note.startsWith(`${number}-`) && page.startsWith(`# ${number}: `), note);
    const headings = [...page.matchAll(/^## (.*)$/gm)].map(([, heading]) => heading);
    assert.deepEqual(
      headings,
      ['The problem', 'The choice', 'What was refused', 'How we would notice that we were wrong'],
      note,
    );
  }
});
