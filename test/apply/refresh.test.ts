// The policy in force for the host as it is now: guests that come and go while a change waits or not, and rules that
// somebody changed.
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { applyTarget } from '../../src/apply/live/apply.ts';
import { withKeptBridges } from '../../src/apply/live/kept-bridges.ts';
import { type Reckoning, refreshRules } from '../../src/apply/live/refresh.ts';
import { makeStateDirectory, readNumbering } from '../../src/apply/live/state.ts';
import { readStatus } from '../../src/apply/live/status.ts';
import { type Target, targetOfText } from '../../src/apply/target.ts';
import type { Host } from '../../src/model/host.ts';
import type { Policy } from '../../src/model/policy.ts';
import { mustRun, needsRoot } from '../support/namespace.ts';
import { hostWith, LiveHost } from './live-host.ts';
import { assertNoDrift } from './no-drift.ts';
import { timeIsOver } from './time-is-over.ts';

async function refreshed(live: LiveHost, host: Host, from?: Reckoning) {
  const result = await refreshRules(live.site, host, from);
  assert.ok(result);
  return result;
}

/** A policy without guests, as `apply` asks for it. */
function emptyTarget({ state }: LiveHost): Target {
  const policyText = 'guests: {}\nallow: []\ndhcp: none\n';
  const written = { backend: 'nft', arp: 'bound', policyFile: 'nobody.yaml', policyText } as const;
  const completed = (policy: Policy, bare: Host): Host => withKeptBridges(state, policy, bare);
  const { value } = targetOfText(written, hostWith(['g1', 'g2']), readNumbering(state), completed);
  assert.ok(value);
  return value;
}

suite('guests come and go', { skip: needsRoot }, () => {
  let live: LiveHost;
  before(async () => {
    live = await LiveHost.build();
  });
  after(() => live.close());

  test('elements are all that changes, and base chains stay; without news nothing is written', async () => {
    await live.applyHere('ssh');
    const both = await live.digest();
    const since = (await readStatus(live.site, hostWith(['g1', 'g2']))).current?.loadedAt;
    let from: Reckoning = 'as listed';
    for (const ports of [['g1'], ['g1', 'g2'], ['g1', 'g2', 'g3'], ['g1', 'g2']]) {
      const { changed, elementsOnly, drift } = await refreshed(live, hostWith(ports), from);
      assert.ok(changed && elementsOnly, `${ports.join()}: ${changed} ${elementsOnly}`);
      assert.deepEqual(drift, []);
      await assertNoDrift(live, hostWith(ports));
      from = 'as kept';
    }
    assert.equal(await live.digest(), both);
    const { current, drift } = await readStatus(live.site, hostWith(['g1', 'g2']));
    assert.deepEqual([current?.loadedAt, drift], [since, []]);
    assert.equal((await refreshed(live, hostWith(['g1', 'g2']), 'as kept')).changed, false);
  });

  test('what somebody changed is put right, and told, also when a guest comes at the same time', async () => {
    await live.applyHere('ssh');
    const rows: readonly (readonly [argv: readonly string[], words: RegExp])[] = [
      [
        ['flush', 'chain', 'bridge', 'bk', 'prerouting'],
        /^chain prerouting of table bridge bk is not as it was loaded$/,
      ],
      [['delete', 'table', 'ip', 'bk'], /^table ip bk is gone$/],
      [['flush', 'ruleset'], /^table bridge bk is gone\ntable ip bk is gone$/],
    ];
    const right = await live.digest();
    for (const ports of [['g1', 'g2'], ['g1']]) {
      for (const [argv, words] of rows) {
        await refreshed(live, hostWith(['g1', 'g2']));
        await mustRun(live.namespace, 'nft', argv);
        const { changed, drift } = await refreshed(live, hostWith(ports));
        assert.equal(changed, true);
        assert.match(drift.map((one) => one.words).join('\n'), words);
        assert.equal((await live.digest()) === right, ports.length === 2);
      }
    }
    await refreshed(live, hostWith(['g1', 'g2']));
  });

  test('a guest comes while a change waits: it is there, and the way back leads to the old policy with it', async () => {
    await live.applyHere('ssh');
    await applyTarget(live.site, live.target('http'), { confirmSeconds: 600 });
    const { target } = await refreshed(live, hostWith(['g1']));
    assert.match(target.policyText, /service: http/);
    await timeIsOver(live.state);
    await live.untilStage('rolled-back');
    const { current, drift } = await readStatus(live.site, hostWith(['g1']));
    assert.match(current?.texts.policy ?? '', /service: ssh/);
    // the old policy's rules for the host of today; the generation still says what it was when it was loaded
    const again = await refreshed(live, hostWith(['g1']));
    assert.equal(again.target.policyText.includes('service: ssh'), true);
    assert.ok(drift.every(({ words }) => !words.includes('by somebody else')));
    assert.deepEqual((await readStatus(live.site, hostWith(['g1']))).drift, []);
  });

  test('a wrong belief of what is loaded is refused, and nothing is changed', async () => {
    await live.applyHere('ssh');
    await refreshed(live, hostWith(['g1']));
    await mustRun(live.namespace, 'nft', ['flush', 'ruleset']);
    await assert.rejects(refreshRules(live.site, hostWith(['g1', 'g2']), 'as kept'), { code: 'load-refused' });
    assert.equal((await refreshed(live, hostWith(['g1', 'g2']))).changed, true);
    await assertNoDrift(live, hostWith(['g1', 'g2']));
  });

  test('a bridge whose last guest went stays closed to who comes next; without that guest in the policy it does not', async () => {
    await live.applyHere('ssh');
    const bridges = ({ list }: Target): readonly string[] => list.ground.bridges.map(({ name }) => name);
    for (const ports of [[], ['x9'], ['g1', 'x9'], ['x9']]) {
      const { target } = await refreshed(live, hostWith(ports));
      assert.deepEqual(bridges(target), ['br0'], ports.join());
      const closed = target.list.ground.bridges
        .flatMap((bridge) => bridge.ports)
        .filter(({ kind }) => kind === 'closed');
      assert.deepEqual(
        closed.map(({ name }) => name),
        ports.filter((name) => name === 'x9'),
      );
      await assertNoDrift(live, hostWith(ports));
    }
    await applyTarget(live.site, emptyTarget(live), {});
    assert.deepEqual(bridges((await refreshed(live, hostWith(['x9']))).target), []);
  });

  test('nothing was ever applied: nothing to keep up to date', async () => {
    const state = `${live.state}-empty`;
    makeStateDirectory(state);
    assert.equal(await refreshRules({ ...live.site, state }, hostWith(['g1'])), undefined);
  });
});
