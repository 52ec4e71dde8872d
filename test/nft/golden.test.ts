// Golden pairs: what we print, and what nft lists of it. UPDATE_GOLDEN=1 prints and lists anew.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonical } from '../../src/nft/canonical.ts';
import { lowerNft } from '../../src/nft/lower.ts';
import { parseNft } from '../../src/nft/parse.ts';
import { parseNftJson } from '../../src/nft/parse-json.ts';
import { printNft } from '../../src/nft/print.ts';
import { exampleTexts, listOf } from '../support/compiled.ts';
import { freshNamespace, mustRun, needsRoot } from '../support/namespace.ts';
import { smallNft } from '../support/small-tree.ts';
import { assertGolden, goldenText } from '../yaml/golden.ts';

test('the small tree is printed as its golden file, and read from it', () => {
  assertGolden(printNft(smallNft), 'nft/small.nft');
  const { value, diagnostics } = parseNft(goldenText('nft/small.nft'), 'small.nft');
  assert.deepEqual(diagnostics, []);
  assert.deepEqual(value && canonical(value), canonical(smallNft));
});

test('the golden listing is read as the small tree', () => {
  const { ruleset, skipped } = parseNftJson(JSON.parse(goldenText('nft/small.json')));
  assert.deepEqual(skipped, []);
  assert.deepEqual(canonical(ruleset), canonical(smallNft));
});

test('what nft lists today is read as the small tree too', { skip: needsRoot }, async (t) => {
  const namespace = await freshNamespace();
  t.after(() => namespace.close());
  await mustRun(namespace, 'nft', ['-f', '-'], printNft(smallNft));
  const listed = JSON.parse((await mustRun(namespace, 'nft', ['-j', 'list', 'ruleset'])).stdout);
  assert.deepEqual(canonical(parseNftJson(listed).ruleset), canonical(smallNft));
  if (process.env.UPDATE_GOLDEN === '1') assertGolden(linesOf(listed), 'nft/small.json');
});

/** One object a line, so that differences can be read. */
function linesOf({ nftables }: { readonly nftables: readonly unknown[] }): string {
  return `{"nftables":[\n${nftables.map((object) => JSON.stringify(object)).join(',\n')}\n]}\n`;
}

test('loading twice leaves one copy', { skip: needsRoot }, async (t) => {
  const namespace = await freshNamespace();
  t.after(() => namespace.close());
  for (let times = 0; times < 2; times++) await mustRun(namespace, 'nft', ['-f', '-'], printNft(smallNft));
  const { stdout } = await mustRun(namespace, 'nft', ['-j', 'list', 'ruleset']);
  assert.deepEqual(canonical(parseNftJson(JSON.parse(stdout)).ruleset), canonical(smallNft));
});

for (const arp of ['bound', 'unchecked'] as const) {
  test(`the two-bridge example, ARP ${arp}, comes back from the kernel`, { skip: needsRoot }, async (t) => {
    const namespace = await freshNamespace();
    t.after(() => namespace.close());
    const ruleset = lowerNft(listOf(exampleTexts()), { arp });
    await mustRun(namespace, 'nft', ['-f', '-'], printNft(ruleset));
    const { stdout } = await mustRun(namespace, 'nft', ['-j', 'list', 'ruleset']);
    assert.deepEqual(canonical(parseNftJson(JSON.parse(stdout)).ruleset), canonical(ruleset));
  });
}
