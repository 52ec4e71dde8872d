// Each row is printed, parsed, loaded into a kernel and read back.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Field, fieldTypes } from '../../src/model/field.ts';
import type { Chain, Ruleset, Table, TableFamily } from '../../src/model/ruleset.ts';
import { canonical } from '../../src/nft/canonical.ts';
import { fieldsOf } from '../../src/nft/layers.ts';
import { parseNft } from '../../src/nft/parse.ts';
import { parseNftJson } from '../../src/nft/parse-json.ts';
import { printNft } from '../../src/nft/print.ts';
import { freshNamespace, mustRun, needsRoot } from '../support/namespace.ts';
import { ips, kinds, type Row, rows } from '../support/rule-rows.ts';

const asked = rows.filter(({ nft }) => nft !== undefined);
const printed = asked.filter(({ nft }) => nft !== false);

/** The chains, sets and maps that the rows name. */
function around(family: TableFamily, chain: Chain): Table {
  const other: Chain = { name: 'other_1', rules: [] };
  const verdict = { kind: 'jump', chain: 'other_1' } as const;
  return {
    family,
    name: 'rows',
    sets: [
      { name: 'addresses', types: ['ipv4_addr'], interval: false, elements: [[ips('10.0.0.2')], [ips('10.0.0.1')]] },
      { name: 'nets', types: ['ipv4_addr'], interval: true, elements: [[ips('10.0.0.0/8')], [ips('1.0.0.1-1.0.0.9')]] },
      { name: 'own', types: ['ifname', 'ether_addr', 'ipv4_addr'], interval: false, elements: [] },
      { name: 'services', types: ['ipv4_addr', 'inet_proto', 'inet_service'], interval: true, elements: [] },
      { name: 'listening', types: ['ipv4_addr', 'inet_service'], interval: false, elements: [] },
    ],
    maps: [
      { name: 'ports', types: ['ifname'], interval: true, elements: [{ key: ['vk*'], verdict }] },
      {
        name: 'enter',
        types: ['ifname', 'ipv4_addr'],
        interval: false,
        elements: [{ key: ['vk1', ips('10.0.0.1')], verdict }],
      },
    ],
    chains: [other, chain],
  };
}

function rulesetOf(some: readonly Row[]): Ruleset {
  const families = Map.groupBy(some, ({ family = 'ip' }) => family);
  const tables = [...families].map(([family, its]) => {
    const rules = its.map(({ body }, index) => ({ body, comment: `row ${index}` }));
    return around(family, {
      name: 'rows_here',
      base: { type: 'filter', hook: 'forward', priority: -200, policy: 'drop' },
      rules,
    });
  });
  return { backend: 'nft', tables };
}

for (const row of asked) {
  test(`nft: ${row.nft === false ? `refused: ${JSON.stringify(row.body, bigintText)}` : row.nft}`, () => {
    if (row.nft === false) {
      assert.throws(() => printNft(rulesetOf([row])), assert.AssertionError);
    } else {
      const text = printNft(rulesetOf([row]));
      assert.ok(text.split('\n').includes(`\t\t${row.nft} comment "row 0"`), text);
    }
  });
}

function bigintText(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? `${value}` : value;
}

test('the printed rows are read as the same rows', () => {
  const ruleset = rulesetOf(printed);
  const { value, diagnostics } = parseNft(printNft(ruleset), 'rows.nft');
  assert.deepEqual(diagnostics, []);
  assert.ok(value);
  sameRules(value, ruleset);
});

test('the kernel takes the rows and lists the same rows', { skip: needsRoot }, async (t) => {
  const namespace = await freshNamespace();
  t.after(() => namespace.close());
  const ruleset = rulesetOf(printed);
  await mustRun(namespace, 'nft', ['-f', '-'], printNft(ruleset));
  const { stdout } = await mustRun(namespace, 'nft', ['-j', 'list', 'ruleset']);
  const listed = parseNftJson(JSON.parse(stdout));
  assert.deepEqual(listed.skipped, []);
  sameRules(listed.ruleset, ruleset);
});

// the listing hides what nft joined, so the kernel's own instructions are asked
test('nft joins no negated fields', { skip: needsRoot }, async (t) => {
  const namespace = await freshNamespace();
  t.after(() => namespace.close());
  const several = printed.filter(({ body }) => body.filter((one) => 'negated' in one && one.negated).length > 1);
  for (const row of several) {
    const text = printNft(rulesetOf([row]));
    const { stdout } = await mustRun(namespace, 'nft', ['--check', '--debug=netlink', '--file', '-'], text);
    const instructions = stdout.split(`${row.family ?? 'ip'} rows rows_here`).at(-1) ?? '';
    const wanted = row.body.filter((one) => 'negated' in one && one.negated).length;
    assert.equal(instructions.match(/(?:cmp|range) neq/g)?.length, wanted, instructions);
  }
  assert.ok(several.length > 2);
});

/** Rule by rule first, for a difference that one can read. */
function sameRules(got: Ruleset, want: Ruleset): void {
  const all = ({ tables }: Ruleset) => tables.flatMap(({ chains }) => chains.flatMap(({ rules }) => rules));
  const wanted = all(canonical(want));
  for (const [index, rule] of all(canonical(got)).entries()) assert.deepEqual(rule, wanted[index]);
  assert.deepEqual(canonical(got), canonical(want));
}

test('every kind of match and statement, and every field, has a row in some back end', () => {
  const bodies = rows.flatMap(({ body }) => body);
  const seen = new Set(bodies.map(({ kind }) => kind));
  assert.deepEqual(
    Object.keys(kinds).filter((kind) => !seen.has(kind as keyof typeof kinds)),
    [],
  );
  const fields = new Set(bodies.flatMap(fieldsOf));
  assert.deepEqual(
    Object.keys(fieldTypes).filter((name) => !fields.has(name as Field)),
    [],
  );
  const negated = new Set(bodies.flatMap((one) => ('negated' in one && one.negated ? [one.kind] : [])));
  assert.deepEqual([...negated].sort(), ['ct-state', 'field', 'lookup', 'physdev', 'physdev-is', 'tcp-flags']);
});
