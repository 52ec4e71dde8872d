// `watch` as a user starts it: what it says of sources that are not there or are none, and one form of an event for all.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { appendFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ended } from '../support/child.ts';
import { exampleTexts } from '../support/compiled.ts';
import { Resident } from '../support/resident.ts';
import { freshDirectory, program, runCli, runProgram } from '../support/run-cli.ts';
import { goldenText } from '../yaml/golden.ts';

const log = goldenText('logs/bridge-host-journal.log');
const [firstLine = ''] = log.split('\n');
/** For commands that read nothing and end at once. */
const resident = new Resident([]);
after(() => resident.close());

const needsRoot = process.getuid?.() === 0 ? false : 'a mount namespace needs root';

test('of the usual files that are not there one line tells, and they are followed when they come', {
  skip: needsRoot,
}, async (t) => {
  const script = 'mount -t tmpfs tmpfs /var/log && : >/var/log/kern.log && exec "$@"';
  const argv = ['-m', '--propagation', 'private', 'sh', '-c', script, 'sh', process.execPath, program];
  const child = spawn('unshare', [...argv, 'watch', '--no-store'], { stdio: ['ignore', 'pipe', 'pipe'] });
  t.after(() => child.kill('SIGKILL'));
  const said = { out: '', err: '' };
  child.stdout.on('data', (chunk) => (said.out += chunk));
  child.stderr.on('data', (chunk) => (said.err += chunk));
  for (let waited = 0; waited < 600 && !said.err.includes('following'); waited++) await sleep(100);
  await sleep(500);
  appendFileSync(`/proc/${child.pid}/root/var/log/ufw.log`, firstLine.replace('RULE 16', 'LATE 16').concat('\n'));
  for (let waited = 0; waited < 600 && !said.out.includes('LATE 16'); waited++) await sleep(100);
  child.kill('SIGINT');
  await ended(child);
  const absent = said.err.split('\n').filter((line) => line.includes('/var/log/') && !line.startsWith('following'));
  assert.deepEqual(absent, [
    'not there, and followed when they come: /var/log/ufw.log, /var/log/syslog, /var/log/messages, ' +
      '/var/log/firewall, /var/log/ulogd.json, /var/log/ulog/ulogd.json',
  ]);
  assert.match(said.err, /^following .*file:\/var\/log\/kern\.log$/m);
  assert.match(said.out, /LATE 16/);
});

test('what is no file is refused at once, with what to do instead', { timeout: 60_000 }, async (t) => {
  const directory = freshDirectory(t);
  const [folder, pipe] = [join(directory, 'folder'), join(directory, 'pipe')];
  mkdirSync(folder);
  execFileSync('mkfifo', [pipe]);
  const rows: readonly (readonly [name: string, words: RegExp])[] = [
    [folder, /'.*folder' is a directory: name a file in it, or journal:.*folder for a journal's/],
    [`file:${folder}`, /is a directory/],
    [`ulogd:${folder}`, /is a directory/],
    [pipe, /'.*pipe' is a pipe: watch - <.*pipe/],
    ['/dev/null', /'\/dev\/null' is a device, and no log file$/m],
    ['/dev/kmsg', /'\/dev\/kmsg' is a device: the source is named kmsg$/m],
  ];
  for (const [name, words] of rows) {
    const run = await resident.run(['watch', name, '--no-store']);
    assert.deepEqual([run.code, run.stdout], [2, ''], `${name}: ${run.stderr}`);
    assert.match(run.stderr, words);
  }
});

test('a file that becomes a pipe keeps nobody waiting', async (t) => {
  const pipe = join(freshDirectory(t), 'kern.log');
  const child = spawn(process.execPath, [program, 'watch', pipe, '--no-store'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  t.after(() => child.kill('SIGKILL'));
  let said = '';
  child.stderr.on('data', (chunk) => (said += chunk));
  for (let waited = 0; waited < 600 && !said.includes('ENOENT'); waited++) await sleep(100);
  execFileSync('mkfifo', [pipe]);
  for (let waited = 0; waited < 600 && !said.includes('is no file'); waited++) await sleep(100);
  assert.match(said, /kern\.log is no file/);
  child.kill('SIGINT');
  const [code] = await ended(child);
  assert.equal(code, 130);
});

test('--state without a name is refused; an empty BRIDGEKEEPER_STATE is none', async (t) => {
  for (const argv of [['watch', '-', '--store'], ['events'], ['doctor', '--undo'], ['ufw', 'check', '--undo']]) {
    const run = await resident.run([...argv, '--state', '']);
    assert.deepEqual([run.code, run.stdout], [2, ''], run.stderr);
    assert.match(run.stderr, /^bridgekeeper: --state wants the name of a directory$/m);
  }
  const state = freshDirectory(t);
  const run = await runCli(['events', '--state', state], { env: { BRIDGEKEEPER_STATE: '' } });
  assert.match(run.stderr, /no event store/);
});

test('a reader that has seen enough ends it quietly, with 0, and the store can be used', async (t) => {
  const state = join(freshDirectory(t), 'state');
  const lines = Array.from({ length: 3_000 }, (_, at) => firstLine.replace('ID=16140', `ID=${at}`)).join('\n');
  const run = `"$1" "$2" watch - --store --state "$3"`;
  for (const pipe of [
    `${run} | head -n 1; echo "code \${PIPESTATUS[0]}"`,
    `{ ${run}; echo "code $?" >&3; } 2>&1 | head -n 1`,
    `{ sleep 0.5; ${run}; echo "code $?" >&3; } 2>&1 >/dev/null | true`,
  ]) {
    const { stdout, stderr } = await runProgram(
      'bash',
      ['-c', `exec 3>&1; ${pipe}`, 'bash', process.execPath, program, state],
      { input: lines },
    );
    assert.match(stdout, /code 0/);
    assert.doesNotMatch(stdout + stderr, /EPIPE|\n\s+at /);
  }
  const kept = await resident.run(['events', '--state', state, '-o', 'csv']);
  assert.equal(kept.code, 0);
  assert.ok(kept.stdout.split('\n').length > 2);
});

test('an event has one form: as it comes, as it is kept, and as another one shows what is kept', async (t) => {
  const state = join(freshDirectory(t), 'state');
  const [begin, end] = [log.slice(0, log.indexOf('\n') + 1), log.slice(log.indexOf('\n') + 1)];
  const json = ['--state', state, '-o', 'json'];
  const first = await runCli(['watch', '-', '--store', ...json], { input: begin });
  const following = spawn(process.execPath, [program, 'events', '--follow', ...json], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  t.after(() => following.kill('SIGKILL'));
  let shown = '';
  following.stdout.on('data', (chunk) => (shown += chunk));
  for (let waited = 0; waited < 600 && !shown.includes('\n'); waited++) await sleep(100);
  const second = await runCli(['watch', '-', '--store', ...json], { input: end });
  for (let waited = 0; waited < 600 && shown.trimEnd().split('\n').length < 14; waited++) await sleep(100);
  following.kill('SIGINT');
  const kept = await resident.run(['events', ...json]);
  const events = (text: string): readonly Record<string, unknown>[] =>
    text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
  const live = [...events(first.stdout), ...events(second.stdout)];
  assert.equal(live.length, 14);
  assert.deepEqual(live, events(kept.stdout));
  assert.deepEqual(events(shown), events(kept.stdout));
  assert.deepEqual(
    live.map((event) => Object.keys(event).at(-1)),
    events(kept.stdout).map((event) => Object.keys(event).at(-1)),
  );
  assert.ok(
    live.some(({ id, path }) => path !== undefined && path !== id),
    'one packet over two bridges',
  );
  assert.ok(live.every(({ raw }) => String(raw) === String(raw).trimEnd()));
});

test('host and policy are read again when they change; a version with faults changes nothing', async (t) => {
  const directory = freshDirectory(t);
  const [host, policy] = [join(directory, 'host.yaml'), join(directory, 'policy.yaml')];
  const texts = exampleTexts();
  writeFileSync(host, texts.host);
  writeFileSync(policy, texts.policy);
  const argv = ['watch', '-', '--host', host, '--policy', policy];
  const child = spawn(process.execPath, [program, ...argv], { stdio: ['pipe', 'pipe', 'pipe'] });
  t.after(() => child.kill('SIGKILL'));
  const said = { out: '', err: '' };
  child.stdout.on('data', (chunk) => (said.out += chunk));
  child.stderr.on('data', (chunk) => (said.err += chunk));
  const shown = async (): Promise<string> => {
    const before = said.out.length;
    await sleep(1_100);
    child.stdin.write(`${firstLine}\n`);
    for (let waited = 0; waited < 600 && !said.out.slice(before).endsWith('\n'); waited++) await sleep(100);
    return said.out.slice(before);
  };
  assert.match(await shown(), /vk63 \(kali3\)/);
  writeFileSync(policy, 'guests: [');
  assert.match(await shown(), /vk63 \(kali3\)/);
  assert.match(said.err, /policy\.yaml:1:.*error[\s\S]*have faults: what was read before stays in use/);
  rmSync(policy);
  assert.match(await shown(), /vk63 \(kali3\)/);
  assert.match(said.err, /cannot read .*policy\.yaml.*; what was read before stays in use/);
  const errors = said.err;
  assert.match(await shown(), /vk63 \(kali3\)/);
  assert.equal(said.err, errors, 'said once');
  writeFileSync(host, texts.host.replaceAll('kali3', 'mallory'));
  writeFileSync(policy, texts.policy.replaceAll('kali3', 'mallory'));
  assert.match(await shown(), /vk63 \(mallory\)/);
  assert.match(said.err, /were read again$/m);
  child.stdin.end();
  const [code] = await ended(child);
  assert.equal(code, 0);
});
