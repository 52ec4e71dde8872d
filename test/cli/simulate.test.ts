import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stayingCli } from '../support/resident.ts';
import { assertGolden } from '../yaml/golden.ts';

const runCli = stayingCli();

const folder = 'examples/two-bridge';

type Row = readonly [argv: string, code: number, lastLine: string];

/** 0 when the packet came through or the attack was stopped, 3 when not. */
const rows: readonly Row[] = [
  ['--from kali3 --to kali4', 0, 'outcome: answered'],
  ['--from kali3 --to kali4 --icmp', 0, 'outcome: answered'],
  ['--from kali3 --to 192.168.50.14', 0, 'outcome: answered'],
  ['--from kali4 --to lamp --tcp 80', 0, 'outcome: connected'],
  ['--from kali4 --to lamp --tcp 80 --backend iptables', 0, 'outcome: connected'],
  ['--from kali3 --to lamp --tcp 80', 3, 'outcome: silent'],
  ['--from kali3 --to lamp --tcp 80 --backend iptables', 3, 'outcome: silent'],
  ['--from kali3 --to lamp --udp 53', 3, 'outcome: silent'],
  ['--from host --to lamp --udp 53', 0, 'outcome: refused'],
  ['--from kali2 --to host', 0, 'outcome: answered'],
  ['--from admin --to host --tcp 22', 0, 'outcome: connected'],
  ['--from lamp --to host', 3, 'outcome: silent'],
  [
    '--attack 1',
    0,
    'outcome: 2 of 2 caches poisoned, 0 packets caught, 0 relayed, stopped by RULE 16 (vk63 -> vethb2), RULE 16 (vk64 -> vethb2)',
  ],
  [
    '--attack 5 --backend iptables',
    0,
    'outcome: 2 of 2 caches poisoned, 0 packets caught, 0 relayed, stopped by RULE 20 (vethb1 -> vmh1), RULE 20 (vk42 -> vmh1)',
  ],
  [
    '--attack 7',
    0,
    'outcome: 2 of 2 caches poisoned, 0 packets caught, 0 relayed, stopped by RULE 16 (vk63 -> vethb2), RULE 16 (vk64 -> vethb2)',
  ],
  ['--attack 1 --arp-checks on', 0, 'outcome: 0 of 2 caches poisoned, 0 packets caught, 0 relayed'],
];

for (const [argv, code, lastLine] of rows) {
  test(`simulate ${argv}`, async () => {
    const run = await runCli(['simulate', folder, ...argv.split(' ')]);
    assert.deepEqual([run.code, run.stdout.trimEnd().split('\n').at(-1), run.stderr], [code, lastLine, '']);
  });
}

test('every outcome occurred', () => {
  const outcomes = new Set(rows.map(([, , line]) => line.replace(/,.*/, '')));
  const attacks = ['2 of 2', '0 of 2'].map((caches) => `${caches} caches poisoned`);
  const wanted = ['answered', 'connected', 'silent', 'refused', ...attacks].map((outcome) => `outcome: ${outcome}`);
  assert.deepEqual(outcomes, new Set(wanted));
});

const wrong: readonly (readonly [argv: string, says: RegExp])[] = [
  ['', /say --from and --to, or --attack/],
  ['--from kali3', /say --from and --to, or --attack/],
  ['--from nobody --to kali3', /no machine is named 'nobody'; there are host, kali3,/],
  ['--from kali3 --to nobody', /'nobody' is no machine and no IPv4 address/],
  ['--from kali3 --to fe80::1', /'fe80::1' is no machine and no IPv4 address/],
  ['--attack 99', /there is no attack 99 on this host/],
  ['--attack one', /a whole number is wanted/],
  ['--from kali3 --to kali4 --tcp 0', /ports go from 1 to 65535/],
  ['--from kali3 --to kali4 --udp 65536', /ports go from 1 to 65535/],
  ['--from kali3 --to kali4 --backend ebtables', /Allowed choices are nft, iptables/],
];

for (const [argv, says] of wrong) {
  test(`simulate ${argv}: wrong usage`, async () => {
    const run = await runCli(['simulate', folder, ...argv.split(' ').filter((word) => word !== '')]);
    assert.deepEqual([run.code, run.stdout], [2, '']);
    assert.match(run.stderr, says);
  });
}

test('the way of a packet, hop by hop', async () => {
  const { stdout } = await runCli([
    'simulate',
    folder,
    '--from',
    'kali4',
    '--to',
    'lamp',
    '--tcp',
    '22',
    '--backend',
    'iptables',
  ]);
  assertGolden(stdout, 'cli/simulate-denied.txt');
});

test('an attack, step by step', async () => {
  const { stdout } = await runCli(['simulate', folder, '--attack', '3']);
  assertGolden(stdout, 'cli/simulate-attack-3.txt');
});

test('-o json: the step, its outcome, the journeys and the log; the keys are stable', async () => {
  const argv = ['simulate', folder, '--from', 'kali3', '--to', 'kali4', '--backend', 'iptables', '-o', 'json'];
  const { code, stdout, stderr } = await runCli(argv);
  assert.deepEqual([code, stderr], [0, '']);
  assertGolden(keysOf(JSON.parse(stdout)), 'cli/simulate-keys.txt');
});

test('-o json of an attack: steps, results and outcome', async () => {
  const { code, stdout } = await runCli(['simulate', folder, '--attack', '1', '-o', 'json']);
  assert.equal(code, 0);
  assertGolden(keysOf(JSON.parse(stdout)), 'cli/simulate-attack-keys.txt');
});

/** Every path to a value, once, with the type of the value. */
function keysOf(data: unknown): string {
  const paths = new Set<string>();
  const visit = (value: unknown, path: string): void => {
    if (Array.isArray(value)) for (const one of value) visit(one, `${path}[]`);
    else if (typeof value === 'object' && value !== null) {
      for (const [key, one] of Object.entries(value)) visit(one, path === '' ? key : `${path}.${key}`);
    } else paths.add(`${path}: ${value === null ? 'null' : typeof value}`);
  };
  visit(data, '');
  return `${[...paths].toSorted().join('\n')}\n`;
}
