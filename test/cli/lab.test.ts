// `lab` from the command line, on the real kernel. Most of a lab's time is waiting: what can, runs at once.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { identityOf, type ProcessIdentity } from '../../src/lab/registry.ts';
import { ended } from '../support/child.ts';
import { needsRoot } from '../support/namespace.ts';
import { program, type Run, root, runCli, runProgram } from '../support/run-cli.ts';

const folder = 'examples/two-bridge';

const lab = (...argv: readonly string[]): Promise<Run> => runCli(['lab', folder, '--no-flows', ...argv]);

const skip = needsRoot;

type Row = {
  readonly what: string;
  readonly argv: readonly string[];
  readonly code: number;
  /** What stdout says, in any order; and what it must not say. */
  readonly says: readonly RegExp[];
  readonly never?: RegExp;
};

const failed = (variant: string, attack: number) => new RegExp(`^\\[${variant}\\] attack ${attack} \\(`, 'm');

const rows: readonly Row[] = [
  {
    what: 'attack 1 is stopped by rule 16, and every log line was predicted',
    argv: ['--attack', '1'],
    code: 0,
    says: [
      /^nft, ARP unchecked +1 +kali2 +kali3 <-> kali4 +2 of 2 +0 +0 +0 of 2 +RULE 16 vk63>vethb2, RULE 16 vk64>vethb2 +matched$/m,
      /^nft, ARP bound +1 +kali2 +kali3 <-> kali4 +0 of 2 +0 +0 +2 of 2 +the lie itself was denied +matched$/m,
      /^2 attacks tried, 2 stopped on this kernel; every log line was predicted$/m,
    ],
    never: /FAILED/,
  },
  {
    what: 'without rule 16 attack 1 fails on both back ends: another rule stops it than was predicted',
    argv: ['--attack', '1', '--without', '16', '--backend', 'both', '--arp-checks', 'off'],
    code: 3,
    says: [
      failed('iptables', 1),
      failed('nft, ARP unchecked', 1),
      /predicted: RULE 16 -- DENY/,
      /^FAILED: see above$/m,
    ],
    never: /attack [2-7] \(/,
  },
  {
    what: 'without rule 2 attack 3 fails on both back ends: the attacker gets the packets',
    argv: ['--attack', '3', '--without', '2', '--backend', 'both', '--arp-checks', 'off'],
    code: 3,
    says: [
      failed('iptables', 3),
      failed('nft, ARP unchecked', 3),
      /packets of the victims reached the attacker/,
      /^FAILED: see above$/m,
    ],
    never: /attack [124567] \(/,
  },
];

for (const { what, argv, code, says, never } of rows) {
  test(what, { skip }, async () => {
    const run = await lab(...argv);
    assert.equal(run.code, code, `${run.stdout}\n${run.stderr}`);
    for (const said of says) assert.match(run.stdout, said);
    if (never !== undefined) assert.doesNotMatch(run.stdout, never);
  });
}

test('a rule that the list does not have cannot be left out', { skip }, async () => {
  const { code, stdout, stderr } = await lab('--attack', '1', '--without', '99');
  assert.deepEqual([code, stdout], [2, '']);
  assert.match(stderr, /^bridgekeeper: the list has no rule 99 to leave out$/m);
});

test('two labs of one host at once: both find their own log lines, and both pass', { skip }, async () => {
  const runs = await Promise.all(['1', '6'].map((attack) => lab('--attack', attack, '--arp-checks', 'off')));
  for (const { code, stdout, stderr } of runs) assert.equal(code, 0, `${stdout}\n${stderr}`);
  assert.match(runs[0]?.stdout ?? '', /RULE 16 vk63>vethb2/);
  assert.match(runs[1]?.stdout ?? '', /RULE 4 vk63>vk65/);
});

test('-o json: reports with attacks, outcomes and log lines', { skip }, async () => {
  const { code, stdout } = await lab('--attack', '6', '--arp-checks', 'off', '-o', 'json');
  assert.equal(code, 0);
  const { version, kind, simulated, failed: hasFailed, reports } = JSON.parse(stdout);
  assert.deepEqual([version, kind, simulated, hasFailed, reports.length], [1, 'lab', false, false, 1]);
  const [{ backend, arp, attacks }] = reports;
  assert.deepEqual([backend, arp, attacks.length], ['nft', 'unchecked', 1]);
  assert.deepEqual(attacks[0].outcome.stops[0], { number: 4, from: 'vk63', to: 'vk65' });
  assert.deepEqual(Object.keys(attacks[0]), ['attack', 'outcome', 'differences', 'lines', 'faults']);
});

test('who is not root sees the simulation, and is told so', { skip }, async (t) => {
  // in a user namespace without a mapping root is nobody
  const asNobody = (argv: readonly string[]) => runProgram('unshare', ['--user', ...argv]);
  if ((await asNobody(['true'])).code !== 0) {
    t.skip('needs user namespaces');
    return;
  }
  const run = await asNobody([process.execPath, program, 'lab', folder, '--attack', '1']);
  assert.equal(run.code, 0, run.stderr);
  assert.equal(run.stderr, 'not root: nothing is built on the kernel, this is the simulation only\n');
  assert.match(
    run.stdout,
    /^\[nft, ARP bound\] connections: (\d+) of \1 allowed ones work, (\d+) of \2 others are denied$/m,
  );
  assert.match(run.stdout, /^2 attacks tried, 2 stopped in the simulation$/m);
});

const registry = '/run/bridgekeeper/lab';

/** There from before the setting changes until it is put back. */
const earlier = `${registry}/earlier`;
const setting = '/proc/sys/net/netfilter/nf_log_all_netns';

/** Everything that the process started and that is alive, with what that started. */
function descendants(pid: number): readonly ProcessIdentity[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    const parent = parentOf(Number(name));
    if (parent !== undefined) parents.set(Number(name), parent);
  }
  const found: number[] = [pid];
  for (const known of found)
    found.push(...[...parents].flatMap(([child, parent]) => (parent === known ? [child] : [])));
  return found.slice(1).flatMap((one) => identityOf(one) ?? []);
}

function parentOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return undefined;
  }
}

function isThere({ pid, started }: ProcessIdentity): boolean {
  return identityOf(pid)?.started === started;
}

/** Who is in the registry of running labs: pids. Without a lab since the boot there is no registry. */
function registered(): readonly number[] {
  const names = existsSync(registry) ? readdirSync(registry).filter((name) => /^\d+$/.test(name)) : [];
  return names.flatMap((name) => {
    try {
      return [JSON.parse(readFileSync(`${registry}/${name}`, 'utf8')).pid as number];
    } catch {
      return []; // it left while we looked
    }
  });
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!holds() && Date.now() < deadline) await sleep(20);
  assert.ok(holds(), what);
}

async function startedLab(): Promise<ChildProcess> {
  const child = spawn(process.execPath, [program, 'lab', folder, '--backend', 'both'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.stdout?.resume();
  let told = '';
  child.stderr?.on('data', (data) => {
    told += data;
  });
  // all three variants are built and at work
  await until('the lab tries connections', () => [...told.matchAll(/trying \d+ connections/g)].length === 3);
  return child;
}

const settingNow = () => readFileSync(setting, 'utf8').trim();

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test(`${signal} in the midst of it: exit 130, and nothing is left`, { skip }, async () => {
    // while one comes or goes the setting is not yet, or still, its own
    const isUsed = registered().length > 0 || existsSync(earlier);
    const before = isUsed ? undefined : settingNow();
    const child = await startedLab();
    const pid = child.pid ?? 0;
    const started = descendants(pid);
    assert.ok(started.length > 15, `${started.length} processes: an agent for every machine of three labs`);
    assert.ok(registered().includes(pid));
    assert.equal(settingNow(), '1');
    child.kill(signal);
    const [code, by] = await ended(child);
    assert.deepEqual([code, by], [130, null]);
    await until('no process is left', () => !started.some(isThere));
    assert.ok(!registered().includes(pid), 'it has left the registry');
    // while labs of others run the setting is theirs; the last one puts it back
    const isBack = () => before === undefined || registered().length > 0 || settingNow() === before;
    await until('the setting is as it was', isBack);
  });
}
