// Hostile texts in every place of a tree: refused before they are printed, or loaded and read back to the byte.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { field } from '../../src/model/match.ts';
import { accept, jump, type KernelRule, log, type Ruleset, type Table } from '../../src/model/ruleset.ts';
import { canonical } from '../../src/nft/canonical.ts';
import { parseNft } from '../../src/nft/parse.ts';
import { parseNftJson } from '../../src/nft/parse-json.ts';
import { printNft } from '../../src/nft/print.ts';
import { hostileTexts } from '../support/hostile-texts.ts';
import { freshNamespace, mustRun, needsRoot } from '../support/namespace.ts';

function ruleset(rules: readonly KernelRule[], more: Partial<Table> = {}): Ruleset {
  const chains = [...(more.chains ?? []), { name: 'main_1', rules }];
  const table: Table = { family: 'ip', name: 'mine', sets: [], maps: [], ...more, chains };
  return { backend: 'nft', tables: [table] };
}

/** All texts at once, each in the same place. */
type Place = (texts: readonly string[]) => Ruleset;

const places: Readonly<Record<string, Place>> = {
  comment: (texts) => ruleset(texts.map((text) => ({ body: [accept], comment: text }))),
  'log prefix': (texts) => ruleset(texts.map((text) => ({ body: [log(text)] }))),
  interface: (texts) => ruleset(texts.map((text) => ({ body: [field('iifname', text)] }))),
  'interface of a set': (texts) =>
    ruleset([], {
      sets: [{ name: 'names', types: ['ifname'], interval: true, elements: texts.map((text) => [text]) }],
    }),
  chain: (texts) =>
    ruleset(
      texts.map((text) => ({ body: [jump(text)] })),
      { chains: texts.map((name) => ({ name, rules: [] })) },
    ),
  set: (texts) =>
    ruleset(
      texts.map((set) => ({ body: [{ kind: 'lookup', fields: ['ip saddr'], negated: false, set }] })),
      { sets: texts.map((name) => ({ name, types: ['ipv4_addr'], interval: false, elements: [] })) },
    ),
  map: (texts) =>
    ruleset(
      texts.map((map) => ({ body: [{ kind: 'vmap', fields: ['ip saddr'], map }] })),
      { maps: texts.map((name) => ({ name, types: ['ipv4_addr'], interval: false, elements: [] })) },
    ),
  table: (texts) => ({ backend: 'nft', tables: texts.flatMap((name) => ruleset([], { name }).tables) }),
};

/** No hostile text has a place in these at all. */
const closed: Readonly<Record<string, (text: string) => Ruleset>> = {
  'answer of a reject': (text) => ruleset([{ body: [{ kind: 'verdict', verdict: { kind: 'reject', with: text } }] }]),
};

function isRefused(tree: Ruleset): boolean {
  try {
    printNft(tree);
    return false;
  } catch (failure) {
    assert.ok(failure instanceof assert.AssertionError, `${failure}`);
    return true;
  }
}

for (const [place, treeOf] of Object.entries(places)) {
  test(`hostile texts as ${place}`, { skip: needsRoot }, async (t) => {
    const namespace = await freshNamespace();
    t.after(() => namespace.close());
    const texts = [...hostileTexts, 'x_1.y-z', 'vk*'];
    const loaded = texts.filter((text) => !isRefused(treeOf([text])));
    assert.ok(loaded.length > 0 && loaded.length < texts.length, 'some must be refused and some loaded');
    const tree = treeOf(loaded);
    const words = printNft(tree);
    assert.deepEqual(canonical(parseNft(words, 'x').value ?? { backend: 'nft', tables: [] }), canonical(tree));
    await mustRun(namespace, 'nft', ['-f', '-'], words);
    const { stdout } = await mustRun(namespace, 'nft', ['-j', 'list', 'ruleset']);
    assert.deepEqual(canonical(parseNftJson(JSON.parse(stdout)).ruleset), canonical(tree));
  });
}

for (const [place, treeOf] of Object.entries(closed)) {
  test(`hostile texts as ${place} are refused`, () => {
    for (const text of hostileTexts) assert.ok(isRefused(treeOf(text)), text);
  });
}

test('a foreign expression cannot begin another rule, string or block', () => {
  for (const text of ['ip ttl 64; drop', 'ip ttl 64\ndrop', '}', '{ 1 }', '"x"', '$x', '# x', '\\', '', 'ä']) {
    assert.ok(isRefused(ruleset([{ body: [{ kind: 'opaque', text }] }])), text);
  }
});
