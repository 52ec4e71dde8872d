// A disk that is full, or that cannot be written any more: nothing is loaded then, and what waits comes back all the same.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { mustRun, needsRoot } from '../support/namespace.ts';
import { LiveHost } from './live-host.ts';
import { timeIsOver } from './time-is-over.ts';

/** The state directory on a small disk of its own. */
async function smallDisk(t: TestContext, options = 'size=1m'): Promise<LiveHost> {
  const host = await LiveHost.build();
  mkdirSync(host.state);
  await mustRun(host.namespace, 'mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', host.state]);
  t.after(async () => {
    await host.namespace.run('umount', ['-l', host.state]);
    await host.close();
  });
  return host;
}

function fill(host: LiveHost): void {
  for (let index = 0; index < 1000; index++) {
    try {
      writeFileSync(join(host.state, `fill.${index}`), Buffer.alloc(64 * 1024));
    } catch {
      return;
    }
  }
  assert.fail('the disk was not filled');
}

async function untilRules(host: LiveHost, wanted: string, ms: number): Promise<boolean> {
  for (const end = Date.now() + ms; Date.now() < end; await sleep(500))
    if ((await host.digest()) === wanted) return true;
  return false;
}

suite('a bad disk', { skip: needsRoot }, () => {
  for (const backend of ['nft', 'iptables'] as const)
    test(`${backend}: full before the change: refused, nothing is loaded, nothing is left`, async (t) => {
      const host = await smallDisk(t);
      await host.applyHere('ssh', undefined, backend);
      const old = await host.digest();
      fill(host);
      const { code, stderr } = await host.run(['apply', '--policy', host.policy('http'), '--backend', backend]);
      assert.equal(code, 2, stderr);
      assert.match(stderr, /cannot write .*ENOSPC/);
      assert.equal(await host.digest(), old);
      assert.equal(existsSync(join(host.state, 'generations', '000002')), false);
      const tables = await mustRun(host.namespace, 'nft', ['list', 'tables']);
      assert.doesNotMatch(tables.stdout, /bk_/);
    });

  const ways: readonly (readonly [how: string, options: string, spoil: (host: LiveHost) => unknown])[] = [
    ['full', 'size=1m', fill],
    ['out of names for files', 'size=1m,nr_inodes=60', (host) => spendNames(host)],
    ['read-only', 'size=1m', (host) => mustRun(host.namespace, 'mount', ['-o', 'remount,ro', host.state])],
  ];
  for (const [how, options, spoil] of ways) {
    test(`${how} while a change waits: the old rules come back`, async (t) => {
      const host = await smallDisk(t, options);
      await host.applyHere('ssh');
      const old = await host.digest();
      await host.mustRun(['apply', '--policy', host.policy('http'), '--confirm', '10m']);
      assert.notEqual(await host.digest(), old);
      await spoil(host);
      await timeIsOver(host.state);
      assert.ok(await untilRules(host, old, 30_000), 'the old rules are back');
    });
  }
});

function spendNames(host: LiveHost): void {
  for (let index = 0; index < 100; index++) {
    try {
      writeFileSync(join(host.state, `name.${index}`), '');
    } catch {
      return;
    }
  }
  assert.fail('there are names left');
}
