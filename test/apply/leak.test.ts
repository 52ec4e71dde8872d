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
import { LeakRig, type Outcome, pace, worldRules } from './leak-rig.ts';

const isFull = process.env.BRIDGEKEEPER_FULL === '1';
const size = isFull ? { first: 1023, second: 229 } : { first: 201, second: 101 };
const replaced = isFull ? 200 : 20;
const elements = isFull ? 1_000 : 100;

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
    assert.ok(sent > pace / 2 && sent > changes * 5, `only ${sent} frames of each kind`);
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
    const outcome = await rig.whileFlowing(() => rig.load(1, transaction(undefined, first)));
    t.diagnostic(JSON.stringify(outcome));
    assertHeld(outcome, 1);
    assert.ok(outcome.passed > 0 && outcome.passed < 2 * outcome.sent, 'the load came in the middle');
  });

  test(`${replaced} times all guests and every base chain of the bridge table are replaced`, async (t) => {
    const ways = [transaction(first, second), transaction(second, first)];
    for (const chain of ['prerouting', 'leave'])
      assert.match(ways[0] ?? '', new RegExp(`^flush chain bridge bk ${chain}$`, 'm'));
    const outcome = await rig.whileFlowing(() => rig.load(replaced / 2, ...ways));
    t.diagnostic(JSON.stringify(outcome));
    assertHeld(outcome, replaced);
    assert.equal(outcome.passed, 0);
  });

  test(`${elements} times one guest changes its address`, async (t) => {
    const moved = worldRules(size, 0, [7]);
    const ways = [elementChanges(first, moved), elementChanges(moved, first)].filter((text) => text !== undefined);
    assert.ok(ways.length === 2 && ways.every((text) => text.length < 5_000), 'single elements are all it takes');
    const outcome = await rig.whileFlowing(() => rig.load(elements / 2, ...ways));
    t.diagnostic(JSON.stringify(outcome));
    assertHeld(outcome, elements);
    assert.equal(outcome.passed, 0);
  });

  const filled = printNft(first).replaceAll(/^delete table .*$/gm, '');

  /** The first gap is short, the others last as long as a program takes to start. */
  const gaps: readonly (readonly [how: string, seen: 'lost' | 'leaked', times: number, texts: readonly string[]])[] = [
    ['tables deleted and made anew in one transaction', 'lost', 20, [anew(first)]],
    ['tables deleted, then made anew', 'leaked', 3, ['delete table bridge bk\ndelete table ip bk\n', printNft(first)]],
    ['tables flushed, then filled again', 'leaked', 3, ['flush table bridge bk\nflush table ip bk\n', filled]],
  ];

  for (const [how, seen, times, texts] of gaps) {
    test(`the rig sees the gap of ${how}`, async (t) => {
      await rig.load(1, anew(first));
      let seenNow = 0;
      // a busy machine may send nothing in it
      for (let again = 0; seenNow === 0 && again < 5; again++) {
        const outcome = await rig.whileFlowing(() => rig.load(times, ...texts));
        t.diagnostic(JSON.stringify(outcome));
        assertFlowed(outcome, times);
        seenNow = outcome[seen];
      }
      assert.ok(seenNow > 0, `nothing was ${seen}`);
    });
  }
});
