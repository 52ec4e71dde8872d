// iptables as the back end: in the same way, beside other tools' rules; and from one back end to the other and back.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { mustRun, type Namespace, needsRoot } from '../support/namespace.ts';
import { Resident } from '../support/resident.ts';
import { root } from '../support/run-cli.ts';
import { LiveHost } from './live-host.ts';

/** What Docker leaves behind, in short. */
const foreign = `*filter
:FORWARD DROP [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -i docker0 -j ACCEPT
-A DOCKER-USER -j RETURN
COMMIT
`;

async function othersRules(namespace: Namespace): Promise<readonly string[]> {
  const { stdout } = await mustRun(namespace, 'iptables-save', []);
  return stdout
    .split('\n')
    .filter((line) => /^[:-]/.test(line) && !line.includes('bk-'))
    .map((line) => line.replace(/ \[.*/, ''));
}

async function ourChains(namespace: Namespace): Promise<number> {
  const { stdout } = await mustRun(namespace, 'iptables-save', []);
  return stdout.split('\n').filter((line) => line.startsWith(':bk-')).length;
}

async function nftTables(namespace: Namespace): Promise<readonly string[]> {
  const { stdout } = await mustRun(namespace, 'nft', ['list', 'tables']);
  return stdout.split('\n').filter((line) => line.endsWith(' bk'));
}

async function hostOf(t: TestContext): Promise<{ readonly host: LiveHost; readonly resident: Resident }> {
  const host = await LiveHost.build();
  const resident = Resident.on(host);
  t.after(() => resident.close());
  t.after(() => host.close());
  return { host, resident };
}

suite('the iptables back end', { skip: needsRoot }, () => {
  test('applied, changed, taken back, drifted, restored; the rules of others stay', async (t) => {
    const { host, resident } = await hostOf(t);
    const { namespace } = host;
    await mustRun(namespace, 'iptables-restore', [], foreign);
    const others = await othersRules(namespace);
    assert.ok(others.length >= 5);
    const apply = (service: string, ...args: readonly string[]) =>
      resident.mustRun(['apply', '--backend', 'iptables', '--policy', host.policy(service), ...args]);
    await apply('ssh', '--no-confirm');
    assert.ok((await ourChains(namespace)) > 3);
    const { stdout } = await mustRun(namespace, 'iptables-save', []);
    const forward = stdout.split('\n').filter((line) => line.startsWith('-A FORWARD'));
    assert.match(forward[0] ?? '', /bk-forward/, 'ours are asked before what others accept');
    const old = await host.digest();
    await apply('http', '--confirm', '60s');
    assert.notEqual(await host.digest(), old);
    await resident.mustRun(['rollback']);
    assert.equal(await host.digest(), old);
    await mustRun(namespace, 'iptables', ['-D', 'FORWARD', '-i', 'br0', '-j', 'bk-forward']);
    const status = await resident.run(['status']);
    assert.equal(status.code, 6);
    assert.match(status.stdout, /iptables chain FORWARD does not lead to our rules/);
    await apply('ssh', '--no-confirm');
    assert.equal(await host.digest(), old);
    assert.deepEqual(await othersRules(namespace), others);
    const { drift, rules } = JSON.parse(await resident.mustRun(['status', '-o', 'json']));
    assert.deepEqual(drift, []);
    assert.ok(rules.length > 5 && rules.some(({ id }: { id: string }) => id === 'rest'), 'what each rule decided');
  });

  test('the boot loads it', async (t) => {
    const host = await LiveHost.build();
    t.after(() => host.close());
    await host.applyHere('ssh', undefined, 'iptables');
    const loaded = await host.digest();
    await host.reboot();
    const { code, stderr } = await host.namespace.run(join(root, 'bin', 'bridgekeeper-boot'), [host.state]);
    assert.equal(code, 0, stderr);
    assert.equal(await host.digest(), loaded);
  });
});

suite('from one back end to the other', { skip: needsRoot }, () => {
  for (const [from, to] of [
    ['nft', 'iptables'],
    ['iptables', 'nft'],
  ] as const) {
    test(`${from} to ${to}, taken back, and confirmed`, async (t) => {
      const { host, resident } = await hostOf(t);
      const { namespace } = host;
      const policy = host.policy('ssh');
      await resident.mustRun(['apply', '--backend', from, '--policy', policy, '--no-confirm']);
      const old = await host.digest();
      await resident.mustRun(['apply', '--backend', to, '--policy', policy, '--confirm', '60s']);
      const isNft = (backend: string) => backend === 'nft';
      assert.equal((await nftTables(namespace)).length > 0, isNft(to));
      assert.equal((await ourChains(namespace)) > 0, !isNft(to));
      await resident.mustRun(['rollback']);
      assert.equal(await host.digest(), old);
      await resident.mustRun(['apply', '--backend', to, '--policy', policy, '--no-confirm']);
      assert.equal((await nftTables(namespace)).length > 0, isNft(to));
      assert.equal((await resident.run(['status'])).code, 0);
    });
  }
});
