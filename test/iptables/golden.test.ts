// Golden pairs: what we print, as text and as script, and what iptables-save lists of it. UPDATE_GOLDEN=1 writes anew.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonical } from '../../src/iptables/canonical.ts';
import { lowerIptables } from '../../src/iptables/lower.ts';
import { parseIptablesSave } from '../../src/iptables/parse.ts';
import { printIptablesSave, printIptablesScript } from '../../src/iptables/print.ts';
import type { Ruleset } from '../../src/model/ruleset.ts';
import { exampleTexts, listOf } from '../support/compiled.ts';
import { freshNamespace, mustRun, needsRoot } from '../support/namespace.ts';
import { smallIptables } from '../support/small-tree.ts';
import { assertGolden, goldenText } from '../yaml/golden.ts';

function isReadAs(text: string, tree: Ruleset): void {
  const { value, diagnostics } = parseIptablesSave(text, 'x.save');
  assert.deepEqual(diagnostics, []);
  assert.deepEqual(value && canonical(value), canonical(tree));
}

test('the small tree is printed as its golden files, and read from one', () => {
  assertGolden(printIptablesSave(smallIptables), 'iptables/small.save');
  assertGolden(printIptablesScript(smallIptables), 'iptables/small.sh');
  isReadAs(goldenText('iptables/small.save'), smallIptables);
});

for (const kind of ['nft', 'legacy'] as const) {
  test(`the golden listing of iptables-${kind} is read as the small tree`, () => {
    isReadAs(goldenText(`iptables/small.${kind}`), smallIptables);
  });

  test(`what iptables-${kind} lists today is read as the small tree too`, { skip: needsRoot }, async (t) => {
    const namespace = await freshNamespace();
    t.after(() => namespace.close());
    await mustRun(namespace, `iptables-${kind}-restore`, ['--noflush'], printIptablesSave(smallIptables));
    const { stdout } = await mustRun(namespace, `iptables-${kind}-save`, []);
    isReadAs(stdout, smallIptables);
    if (process.env.UPDATE_GOLDEN === '1') assertGolden(stdout.replace(/^#.*\n/gm, ''), `iptables/small.${kind}`);
  });

  test(`other tools' rules and policies survive loading with iptables-${kind} --noflush`, {
    skip: needsRoot,
  }, async (t) => {
    const namespace = await freshNamespace();
    t.after(() => namespace.close());
    const others = '*filter\n:FORWARD DROP [0:0]\n:docker - [0:0]\n-A FORWARD -j docker\n-A docker -j RETURN\nCOMMIT\n';
    await mustRun(namespace, `iptables-${kind}-restore`, [], others);
    const text = printIptablesSave(smallIptables);
    await mustRun(namespace, `iptables-${kind}-restore`, ['--noflush'], text);
    const { stdout } = await mustRun(namespace, `iptables-${kind}-save`, []);
    const [table] = parseIptablesSave(stdout, 'x').value?.tables ?? [];
    const forward = table?.chains.find(({ name }) => name === 'FORWARD');
    assert.equal(forward?.base?.policy, 'drop');
    assert.deepEqual(
      forward?.rules.map(({ body }) => body.length),
      [1, 2],
    );
    assert.ok(table?.chains.some(({ name }) => name === 'docker'));
  });

  test(`the two-bridge example comes back from iptables-${kind}`, { skip: needsRoot }, async (t) => {
    const namespace = await freshNamespace();
    t.after(() => namespace.close());
    const ruleset = lowerIptables(listOf(exampleTexts()));
    const { stderr } = await mustRun(namespace, `iptables-${kind}-restore`, ['--noflush'], printIptablesSave(ruleset));
    assert.equal(stderr, '');
    isReadAs((await mustRun(namespace, `iptables-${kind}-save`, ['-c'])).stdout, ruleset);
  });
}
