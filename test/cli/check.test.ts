import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { exampleTexts } from '../support/compiled.ts';
import { stayingCli } from '../support/resident.ts';
import { directoryWith, freshDirectory } from '../support/run-cli.ts';
import { assertGolden, goldenPath } from '../yaml/golden.ts';

const runCli = stayingCli();

const example = exampleTexts();
const folder = 'examples/two-bridge';

test('the example has no faults', async () => {
  assert.deepEqual(await runCli(['check', folder]), {
    code: 0,
    stdout: '0 errors, 0 warnings: 59 rules\n',
    stderr: '',
  });
});

test('ten faults at once, each with its place, in the order of the text', async () => {
  const files = ['--host', `${folder}/host.yaml`, '--policy', goldenPath('policy/ten-faults.yaml')];
  const { code, stdout, stderr } = await runCli(['check', ...files]);
  assert.equal(code, 1);
  assert.equal(stderr, '');
  const places = [...stdout.matchAll(/^\S+ten-faults\.yaml:(\d+):(\d+): error\[([a-z-]+)\]: /gm)];
  assert.ok(new Set(places.map(([, , , what]) => what)).size >= 10);
  const order = places.map(([, line, column]) => Number(line) * 1000 + Number(column));
  assert.deepEqual(
    order,
    order.toSorted((a, b) => a - b),
  );
  assertGolden(stdout.replaceAll(goldenPath('policy/ten-faults.yaml'), 'ten-faults.yaml'), 'cli/check-ten-faults.txt');
});

test('the same by standard input, under its name', async () => {
  const input = 'guests: { kali2: { ip: 192.168.50.012 } }\n';
  const { code, stdout } = await runCli(['check', '--host', `${folder}/host.yaml`, '--policy', '-'], { input });
  assert.equal(code, 1);
  assert.match(stdout, /^<stdin>:1:24: error\[bad-address\]: '192\.168\.50\.012' is not an IP address\n {2}hint: /);
});

test('faults of policy, host and both together come at once', async (t) => {
  const directory = directoryWith(t, {
    host: example.host.replace('peer: vethb1 }', 'peer: vethb9 }'),
    policy: example.policy.replace('service: ping, log: true }', 'service: pingg, log: true }'),
  });
  const { code, stdout } = await runCli(['check', directory]);
  assert.equal(code, 1);
  assert.match(stdout, /host\.yaml:10:23: error\[peer-mismatch\]/);
  assert.match(stdout, /policy\.yaml:14:\d+: error\[bad-service\]/);
  assert.match(stdout, /\d errors, 0 warnings: no rules can be made\n$/);
});

test('a fault of one guest is a fault, and the rest has its rules', async (t) => {
  const policy = example.policy.replace('192.168.50.15 }', '192.168.50.15, port: vk64 }');
  const { code, stdout } = await runCli(['check', directoryWith(t, { ...example, policy })]);
  assert.equal(code, 1);
  assert.match(stdout, /\n1 errors, 1 warnings: \d+ rules\n$/);
});

test('warnings alone are no failure', async (t) => {
  const host = example.host.replace('      vethb2:', '      tap9: {}\n      vethb2:');
  const { code, stdout } = await runCli(['check', directoryWith(t, { ...example, host })]);
  assert.equal(code, 0);
  assert.match(stdout, /host\.yaml:10:7: warning\[unknown-port\]: port 'tap9'/);
  assert.match(stdout, /\n0 errors, 1 warnings: \d+ rules\n$/);
});

test('-o json: every fault with its code, place and hint; the keys are stable', async (t) => {
  const policy = example.policy
    .replace('192.168.50.15 }', '192.168.50.15, port: vk64 }')
    .replace(
      '- { from: host, to: any, via: br0 }',
      '- { from: host, to: any, via: br0 }\n  - { from: kali44, to: lamp }',
    );
  const { code, stdout, stderr } = await runCli(['check', directoryWith(t, { ...example, policy }), '-o', 'json']);
  assert.equal(code, 1);
  assert.equal(stderr, '');
  const data = JSON.parse(stdout);
  assert.equal(data.rules, null);
  assertGolden(stdout.replaceAll(/"file": ".*\/(\w+\.yaml)"/g, '"file": "$1"'), 'cli/check.json');
});

type Unreadable = readonly [what: string, make: (directory: string) => readonly string[], says: RegExp];

const unreadable: readonly Unreadable[] = [
  [
    'no such directory',
    (directory) => [join(directory, 'nowhere')],
    /^bridgekeeper: cannot read .*nowhere\/policy\.yaml: ENOENT/,
  ],
  [
    'no such file',
    () => ['--policy', 'nowhere.yaml', '--host', `${folder}/host.yaml`],
    /cannot read nowhere\.yaml: ENOENT/,
  ],
  [
    'a directory for a file',
    (directory) => ['--policy', directory, '--host', `${folder}/host.yaml`],
    /cannot read .*: EISDIR/,
  ],
  [
    'no UTF-8',
    (directory) => {
      writeFileSync(join(directory, 'policy.yaml'), Buffer.from('guests: { kali2: { ip: \xff } }', 'latin1'));
      return [directory];
    },
    /cannot read .*policy\.yaml: .*not valid/,
  ],
  [
    'more than any policy needs',
    (directory) => {
      writeFileSync(join(directory, 'policy.yaml'), Buffer.alloc(17 * 1024 * 1024, '# '));
      return [directory];
    },
    /cannot read .*policy\.yaml: larger than 16 MiB/,
  ],
  [
    'one standard input for two',
    () => ['--policy', '-', '--host', '-'],
    /standard input can be the host or the policy, not both/,
  ],
];

for (const [what, make, says] of unreadable) {
  test(`what cannot be read is not guessed: ${what}`, async (t) => {
    const directory = freshDirectory(t);
    mkdirSync(join(directory, 'empty'));
    const { code, stdout, stderr } = await runCli(['check', ...make(directory)]);
    assert.equal(code, 2);
    assert.equal(stdout, '');
    assert.match(stderr, says);
    assert.doesNotMatch(stderr, /\n\s+at /, 'no stack for a user');
  });
}

test('an empty policy, and one that is no map', async (t) => {
  for (const policy of ['', '# nothing\n', '- 1\n', 'hello\n']) {
    const { code, stdout } = await runCli(['check', directoryWith(t, { ...example, policy })]);
    assert.equal(code, 1, JSON.stringify(policy));
    assert.match(stdout, /policy\.yaml:1:1: error\[(?:syntax|wrong-type)\]/);
  }
});
