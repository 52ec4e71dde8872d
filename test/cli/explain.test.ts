// `explain` as a user starts it: lines as arguments and by standard input, in the forms of all sources.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { stayingCli } from '../support/resident.ts';
import { freshDirectory } from '../support/run-cli.ts';
import { goldenText } from '../yaml/golden.ts';

const runCli = stayingCli();

const folder = 'examples/two-bridge';
const log = goldenText('logs/bridge-host-journal.log');
const text =
  'RULE 16 -- DENY IN=virbr6 OUT=virbr6 PHYSIN=vk63 PHYSOUT=vethb2 MAC=52:54:00:f2:a4:8d:52:54:00:b1:5d:1f:08:00 SRC=192.168.50.13 DST=192.168.50.14 LEN=84 TOS=0x00 PREC=0x00 TTL=64 ID=16140 DF PROTO=ICMP TYPE=8 CODE=0 ID=1756 SEQ=1 ';

const forms: readonly (readonly [source: string, line: string])[] = [
  ['the journal, short', `Mar 17 13:21:53 mytux kernel: ${text}`],
  ['the journal, short-iso', `2017-03-17T13:21:53+0100 mytux kernel: ${text}`],
  ['rsyslog', `Mar 17 13:21:53 mytux kernel: [ 1245.082097] ${text}`],
  ['/dev/kmsg', `4,1234,1245082097,-;${text}`],
  ['dmesg', `[ 1245.082097] ${text}`],
  ['dmesg -r', `<4>[ 1245.082097] ${text}`],
  ['dmesg -T', `[Fri Mar 17 13:21:53 2017] ${text}`],
  ['dmesg -x', `kern  :warn  : [ 1245.082097] ${text}`],
  ['dmesg -H', `[  +0.000275] ${text}`],
  ['dmesg, where printk names its caller', `[ 1245.082097] [    C1] ${text}`],
  ['the journal, json', JSON.stringify({ _TRANSPORT: 'kernel', _HOSTNAME: 'mytux', MESSAGE: text })],
  ['the text alone', text],
];

for (const [source, line] of forms) {
  test(`a line as ${source} has it`, async () => {
    const run = await runCli(['explain', folder, line]);
    const wanted = goldenText('explain/line-01.txt').replace('host.yaml', `${folder}/host.yaml`);
    assert.deepEqual([run.code, run.stdout, run.stderr], [0, wanted, '']);
  });
}

test('on a machine without a policy a line still says who and what; a long one is no path', async () => {
  const ufw = text.replace('RULE 16 -- DENY ', '[UFW BLOCK] ');
  for (const line of [ufw, `Apr 05 16:05:52 deb11 kernel: ${ufw}`]) {
    const run = await runCli(['explain', line]);
    assert.deepEqual([run.code, run.stderr], [0, '']);
    assert.match(run.stdout, /^Stopped by '\[UFW BLOCK\]'[\s\S]*192\.168\.50\.13/);
    assert.doesNotMatch(run.stdout, /host file|Attacker/);
  }
  const garbage = await runCli(['explain', 'x'.repeat(5_000)]);
  assert.equal(garbage.code, 1);
});

test('a whole log by standard input, with other lines in between', async () => {
  const input = `Mar 17 13:21:50 mytux sshd[1]: Accepted publickey\n${log}`;
  const run = await runCli(['explain', folder], { input });
  assert.equal(run.code, 0);
  assert.equal(run.stderr, '1 other lines are no lines of the firewall log\n');
  const blocks = run.stdout.trimEnd().split('\n\n');
  assert.equal(blocks.length, 14);
  for (const [index, block] of blocks.entries()) {
    const wanted = goldenText(`explain/line-${String(index + 1).padStart(2, '0')}.txt`)
      .replaceAll('host.yaml', `${folder}/host.yaml`)
      .replaceAll('policy.yaml', `${folder}/policy.yaml`);
    assert.deepEqual(
      block
        .split('\n')
        .slice(1)
        .map((line) => line.trim()),
      wanted.trimEnd().split('\n'),
    );
  }
});

test('-o json is one versioned object a line', async () => {
  const run = await runCli(['explain', folder, '-o', 'json'], { input: log });
  const values = run.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.equal(values.length, 14);
  assert.ok(values.every(({ version, kind }) => version === 1 && kind === 'explanation'));
  assert.deepEqual(values[0].suspect, { kind: 'guest', name: 'kali2', bridge: 'virbr4', port: 'vk42' });
  assert.deepEqual(values[7].culprit, { kind: 'guest', name: 'kali3', bridge: 'virbr6', port: 'vk63' });
  assert.deepEqual([values[0].culprit, values[7].suspect, values[3].culprit], [null, null, null]);
  const redirected = values[0].findings.find(({ kind }: { kind: string }) => kind === 'redirected');
  assert.equal(redirected.mac, '52:54:00:f2:a4:8d');
  assert.deepEqual(
    redirected.victims.map(({ ip }: { ip: string }) => ip),
    ['192.168.50.13', '192.168.50.14'],
  );
  const rule = values[0].findings.find(({ kind }: { kind: string }) => kind === 'rule');
  assert.deepEqual(
    [rule.id, rule.origin.span],
    ['port/vethb2/out/destination', { file: `${folder}/host.yaml`, line: 10, column: 7 }],
  );
});

const nothing: readonly (readonly [what: string, argv: readonly string[], input: string, says: RegExp])[] = [
  [
    'a line of something else',
    ['Mar 17 13:21:50 mytux sshd[1]: Accepted'],
    '',
    /'Mar 17 .*' is no line of the firewall log/,
  ],
  ['an escape sequence', ['\x1b]0;owned\x07'], '', /'\\x1b\]0;owned\\x07' is no line/],
  ['lines of something else', [], 'one\ntwo\n', /none of 2 lines is a line of the firewall log/],
  ['nothing at all', [], '', /none of 0 lines is a line of the firewall log/],
];

for (const [what, argv, input, says] of nothing) {
  test(`${what}: nothing can be explained, exit code 1`, async () => {
    const run = await runCli(['explain', folder, ...argv], { input });
    assert.deepEqual([run.code, run.stdout], [1, '']);
    assert.match(run.stderr, says);
  });
}

test('of several lines one that can be explained is enough', async () => {
  const run = await runCli(['explain', folder, 'rubbish', text]);
  assert.equal(run.code, 0);
  assert.match(run.stdout, /The attacker may be kali2/);
  assert.match(run.stderr, /'rubbish' is no line/);
});

test('an interface name that is an escape sequence is printed as one, also in JSON', async () => {
  const line = text.replace('PHYSIN=vk63', 'PHYSIN=\x1b[31mred\u009b');
  for (const output of ['text', 'json']) {
    const run = await runCli(['explain', folder, '-o', output], { input: `${line}\n` });
    assert.equal(run.code, 0);
    assert.ok(run.stdout.includes('red'));
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
    assert.doesNotMatch(run.stdout, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
  }
});

test('with the numbers of the loaded rules a line means the rule that wrote it', async (t) => {
  const numbers = join(freshDirectory(t), 'numbers.json');
  writeFileSync(numbers, JSON.stringify({ 'port/vethb2/out/destination': 99, rest: 16 }));
  const line = text.replace('RULE 16', 'RULE 99');
  const [known, unknown, missing] = await Promise.all([
    runCli(['explain', folder, '--numbers', numbers, line]),
    runCli(['explain', folder, line]),
    runCli(['explain', folder, '--numbers', `${numbers}.not`, line]),
  ]);
  assert.match(known.stdout, /RULE 99 denies here: destination is not behind vethb2/);
  assert.match(unknown.stdout, /No rule has the number 99 now/);
  assert.deepEqual([missing.code, missing.stdout], [2, '']);
  assert.match(missing.stderr, /it is not there/);
});

test('standard input is one thing only', async () => {
  const run = await runCli(['explain', '--host', `${folder}/host.yaml`, '--policy', '-'], { input: log });
  assert.equal(run.code, 2);
  assert.match(run.stderr, /standard input cannot be the lines and also/);
});

test('a policy by standard input, and the line as an argument', async () => {
  const input =
    'guests: { kali2: { ip: 192.168.50.12 }, kali3: { ip: 192.168.50.13 }, kali4: { ip: 192.168.50.14 }, kali5: { ip: 192.168.50.15 } }\nallow: []\ndhcp: none\n';
  const run = await runCli(['explain', '--host', `${folder}/host.yaml`, '--policy', '-', text], { input });
  assert.match(run.stdout, /The attacker may be kali2, at port vk42 of virbr4\. Victims: kali3 and kali4\./);
});
