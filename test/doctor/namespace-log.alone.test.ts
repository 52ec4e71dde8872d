// The kernel's setting that decides whether LOG writes for other network namespaces than the first. It belongs to the whole
// machine: these tests wait until no lab runs, and keep new ones out for the few seconds that they take.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { suite, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Verdict } from '../../src/doctor/verdict.ts';
import { ended, nextWords } from '../support/child.ts';
import { needsSituations, Situation } from './situation.ts';
import { debian12 } from './situations.ts';

const labs = '/run/bridgekeeper/lab';
const setting = '/proc/sys/net/netfilter/nf_log_all_netns';

/** Nobody joins the labs meanwhile; the setting is 0, and is put back afterwards. */
async function alone(action: () => Promise<void>): Promise<void> {
  for (let attempt = 0; attempt < 600; attempt++) {
    const release = await lockLabs();
    try {
      if (!readdirSync(labs).some((name) => /^\d+$/.test(name))) return await withoutLogging(action);
    } finally {
      await release();
    }
    await sleep(200);
  }
  throw new Error('there was always a lab');
}

/** As src/lab/registry.ts takes it. */
async function lockLabs(): Promise<() => Promise<void>> {
  mkdirSync(labs, { recursive: true, mode: 0o700 });
  const holder = spawn('flock', ['--exclusive', '--no-fork', `${labs}/lock`, 'cat'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  holder.stdin.write('\n');
  await nextWords(holder);
  return async () => {
    const gone = ended(holder);
    holder.stdin.end();
    await gone;
  };
}

async function withoutLogging(action: () => Promise<void>): Promise<void> {
  const earlier = readFileSync(setting, 'latin1').trim();
  if (earlier !== '0') writeFileSync(setting, '0');
  try {
    await action();
  } finally {
    if (readFileSync(setting, 'latin1').trim() !== earlier) writeFileSync(setting, earlier);
  }
}

async function rulesOf(on: Situation, ...args: readonly string[]): Promise<Verdict> {
  const { stdout, stderr } = await on.doctor(...args, '-o', 'json');
  assert.notEqual(stdout, '', stderr);
  return JSON.parse(stdout).paths.find(({ path }: Verdict) => path === 'rules');
}

async function container(t: TestContext): Promise<Situation> {
  const on = await Situation.start();
  t.after(() => on.end());
  await debian12(on);
  return on;
}

suite('net.netfilter.nf_log_all_netns', { skip: needsSituations }, () => {
  test('0: a rule in a container counts, and no ring has its line', async (t) => {
    const on = await container(t);
    await alone(async () => {
      const { code, stdout } = await on.doctor('--probe', '-o', 'json');
      const broken = JSON.parse(stdout).paths.filter(({ state }: Verdict) => state === 'broken');
      assert.deepEqual(
        broken.map(({ path, cause }: Verdict) => [path, cause]),
        [['rules', 'namespace-not-logged']],
        stdout,
      );
      assert.equal(code, 3);
    });
  });

  test('the fix on the host, and back', async (t) => {
    const on = await container(t);
    const host = await Situation.onHost();
    t.after(() => host.end());
    await alone(async () => {
      const { state, cause } = await rulesOf(host);
      assert.deepEqual([state, cause], ['works', 'namespaces-not-logged']);
      const shown = await host.doctor('--fix', 'nf-log-all-netns');
      assert.match(shown.stdout, /^\+net\.netfilter\.nf_log_all_netns = 1\n[\s\S]*^\$ sysctl -w net\.netfilter/m);
      assert.equal(shown.code, 2);
      assert.equal(readFileSync(setting, 'latin1').trim(), '0');
      const done = await host.doctor('--fix', 'nf-log-all-netns', '--yes');
      assert.equal(done.code, 0, done.stderr);
      assert.equal((await rulesOf(on, '--probe')).state, 'works');
      assert.equal((await host.doctor('--undo')).code, 0);
      assert.equal(readFileSync(setting, 'latin1').trim(), '0');
      assert.equal(await host.sh('ls /etc/sysctl.d | grep bridgekeeper || true'), '');
    });
  });
});
