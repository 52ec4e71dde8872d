// Taking all rules away, as `uninstall` does: ours are gone, others' are as they were, and nothing comes back.
import assert from 'node:assert/strict';
import { suite, type TestContext, test } from 'node:test';
import { applyTarget } from '../../src/apply/live/apply.ts';
import { confirmedId, generationIds } from '../../src/apply/live/state.ts';
import { unloadRules } from '../../src/apply/live/unload.ts';
import type { Backend } from '../../src/model/ruleset.ts';
import { mustRun, needsRoot } from '../support/namespace.ts';
import { LiveHost } from './live-host.ts';

async function hostWithOthers(t: TestContext): Promise<LiveHost> {
  const host = await LiveHost.build();
  t.after(() => host.close());
  // in each: chains without rules, once they are there, are left there by iptables itself
  for (const chain of ['INPUT', 'FORWARD', 'OUTPUT']) {
    await mustRun(host.namespace, 'iptables', ['-A', chain, '-p', 'sctp', '-j', 'DROP']);
  }
  await mustRun(host.namespace, 'nft', ['add', 'table', 'bridge', 'theirs']);
  return host;
}

async function rules(host: LiveHost): Promise<string> {
  const { stdout } = await mustRun(host.namespace, 'nft', ['list', 'ruleset']);
  return stdout.replaceAll(/counter packets \d+ bytes \d+ /g, '');
}

suite('all rules taken away', { skip: needsRoot }, () => {
  for (const backend of ['nft', 'iptables'] as const satisfies readonly Backend[]) {
    test(`${backend}: the kernel holds what it held before; the generations stay, and another apply begins anew`, async (t) => {
      const host = await hostWithOthers(t);
      const before = await rules(host);
      await applyTarget(host.site, host.target('ssh', undefined, backend), {});
      const loaded = await host.digest();
      assert.notEqual(await rules(host), before);
      await unloadRules(host.site);
      assert.equal(await rules(host), before);
      assert.equal(confirmedId(host.state), undefined);
      assert.ok(generationIds(host.state).length > 0);
      await unloadRules(host.site);
      assert.equal(await rules(host), before);
      await applyTarget(host.site, host.target('ssh', undefined, backend), {});
      assert.equal(await host.digest(), loaded);
    });
  }

  test('a change that waits: refused, and nothing is touched', async (t) => {
    const host = await hostWithOthers(t);
    await applyTarget(host.site, host.target('ssh'), { confirmSeconds: 60 });
    const loaded = await host.digest();
    await assert.rejects(unloadRules(host.site), { code: 'pending' });
    assert.equal(await host.digest(), loaded);
    await host.mustRun(['rollback']);
  });

  test('rules that somebody else added to, and what a killed daemon left, go too', async (t) => {
    const host = await hostWithOthers(t);
    const before = await rules(host);
    await applyTarget(host.site, host.target('ssh'), {});
    await mustRun(host.namespace, 'nft', ['add', 'chain', 'bridge', 'bk', 'foreign']);
    await mustRun(host.namespace, 'nft', ['add', 'set', 'bridge', 'bk', 'odd', '{ type ether_addr; size 4; }']);
    await mustRun(host.namespace, 'nft', ['add', 'table', 'bridge', 'bk_present']);
    await unloadRules(host.site);
    assert.equal(await rules(host), before);
  });
});
