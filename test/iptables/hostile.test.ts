// Hostile texts in every place of a tree: refused before they are printed, or loaded, as text and as script, and read
// back to the byte.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonical } from '../../src/iptables/canonical.ts';
import { parseIptablesSave } from '../../src/iptables/parse.ts';
import { printIptablesSave, printIptablesScript } from '../../src/iptables/print.ts';
import { field } from '../../src/model/match.ts';
import { accept, type Chain, jump, type KernelRule, log, type Ruleset } from '../../src/model/ruleset.ts';
import { hostileTexts } from '../support/hostile-texts.ts';
import { freshNamespace, mustRun, needsRoot } from '../support/namespace.ts';

function ruleset(rules: readonly KernelRule[], ...more: readonly Chain[]): Ruleset {
  const base = { type: 'filter', hook: 'forward', priority: 0, policy: 'accept' } as const;
  const chains = [...more, { name: 'FORWARD', base, rules }];
  return { backend: 'iptables', tables: [{ family: 'ip', name: 'filter', sets: [], maps: [], chains }] };
}

/** All texts at once, each in the same place. */
const places: Readonly<Record<string, (texts: readonly string[]) => Ruleset>> = {
  comment: (texts) => ruleset(texts.map((text) => ({ body: [accept], comment: text }))),
  'log prefix': (texts) => ruleset(texts.map((text) => ({ body: [log(text)] }))),
  interface: (texts) => ruleset(texts.map((text) => ({ body: [field('iifname', text)] }))),
  port: (texts) => ruleset(texts.map((name) => ({ body: [{ kind: 'physdev', end: 'in', negated: false, name }] }))),
  chain: (texts) =>
    ruleset(
      texts.map((text) => ({ body: [jump(text)] })),
      ...texts.map((name) => ({ name, rules: [] })),
    ),
};

function isRefused(tree: Ruleset): boolean {
  try {
    printIptablesSave(tree);
    return false;
  } catch (failure) {
    assert.ok(failure instanceof assert.AssertionError, `${failure}`);
    return true;
  }
}

for (const kind of ['nft', 'legacy'] as const) {
  for (const [place, treeOf] of Object.entries(places)) {
    test(`hostile texts as ${place}, iptables-${kind}`, { skip: needsRoot }, async (t) => {
      const namespace = await freshNamespace();
      t.after(() => namespace.close());
      const texts = [...hostileTexts, 'x_1.y-z', 'vk*'];
      const loaded = texts.filter((text) => !isRefused(treeOf([text])));
      assert.ok(loaded.length > 0 && loaded.length < texts.length, 'some must be refused and some loaded');
      const tree = treeOf(loaded);
      const isLoaded = async () => {
        const { value, diagnostics } = parseIptablesSave(
          (await mustRun(namespace, `iptables-${kind}-save`, [])).stdout,
          'x',
        );
        assert.deepEqual(diagnostics, []);
        assert.deepEqual(value && canonical(value), canonical(tree));
      };
      await mustRun(namespace, `iptables-${kind}-restore`, [], printIptablesSave(tree));
      await isLoaded();
      await mustRun(namespace, `iptables-${kind}`, ['-F']);
      await mustRun(namespace, `iptables-${kind}`, ['-X']);
      const script = printIptablesScript(tree).replace(/^iptables /gm, `iptables-${kind} `);
      assert.deepEqual(await namespace.run('sh', [], script), { code: 0, stdout: '', stderr: '' });
      await isLoaded();
    });
  }
}
