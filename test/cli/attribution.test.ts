// Events tied to rule, policy line, port and guest: in `watch` as they come and in `events` from the store.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { stayingCli } from '../support/resident.ts';
import { freshDirectory } from '../support/run-cli.ts';
import { goldenText } from '../yaml/golden.ts';

const runCli = stayingCli();

const folder = 'examples/two-bridge';
const facts = ['--host', `${folder}/host.yaml`, '--policy', `${folder}/policy.yaml`];
const log = goldenText('logs/bridge-host-journal.log');

const wanted = [
  'host.yaml:10  redirected: kali2? between kali3 and kali4',
  'host.yaml:10  redirected: kali2? between kali3 and kali4',
  'policy.yaml:14  (damaged)',
  'policy.yaml:4  (damaged)',
  'policy.yaml:15',
  'policy.yaml:15  redirected: kali3 between host and kali4',
  'policy.yaml:5  redirected: kali3? between host and kali4',
  'host.yaml:14  redirected: kali3 between kali2 and host',
  'policy.yaml:15',
  'host.yaml:14  redirected: kali3 between host and kali2',
  'policy.yaml:14  redirected: host? between kali3 and kali2',
  'host.yaml:15  redirected: host? between kali3 and kali2',
  'host.yaml:15  redirected: host between kali2 and kali3',
  'host.yaml:15  redirected: host between kali2 and kali3',
];

function endsOf(stdout: string): readonly string[] {
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => line.replace(/^.*code 0(?: {2}|$)/, ''));
}

test('watch: who did it and by which line', async () => {
  const run = await runCli(['watch', '-', ...facts], { input: log });
  assert.equal(run.code, 0);
  assert.deepEqual(endsOf(run.stdout), wanted);
  assert.match(run.stdout, / {2}RULE 16 {2}vk63 \(kali3\) -> vethb2 {2}192\.168\.50\.13 -> 192\.168\.50\.14 /);
});

const isInstalled = existsSync('/etc/bridgekeeper/policy.yaml');

test('watch without host and policy at hand: the lines alone', {
  skip: isInstalled && 'a policy is installed here',
}, async () => {
  const run = await runCli(['watch', '-'], { input: log });
  assert.equal(run.code, 0);
  assert.equal(run.stdout.trimEnd().split('\n').length, 14);
  assert.doesNotMatch(run.stdout, /yaml|kali/);
});

test('events: text, JSON and CSV from the store', async (t) => {
  const state = join(freshDirectory(t), 'state');
  const kept = await runCli(['watch', '-', '--store', '--state', state], { input: log });
  assert.equal(kept.code, 0, kept.stderr);
  const [text, json, csv, bare] = await Promise.all([
    runCli(['events', folder, '--state', state]),
    runCli(['events', folder, '--state', state, '-o', 'json']),
    runCli(['events', folder, '--state', state, '-o', 'csv']),
    runCli(['events', '--state', state, '-o', 'json']),
  ]);
  assert.deepEqual(endsOf(text.stdout), wanted, text.stderr);
  const [first] = json.stdout.split('\n').map((line) => (line === '' ? undefined : JSON.parse(line)));
  assert.deepEqual(first.meaning, {
    rule: 'port/vethb2/out/destination',
    line: { file: `${folder}/host.yaml`, line: 10, column: 7 },
    bridge: 'virbr6',
    from: { port: 'vk63', guest: 'kali3' },
    to: { port: 'vethb2' },
    doubt: 'redirected',
    suspect: 'kali2',
    victims: ['kali3', 'kali4'],
  });
  const rows = csv.stdout.trimEnd().split('\n');
  assert.match(rows[0] ?? '', /,text,rule_id,policy_line,bridge,guest_in,guest_out,finding,culprit,victims,suspect$/);
  assert.match(
    rows[1] ?? '',
    /,port\/vethb2\/out\/destination,examples\/two-bridge\/host\.yaml:10:7,virbr6,kali3,,redirected,,kali3 kali4,kali2$/,
  );
  assert.equal(rows.length, 15);
  if (!isInstalled) assert.ok(!('meaning' in JSON.parse(bare.stdout.split('\n')[0] ?? '')));
});

test('events of one guest, with the numbers of the loaded rules missing: said, not guessed', async (t) => {
  const state = join(freshDirectory(t), 'state');
  await runCli(['watch', '-', '--store', '--state', state], { input: log });
  const run = await runCli(['events', folder, '--state', state, '--guest', 'kali4']);
  assert.equal(run.stdout.trimEnd().split('\n').length, 5);
  const refused = await runCli(['events', folder, '--state', state, '--numbers', join(state, 'none')]);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /it is not there/);
});
