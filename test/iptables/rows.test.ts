// Each row is printed, parsed, loaded by both kinds of iptables, as text and as script, and read back.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonical } from '../../src/iptables/canonical.ts';
import { parseIptablesSave } from '../../src/iptables/parse.ts';
import { printIptablesSave, printIptablesScript } from '../../src/iptables/print.ts';
import type { Chain, Ruleset } from '../../src/model/ruleset.ts';
import { freshNamespace, mustRun, needsRoot } from '../support/namespace.ts';
import { type Row, rows } from '../support/rule-rows.ts';

/** Each in a namespace of its own: listing one where the other has tables warns. */
const kindsOfIptables = ['nft', 'legacy'] as const;

const asked = rows.filter(({ iptables }) => iptables !== undefined);
const printed = asked.filter(({ iptables }) => iptables !== false);

function rulesetOf(some: readonly Row[]): Ruleset {
  const other: Chain = { name: 'other_1', rules: [] };
  const base = { type: 'filter', hook: 'forward', priority: 0, policy: 'drop' } as const;
  const rules = some.map(({ body }, index) => ({ body, comment: `row ${index}` }));
  const chains: readonly Chain[] = [other, { name: 'FORWARD', base, rules }];
  return { backend: 'iptables', tables: [{ family: 'ip', name: 'filter', sets: [], maps: [], chains }] };
}

for (const row of asked) {
  test(`iptables: ${row.iptables === false ? `refused: ${row.nft}` : row.iptables}`, () => {
    if (row.iptables === false) {
      assert.throws(() => printIptablesSave(rulesetOf([row])), assert.AssertionError);
      return;
    }
    const comment = '-m comment --comment "row 0"';
    const [, matches, target] = /^(.*?)((?:^| )-[jg] .*)?$/.exec(row.iptables ?? '') ?? [];
    const want = `-A FORWARD ${matches} ${comment}${target === undefined ? '' : ` ${target.trim()}`}`;
    const lines = printIptablesSave(rulesetOf([row])).split('\n');
    assert.ok(lines.includes(want.replace(/ {2,}/g, ' ')), `${want}\nis not among\n${lines.join('\n')}`);
  });
}

test('the printed rows are read as the same rows', () => {
  const ruleset = rulesetOf(printed);
  sameRules(parse(printIptablesSave(ruleset)), ruleset);
});

function parse(text: string): Ruleset {
  const { value, diagnostics } = parseIptablesSave(text, 'rows.save');
  assert.deepEqual(diagnostics, []);
  assert.ok(value);
  return value;
}

for (const kind of kindsOfIptables) {
  test(`iptables-${kind} takes the rows and lists the same rows`, { skip: needsRoot }, async (t) => {
    const namespace = await freshNamespace();
    t.after(() => namespace.close());
    const ruleset = rulesetOf(printed);
    const text = printIptablesSave(ruleset);
    for (const options of [[], ['--noflush']]) {
      await namespace.run(`iptables-${kind}`, ['-F']);
      const { stderr } = await mustRun(namespace, `iptables-${kind}-restore`, options, text);
      assert.equal(stderr, '');
      const listed = await mustRun(namespace, `iptables-${kind}-save`, options.length === 0 ? [] : ['-c']);
      assert.equal(listed.stderr, '');
      sameRules(parse(listed.stdout), ruleset);
    }
  });

  test(`the script loads the same rows with iptables-${kind}`, { skip: needsRoot }, async (t) => {
    const namespace = await freshNamespace();
    t.after(() => namespace.close());
    const ruleset = rulesetOf(printed);
    const script = printIptablesScript(ruleset).replace(/^iptables /gm, `iptables-${kind} `);
    assert.deepEqual(await namespace.run('sh', [], script), { code: 0, stdout: '', stderr: '' });
    const listed = await mustRun(namespace, `iptables-${kind}-save`, []);
    sameRules(parse(listed.stdout), ruleset);
  });
}

/** Rule by rule first, for a difference that one can read. */
function sameRules(got: Ruleset, want: Ruleset): void {
  const all = ({ tables }: Ruleset) => tables.flatMap(({ chains }) => chains.flatMap(({ rules }) => rules));
  const wanted = all(canonical(want));
  for (const [index, rule] of all(canonical(got)).entries()) assert.deepEqual(rule, wanted[index]);
  assert.deepEqual(canonical(got), canonical(want));
}
