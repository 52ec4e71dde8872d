// From what is loaded to what is wanted in one commit, beside rules of others, with both kinds of iptables.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonical } from '../../src/iptables/canonical.ts';
import { iptablesChanges, ownChains, printIptablesChanges } from '../../src/iptables/changes.ts';
import { lowerIptables } from '../../src/iptables/lower.ts';
import { parseIptablesSave } from '../../src/iptables/parse.ts';
import type { Ruleset } from '../../src/model/ruleset.ts';
import { listOf } from '../support/compiled.ts';
import { freshNamespace, mustRun, type Namespace, needsRoot } from '../support/namespace.ts';
import { topologies } from '../support/topologies.ts';

const foreign = `*filter
:FORWARD DROP [0:0]
:DOCKER - [0:0]
-A FORWARD -j DOCKER
-A DOCKER -i docker0 -j RETURN
-A INPUT -p tcp --dport 22 -j ACCEPT
COMMIT
*mangle
-A PREROUTING -j MARK --set-mark 0x1
COMMIT
`;

const nothing: Ruleset = { backend: 'iptables', tables: [] };

for (const kind of ['nft', 'legacy']) {
  test(`iptables-${kind}: from host to host; what others loaded stays`, { skip: needsRoot }, async (t) => {
    const namespace = await freshNamespace();
    t.after(() => namespace.close());
    const restore = (text: string) => mustRun(namespace, `iptables-${kind}-restore`, ['--noflush'], text);
    await restore(foreign);
    const others = await foreignLines(namespace, kind);
    assert.ok(others.length >= 5, others.join('\n'));
    let changed = 0;
    const hosts = Object.values(topologies).map((texts) =>
      lowerIptables(listOf(texts), { manyPorts: 2, manyDestinations: 2 }),
    );
    for (const wanted of [...hosts, ...hosts.toReversed(), nothing]) {
      const changes = iptablesChanges(await loaded(namespace, kind), wanted);
      if (changes === undefined) continue;
      changed++;
      await restore(printIptablesChanges(changes));
      const after = await loaded(namespace, kind);
      assert.equal(iptablesChanges(after, wanted), undefined);
      assert.deepEqual(chainRules(after), chainRules(wanted));
      assert.deepEqual(await foreignLines(namespace, kind), others);
    }
    assert.ok(changed >= hosts.length * 2 - 1, `${changed} changes`);
  });
}

/** Of our own chains; how often base chains jump there is compared by what is left to change. */
function chainRules(ruleset: Ruleset): unknown {
  const chains = canonical(ruleset).tables.flatMap((table) => table.chains);
  return chains.filter(({ name }) => name.startsWith('bk-'));
}

async function loaded(namespace: Namespace, kind: string): Promise<Ruleset> {
  const { stdout } = await mustRun(namespace, `iptables-${kind}-save`, []);
  const { value } = parseIptablesSave(stdout, 'saved');
  assert.ok(value);
  return ownChains(value);
}

async function foreignLines(namespace: Namespace, kind: string): Promise<readonly string[]> {
  const { stdout } = await mustRun(namespace, `iptables-${kind}-save`, []);
  return stdout
    .split('\n')
    .filter((line) => !line.includes('bk-') && !line.startsWith('#'))
    .map((line) => line.replace(/\[\d+:\d+\]/, ''));
}
