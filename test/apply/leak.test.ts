// Nothing forbidden passes and nothing allowed is lost while rules are loaded for the first time, replaced as a whole, and
// changed by single elements. The same rig sees it when rules are replaced in ways that have a gap.
// BRIDGEKEEPER_FULL=1: 1,250 ports on two bridges (as many as one can have: 1,023 on the first), 200 and 1,000 changes.
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { loadedOf, stepsBetween, stepsFromAnywhere } from '../../src/apply/loaded.ts';
import type { Ruleset } from '../../src/model/ruleset.ts';
import { printNft } from '../../src/nft/print.ts';
import { elementChanges } from '../../src/nft/print-changes.ts';
import { needsRoot } from '../support/namespace.ts';
import { LeakRig, type Outcome, worldRules } from './leak-rig.ts';

const isFull = process.env.BRIDGEKEEPER_FULL === '1';
const size = isFull ? { first: 1023, second: 229 } : { first: 201, second: 101 };
const replaced = isFull ? 200 : 20;
const elements = isFull ? 1_000 : 100;
const faulty = 10;

function transaction(from: Ruleset | undefined, to: Ruleset): string {
  const [step, ...more] = stepsBetween(loadedOf(from), to);
  assert.ok(step?.tool === 'nft' && more.length === 0);
  return step.text;
}

function anew(ruleset: Ruleset): string {
  return stepsFromAnywhere(ruleset, undefined)
    .map(({ text }) => text)
    .join('');
}

suite('frames while rules change', { skip: needsRoot }, () => {
  let rig: LeakRig;
  const [first, second] = [worldRules(size, 0), worldRules(size, 1)];

  before(async () => {
    rig = await LeakRig.build(size);
  });
  after(() => rig.close());

  /** Enough frames for the loss of one to mean something. */
  const assertFlowed = ({ sent }: Outcome, changes: number): void => {
    assert.ok(sent > 1_500 && sent > changes * 20, `only ${sent} frames of each kind`);
  };

  const assertHeld = (outcome: Outcome, changes: number): void => {
    assertFlowed(outcome, changes);
    assert.deepEqual({ lost: outcome.lost, leaked: outcome.leaked }, { lost: 0, leaked: 0 });
  };

  test('without rules all pass: the rig sees every frame', async () => {
    const outcome = await rig.whileFlowing(async () => undefined);
    assertFlowed(outcome, 0);
    assert.deepEqual({ lost: outcome.lost, passed: outcome.passed }, { lost: 0, passed: 2 * outcome.sent });
  });

  test('a first load: nothing is lost, and from the commit on nothing forbidden passes', async (t) => {
    const outcome = await rig.whileFlowing(() => rig.load(transaction(undefined, first)));
    t.diagnostic(JSON.stringify(outcome));
    assertHeld(outcome, 1);
    assert.ok(outcome.passed > 0 && outcome.passed < 2 * outcome.sent, 'the load came in the middle');
  });

  test(`${replaced} times all guests and every base chain of the bridge table are replaced`, async (t) => {
    const ways = [transaction(first, second), transaction(second, first)];
    for (const chain of ['prerouting', 'leave'])
      assert.match(ways[0] ?? '', new RegExp(`^flush chain bridge bk ${chain}$`, 'm'));
    const outcome = await rig.whileFlowing(async () => {
      for (let index = 0; index < replaced; index++) await rig.load(ways[index % 2] ?? '');
    });
    t.diagnostic(JSON.stringify(outcome));
    assertHeld(outcome, replaced);
    assert.equal(outcome.passed, 0);
  });

  test(`${elements} times one guest changes its address`, async (t) => {
    const moved = worldRules(size, 0, [7]);
    const ways = [elementChanges(first, moved), elementChanges(moved, first)];
    assert.ok(
      ways.every((text) => text !== undefined && text.length < 5_000),
      'single elements are all it takes',
    );
    const outcome = await rig.whileFlowing(async () => {
      for (let index = 0; index < elements; index++) await rig.load(ways[index % 2] ?? '');
    });
    t.diagnostic(JSON.stringify(outcome));
    assertHeld(outcome, elements);
    assert.equal(outcome.passed, 0);
  });

  const gaps: readonly (readonly [how: string, seen: 'lost' | 'leaked', load: (to: Ruleset) => Promise<void>])[] = [
    ['tables deleted and made anew in one transaction', 'lost', (to) => rig.load(anew(to))],
    [
      'tables deleted, then made anew',
      'leaked',
      async (to) => {
        await rig.load('delete table bridge bk\ndelete table ip bk\n');
        await rig.load(printNft(to));
      },
    ],
    [
      'tables flushed, then filled again',
      'leaked',
      async (to) => {
        await rig.load('flush table bridge bk\nflush table ip bk\n');
        await rig.load(printNft(to).replaceAll(/^delete table .*$/gm, ''));
      },
    ],
  ];

  for (const [how, seen, load] of gaps) {
    test(`the rig sees the gap of ${how}`, async (t) => {
      await rig.load(anew(first));
      let seenNow = 0;
      // the gap is short, and a busy machine may send nothing in it
      for (let again = 0; seenNow === 0 && again < 5; again++) {
        const outcome = await rig.whileFlowing(async () => {
          for (let index = 0; index < faulty; index++) await load(first);
        });
        t.diagnostic(JSON.stringify(outcome));
        assertFlowed(outcome, faulty);
        seenNow = outcome[seen];
      }
      assert.ok(seenNow > 0, `nothing was ${seen}`);
    });
  }
});
