// Random trees go to text and back, and to a kernel and back; random text is read without an exception.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { canonical } from '../../src/nft/canonical.ts';
import { parseNft } from '../../src/nft/parse.ts';
import { parseNftJson } from '../../src/nft/parse-json.ts';
import { printNft } from '../../src/nft/print.ts';
import { freshNamespace, mustRun, needsRoot } from '../support/namespace.ts';
import { nftRuleset } from '../support/random-nft.ts';

test('random trees come back from their text', () => {
  fc.assert(
    fc.property(nftRuleset, (ruleset) => {
      const { value, diagnostics } = parseNft(printNft(ruleset), 'random.nft');
      assert.deepEqual(diagnostics, []);
      assert.deepEqual(value && canonical(value), canonical(ruleset));
    }),
    { numRuns: 300 },
  );
});

test('canonical trees are printed and read as themselves', () => {
  fc.assert(
    fc.property(nftRuleset, (ruleset) => {
      const once = canonical(ruleset);
      assert.deepEqual(canonical(once), once);
    }),
  );
});

test('random trees come back from the kernel', { skip: needsRoot }, async (t) => {
  const namespace = await freshNamespace();
  t.after(() => namespace.close());
  let rules = 0;
  await fc.assert(
    fc.asyncProperty(nftRuleset, async (ruleset) => {
      await mustRun(namespace, 'nft', ['-f', '-'], printNft(ruleset));
      const { stdout } = await mustRun(namespace, 'nft', ['-j', 'list', 'ruleset']);
      const listed = parseNftJson(JSON.parse(stdout));
      assert.deepEqual(listed.skipped, []);
      assert.deepEqual(canonical(listed.ruleset), canonical(ruleset));
      rules += ruleset.tables.flatMap(({ chains }) => chains.flatMap((chain) => chain.rules)).length;
    }),
    { numRuns: 60 },
  );
  assert.ok(rules > 100, `only ${rules} rules were tried`);
});

test('any text is read without an exception', () => {
  const words = fc.constantFrom(
    ...'add delete table bridge t { } set map chain type ifname . ipv4_addr : verdict flags interval elements = , "a" @ != == & ( | ) ; \n'.split(
      ' ',
    ),
    ...'iifname ip saddr 10.0.0.1 th dport 80 ct state new tcp flags syn limit rate 1/second burst packets log prefix comment vmap'.split(
      ' ',
    ),
  );
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(words, { maxLength: 60 }).map((some) => some.join(' ')),
  );
  fc.assert(
    fc.property(text, (some) => void parseNft(some, 'any.nft')),
    { numRuns: 1_000 },
  );
});

test('any JSON is read without an exception', () => {
  const kind = fc.constantFrom('table', 'set', 'map', 'chain', 'rule', 'match', 'elem', 'log', 'limit', 'reject');
  const some = fc.dictionary(
    fc.constantFrom('family', 'name', 'table', 'chain', 'expr', 'elem', 'type', 'map', 'match'),
    fc.jsonValue(),
  );
  const listing = fc.array(fc.tuple(kind, fc.oneof(some, fc.jsonValue())).map((pair) => Object.fromEntries([pair])));
  fc.assert(
    fc.property(
      fc.oneof(
        fc.jsonValue(),
        listing.map((nftables) => ({ nftables })),
      ),
      (json) => void parseNftJson(json),
    ),
    { numRuns: 1_000 },
  );
});
