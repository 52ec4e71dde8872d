// From what is loaded to what is wanted in one transaction: random trees after each other in one kernel, and hosts whose
// guests come and go.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compile } from '../../src/compile/compile.ts';
import type { Ruleset } from '../../src/model/ruleset.ts';
import { canonical } from '../../src/nft/canonical.ts';
import { isElementsOnly, rulesetChanges } from '../../src/nft/changes.ts';
import { lowerNft } from '../../src/nft/lower.ts';
import { parseNftJson } from '../../src/nft/parse-json.ts';
import { elementChanges, printChanges } from '../../src/nft/print-changes.ts';
import { example, listOf } from '../support/compiled.ts';
import { freshNamespace, mustRun, type Namespace, needsRoot } from '../support/namespace.ts';
import { nftRuleset } from '../support/random-nft.ts';
import { topologies } from '../support/topologies.ts';

/** BRIDGEKEEPER_FULL=1 for more of them. */
const trees = process.env.BRIDGEKEEPER_FULL === '1' ? 80 : 40;

const nothing: Ruleset = { backend: 'nft', tables: [] };

function parsed(json: string): Ruleset {
  const { ruleset, skipped } = parseNftJson(JSON.parse(json));
  assert.deepEqual(skipped, []);
  return ruleset;
}

/** In one transaction; gives what is listed afterwards, as JSON. */
async function loaded(namespace: Namespace, text: string): Promise<string> {
  const { stdout } = await mustRun(namespace, 'sh', ['-c', 'nft -f - && nft -j list ruleset'], text);
  return stdout;
}

/** Handles of base chains: a chain that was made anew has another one. */
function baseHandles(json: string): ReadonlyMap<string, number> {
  const objects: readonly { chain?: { family: string; table: string; name: string; handle: number; hook?: string } }[] =
    JSON.parse(json).nftables;
  return new Map(
    objects.flatMap(({ chain }) =>
      chain?.hook === undefined ? [] : [[`${chain.family} ${chain.table} ${chain.name}`, chain.handle]],
    ),
  );
}

test('any tree becomes any other in one transaction, and equal ones need none', { skip: needsRoot }, async (t) => {
  const namespace = await freshNamespace();
  t.after(() => namespace.close());
  let before = nothing;
  let elements = 0;
  await fc.assert(
    fc.asyncProperty(nftRuleset, async (wanted) => {
      const changes = rulesetChanges(before, wanted);
      const after = parsed(await loaded(namespace, printChanges(changes)));
      assert.deepEqual(canonical(after), canonical(wanted));
      assert.deepEqual(rulesetChanges(after, wanted), []);
      elements += changes.flatMap(({ removedSetElements }) => removedSetElements).length;
      before = after;
    }),
    { numRuns: trees, endOnFailure: true },
  );
  assert.ok(elements > 0, 'no set lost single elements');
});

test('from one host to another and back, base chains stay what they are', { skip: needsRoot }, async (t) => {
  const namespace = await freshNamespace();
  t.after(() => namespace.close());
  let before = nothing;
  let handles = new Map<string, number>();
  for (const texts of [...Object.values(topologies), ...Object.values(topologies).reverse()]) {
    const wanted = lowerNft(listOf(texts), { arp: 'bound' });
    const json = await loaded(namespace, printChanges(rulesetChanges(before, wanted)));
    assert.deepEqual(canonical(parsed(json)), canonical(wanted));
    const now = new Map(baseHandles(json));
    if (handles.size > 0) assert.deepEqual(now, handles);
    handles = now;
    before = wanted;
  }
  assert.ok(handles.size >= 7);
});

test('a guest that goes and comes back costs elements and the chains behind them', { skip: needsRoot }, async (t) => {
  const namespace = await freshNamespace();
  t.after(() => namespace.close());
  const { policy, host } = example();
  const numbering = compile(policy, host).value?.numbering;
  const rulesetFor = (without: string | undefined): Ruleset => {
    const bridges = host.bridges.map((bridge) => ({
      ...bridge,
      ports: bridge.ports.filter(({ guest }) => guest === undefined || guest !== without),
    }));
    const { value } = compile(policy, { ...host, bridges }, numbering);
    assert.ok(value);
    return lowerNft(value.list, { arp: 'bound' });
  };
  const all = rulesetFor(undefined);
  const fewer = rulesetFor('kali4');
  await mustRun(namespace, 'nft', ['-f', '-'], printChanges(rulesetChanges(nothing, all)));
  for (const [from, to] of [
    [all, fewer],
    [fewer, all],
  ] as const) {
    const text = elementChanges(from, to);
    assert.ok(
      text !== undefined,
      JSON.stringify(rulesetChanges(from, to), (_, v) => (typeof v === 'bigint' ? `${v}` : v)),
    );
    assert.deepEqual(canonical(parsed(await loaded(namespace, text))), canonical(to));
  }
  assert.equal(isElementsOnly(rulesetChanges(nothing, all)), false);
});
