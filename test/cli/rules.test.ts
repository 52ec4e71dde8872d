import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { lowerIptables } from '../../src/iptables/lower.ts';
import { printIptablesSave, printIptablesScript } from '../../src/iptables/print.ts';
import { lowerNft } from '../../src/nft/lower.ts';
import { printNft } from '../../src/nft/print.ts';
import { compiledFrom, example, exampleTexts } from '../support/compiled.ts';
import { stayingCli } from '../support/resident.ts';
import { directoryWith, freshDirectory } from '../support/run-cli.ts';
import { assertGolden, goldenText } from '../yaml/golden.ts';

const runCli = stayingCli();

const folder = 'examples/two-bridge';
const { list } = compiledFrom(example());

/** Positions are those of the files as they were named. */
const formats: readonly (readonly [options: readonly string[], want: string])[] = [
  [[], goldenText('compile/two-bridge.txt')],
  [['--format', 'table'], goldenText('compile/two-bridge.txt')],
  [['--format', 'iptables-save'], printIptablesSave(lowerIptables(list))],
  [['--format', 'iptables-script'], printIptablesScript(lowerIptables(list))],
  [['--format', 'nft'], printNft(lowerNft(list, { arp: 'bound' }))],
  [['--format', 'nft', '--arp-checks', 'on'], printNft(lowerNft(list, { arp: 'bound' }))],
  [['--format', 'nft', '--arp-checks', 'off'], printNft(lowerNft(list, { arp: 'unchecked' }))],
];

for (const [options, want] of formats) {
  test(`rules ${options.join(' ')}`, async () => {
    assert.deepEqual(await runCli(['rules', folder, ...options]), { code: 0, stdout: want, stderr: '' });
  });
}

test('host or policy by standard input give the same rules', async () => {
  const texts = exampleTexts();
  for (const [which, other] of [
    ['host', 'policy'],
    ['policy', 'host'],
  ] as const) {
    const argv = ['rules', `--${which}`, '-', `--${other}`, `${folder}/${other}.yaml`, '--format', 'nft'];
    const { code, stdout } = await runCli(argv, { input: texts[which] });
    assert.equal(code, 0);
    assert.equal(stdout, printNft(lowerNft(list, { arp: 'bound' })));
  }
});

test('-o json: the entries of the list; the keys are stable', async () => {
  const { code, stdout } = await runCli(['rules', folder, '-o', 'json']);
  assert.equal(code, 0);
  const { version, kind, entries } = JSON.parse(stdout);
  assert.deepEqual([version, kind, entries.length], [1, 'rules', list.entries.length]);
  // one entry of each kind of check, and a heading
  const kinds = new Map<string, unknown>();
  for (const entry of entries) {
    const key = entry.check?.kind ?? entry.kind;
    if (!kinds.has(key)) kinds.set(key, entry);
  }
  assertGolden(`${[...kinds.values()].map((entry) => JSON.stringify(entry)).join('\n')}\n`, 'cli/rules.jsonl');
});

test('faults go to stderr, and the rules of what is sound to stdout', async (t) => {
  const texts = exampleTexts();
  const policy = texts.policy.replace('192.168.50.15 }', '192.168.50.15, port: vk64 }');
  const { code, stdout, stderr } = await runCli([
    'rules',
    directoryWith(t, { ...texts, policy }),
    '--format',
    'iptables-save',
  ]);
  assert.equal(code, 1);
  assert.match(stderr, /policy\.yaml:7:3: error\[port-conflict\]/);
  assert.match(stdout, /^\*filter\n[\s\S]*\nCOMMIT\n$/);
});

test('no rules are printed when there is nothing sound to make', async (t) => {
  const texts = exampleTexts();
  const { code, stdout, stderr } = await runCli(['rules', directoryWith(t, { ...texts, policy: 'guests: [' })]);
  assert.deepEqual([code, stdout], [1, '']);
  assert.match(stderr, /error\[syntax\]/);
});

type Numbers = Readonly<Record<string, number>>;

const numbersIn = (file: string): Numbers => JSON.parse(readFileSync(file, 'utf8'));

test('--numbers: a file is made, kept, and grows; numbers stay with their rules', async (t) => {
  const texts = exampleTexts();
  const directory = directoryWith(t, texts);
  const file = join(directory, 'numbers.json');
  const run = async () => {
    const { code, stdout } = await runCli(['rules', directory, '--numbers', file]);
    assert.equal(code, 0);
    return stdout;
  };
  const first = await run();
  const numbers = numbersIn(file);
  assert.deepEqual([numbers['guest/kali3/out/destination'], numbers.rest], [2, 47]);
  assert.equal(await run(), first);
  assert.deepEqual(numbersIn(file), numbers);

  // a new guest in front of the others
  writeFileSync(
    join(directory, 'policy.yaml'),
    texts.policy.replace('guests:\n', 'guests:\n  aaa: { ip: 192.168.50.9 }\n'),
  );
  writeFileSync(
    join(directory, 'host.yaml'),
    texts.host.replace('      vk63:', '      vk60: { guest: aaa }\n      vk63:'),
  );
  const grown = await run();
  assert.match(grown, /^2 +vk63 +out/m);
  assert.match(grown, /^48 +vk60 +out/m);
  const more = numbersIn(file);
  for (const [id, number] of Object.entries(numbers)) assert.equal(more[id], number, id);

  // and gone again: its numbers are not given to anybody else
  for (const name of ['host', 'policy'] as const) writeFileSync(join(directory, `${name}.yaml`), texts[name]);
  assert.equal(await run(), first);
  assert.deepEqual(numbersIn(file), more);
  assert.deepEqual(
    readdirSync(directory).toSorted(),
    ['host.yaml', 'numbers.json', 'policy.yaml'],
    'nothing half written stays',
  );
});

const spoiled: readonly (readonly [what: string, text: string])[] = [
  ['no JSON', '{"rest": 47'],
  ['an empty file, as after a full disk', ''],
  ['a list', '[1, 2]'],
  ['numbers that are none', '{"rest": "47"}'],
  ['zero', '{"rest": 0}'],
  ['a fraction', '{"rest": 4.5}'],
];

for (const [what, text] of spoiled) {
  test(`--numbers: a file that holds ${what} is not replaced by a new numbering`, async (t) => {
    const file = join(freshDirectory(t), 'numbers.json');
    writeFileSync(file, text);
    const { code, stdout, stderr } = await runCli(['rules', folder, '--numbers', file]);
    assert.deepEqual([code, stdout], [2, '']);
    assert.match(stderr, /numbers\.json holds no rule numbers/);
    assert.equal(readFileSync(file, 'utf8'), text);
  });
}

test('--numbers: what cannot be written is said, and the earlier file stays', async (t) => {
  const directory = freshDirectory(t);
  const file = join(directory, 'numbers.json');
  writeFileSync(file, '{"rest": 99}');
  // a directory in the place of the new file: root may write everywhere else
  mkdirSync(`${file}.new`);
  const { code, stdout, stderr } = await runCli(['rules', folder, '--numbers', file]);
  assert.deepEqual([code, stdout], [2, '']);
  assert.match(stderr, /cannot write .*numbers\.json: EISDIR/);
  assert.equal(readFileSync(file, 'utf8'), '{"rest": 99}');
});
