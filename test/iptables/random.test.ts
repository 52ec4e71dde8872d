// Random trees go to text and back, and to both kinds of iptables and back; random text is read without an exception.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { canonical } from '../../src/iptables/canonical.ts';
import { parseIptablesSave } from '../../src/iptables/parse.ts';
import { printIptablesSave, printIptablesScript } from '../../src/iptables/print.ts';
import type { Ruleset } from '../../src/model/ruleset.ts';
import { freshNamespace, mustRun, needsRoot } from '../support/namespace.ts';
import { iptablesRuleset } from '../support/random-iptables.ts';

/** BRIDGEKEEPER_FULL=1 for more of them. */
const isFull = process.env.BRIDGEKEEPER_FULL === '1';
const trees = isFull ? 60 : 25;
const scripts = isFull ? 10 : 4;

function sameAs(ruleset: Ruleset, text: string): void {
  const { value, diagnostics } = parseIptablesSave(text, 'random.save');
  assert.deepEqual(diagnostics, []);
  assert.deepEqual(value && canonical(value), canonical(ruleset));
}

test('random trees come back from their text', () => {
  fc.assert(
    fc.property(iptablesRuleset, (ruleset) => sameAs(ruleset, printIptablesSave(ruleset))),
    { numRuns: 300 },
  );
});

const thereAndBack = 'set -e; iptables-$0 -P FORWARD ACCEPT; iptables-$0-restore; iptables-$0-save -c';

for (const kind of ['nft', 'legacy'] as const) {
  test(`random trees come back from iptables-${kind}`, { skip: needsRoot }, async (t) => {
    const namespace = await freshNamespace();
    t.after(() => namespace.close());
    let rules = 0;
    await fc.assert(
      fc.asyncProperty(iptablesRuleset, async (ruleset) => {
        const { stdout, stderr } = await mustRun(
          namespace,
          'sh',
          ['-c', thereAndBack, kind],
          printIptablesSave(ruleset),
        );
        assert.equal(stderr, '');
        sameAs(ruleset, stdout);
        rules += ruleset.tables.flatMap(({ chains }) => chains.flatMap((chain) => chain.rules)).length;
      }),
      { numRuns: trees },
    );
    assert.ok(rules > 100, `only ${rules} rules were tried`);
  });

  test(`random scripts load with iptables-${kind}`, { skip: needsRoot }, async (t) => {
    await fc.assert(
      fc.asyncProperty(iptablesRuleset, async (ruleset) => {
        const namespace = await freshNamespace();
        t.after(() => namespace.close());
        const script = printIptablesScript(ruleset).replace(/^iptables /gm, `iptables-${kind} `);
        assert.deepEqual(await namespace.run('sh', [], script), { code: 0, stdout: '', stderr: '' });
        sameAs(ruleset, (await mustRun(namespace, `iptables-${kind}-save`, [])).stdout);
      }),
      { numRuns: scripts },
    );
  });
}

test('any text is read without an exception', () => {
  const words = fc.constantFrom(
    ...'*filter COMMIT :FORWARD :x ACCEPT - [0:0] -A FORWARD -s -d -i ! -p tcp -m physdev --physdev-in "a b" \n'.split(
      ' ',
    ),
    ...'-j LOG --log-prefix x -g limit --limit 5/sec comment --comment --tcp-flags SYN,ACK NONE " \\" -t --icmp-type 8/0'.split(
      ' ',
    ),
  );
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(words, { maxLength: 60 }).map((some) => some.join(' ')),
  );
  fc.assert(
    fc.property(text, (some) => void parseIptablesSave(some, 'any.save')),
    { numRuns: 1_000 },
  );
});
