// Following in the kernel: a guest's coming and going is a transaction that the kernel takes, that is kept for the boot, and
// that ends where a refresh of everything ends. BRIDGEKEEPER_FULL=1: by nft also what has nothing to do with the
// way, and a look at the kernel after each step instead of every second one.
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, suite, type TestContext, test } from 'node:test';
import { applyTarget } from '../../src/apply/live/apply.ts';
import { Following } from '../../src/apply/live/following.ts';
import { refreshRules } from '../../src/apply/live/refresh.ts';
import { readNumbering } from '../../src/apply/live/state.ts';
import { readStatus } from '../../src/apply/live/status.ts';
import { type Target, targetOfText } from '../../src/apply/target.ts';
import type { Access } from '../../src/machine/access.ts';
import type { Host } from '../../src/model/host.ts';
import { HostError } from '../../src/model/host-error.ts';
import { mustRun, needsRoot } from '../support/namespace.ts';
import { startRelay } from '../support/relay.ts';
import { root } from '../support/run-cli.ts';
import { type Guest, hostWith, LiveHost, policyText } from './live-host.ts';
import { assertNoDrift } from './no-drift.ts';
import { timeIsOver } from './time-is-over.ts';

const many: Readonly<Record<string, Guest>> = Object.fromEntries(
  Array.from({ length: 9 }, (_, at) => [
    ['web', 'db', 'a', 'b', 'c', 'd', 'e', 'f', 'g'][at],
    { ip: `10.0.0.${11 + at}`, port: `g${1 + at}`, mac: `52:54:00:00:00:${11 + at}` },
  ]),
);

const everybody = ['g1', 'g2', 'g3', 'g4', 'g5', 'g6', 'g7', 'g8', 'g9'];

function without(...gone: readonly string[]): Host {
  return hostWith(everybody.filter((port) => !gone.includes(port)));
}

function targetFor(live: LiveHost, service: string, host: Host): Target {
  const written = {
    backend: 'nft',
    arp: 'bound',
    policyFile: 'policy.yaml',
    policyText: policyText(service, many),
  } as const;
  const { value } = targetOfText(written, host, readNumbering(live.state));
  assert.ok(value);
  return value;
}

/** State directories after an apply, by the ports of the host. */
const kept = new Map<string, string>();

after(() => {
  for (const directory of kept.values()) rmSync(directory, { recursive: true });
});

/** The first one with such ports applies the policy; the others have what it left, as after a boot. */
async function loadedHost(host: Host = without()): Promise<LiveHost> {
  const live = await LiveHost.build();
  const ports = host.bridges.flatMap((bridge) => bridge.ports.map(({ name }) => name)).join();
  const before = kept.get(ports);
  if (before === undefined) {
    await applyTarget(live.site, targetFor(live, 'ssh', host), {});
    const directory = mkdtempSync(join(tmpdir(), 'bridgekeeper-following-'));
    kept.set(ports, directory);
    cpSync(live.state, directory, { recursive: true, verbatimSymlinks: true });
  } else {
    cpSync(before, live.state, { recursive: true, verbatimSymlinks: true });
    await mustRun(live.namespace, 'nft', ['-f', join(live.state, 'confirmed', 'rules.nft')]);
  }
  return live;
}

/** The files of changes since the generation was written. */
function sinceFiles(live: LiveHost): readonly string[] {
  const directory = join(live.state, 'confirmed');
  return readdirSync(directory)
    .filter((name) => name.startsWith('since-'))
    .flatMap((name) => readdirSync(join(directory, name)).filter((file) => file.endsWith('.nft')));
}

async function boot(live: LiveHost): Promise<string> {
  await live.reboot();
  const { code, stderr } = await live.namespace.run(join(root, 'bin', 'bridgekeeper-boot'), [live.state]);
  assert.equal(code, 0, stderr);
  return live.digest();
}

const isFull = process.env.BRIDGEKEEPER_FULL === '1';

type Way = 'by nft' | 'by netlink';

/**
 * Of the rules of single guests; everything else is made by nft in either case.
 * @param left how many steps are left to nft, though there is another way
 */
async function followingOf(live: LiveHost, way: Way, t: TestContext, left = 0): Promise<Following> {
  if (way === 'by nft') return new Following(live.site);
  const { relay, stop } = await startRelay(live.namespace);
  const { access } = live.site;
  let byNft = 0;
  const start: Access['start'] = (program, args, input) => {
    if (args.some((word) => word.includes('/since-'))) byNft++;
    return access.start(program, args, input);
  };
  t.after(async () => {
    await stop();
    assert.equal(byNft, left, 'steps that nft loaded');
  });
  const site = { ...live.site, access: { ...access, start } };
  return new Following(site, undefined, (changes) => relay.change(changes));
}

for (const way of ['by nft', 'by netlink'] as const) steps(way);

function steps(way: Way): void {
  suite(`followed step by step, ${way}`, { skip: needsRoot }, () => {
    test('each step is a transaction that the kernel takes, and ends where everything made anew ends', async (t) => {
      const live = await loadedHost();
      t.after(() => live.close());
      const following = await followingOf(live, way, t);
      assert.equal((await following.refresh(without()))?.changed, false);
      const steps = [['g9'], ['g9', 'g8'], ['g8'], [], ['g1'], [], ['g4', 'g5'], ['g5']];
      for (const [index, gone] of steps.entries()) {
        const followed = await following.refresh(without(...gone));
        assert.ok(followed?.changed, gone.join());
        if (isFull || index % 2 === 1) await assertNoDrift(live, without(...gone));
        if (followed.ground === undefined) assert.ok(followed.elementsOnly && (followed.ports?.length ?? 0) > 0);
        if (index < 4) assert.equal(sinceFiles(live).length, index + 1);
      }
      assert.deepEqual((await readStatus(live.site, without('g5'))).drift, []);
      const followed = await live.digest();
      assert.equal((await refreshRules(live.site, without('g5')))?.changed, false);
      assert.equal(await live.digest(), followed);
    });

    test('the machine goes down: the boot loads what was loaded', async (t) => {
      const live = await loadedHost();
      t.after(() => live.close());
      const following = await followingOf(live, way, t);
      await following.refresh(without());
      await following.refresh(without('g9'));
      await following.refresh(without('g9', 'g8'));
      await following.refresh(without('g8'));
      const before = await live.digest();
      assert.equal(sinceFiles(live).length, 3);
      assert.equal(await boot(live), before);
      assert.doesNotMatch(
        (await mustRun(live.namespace, 'nft', ['list', 'map', 'bridge', 'bk', 'in_guests'])).stdout,
        /"g8"/,
      );
      // and whoever begins anew writes it as a whole
      const again = await followingOf(live, way, t);
      assert.equal((await again.refresh(without('g8')))?.changed, false);
      assert.deepEqual(sinceFiles(live), []);
      assert.equal(await boot(live), before);
    });

    test('somebody flushed the rules: the step is refused, nothing is kept of it, and the next time all is put right', async (t) => {
      const live = await loadedHost();
      t.after(() => live.close());
      const following = await followingOf(live, way, t, 1);
      await following.refresh(without());
      await mustRun(live.namespace, 'nft', ['flush', 'ruleset']);
      await assert.rejects(following.refresh(without('g9')), { code: 'load-refused' });
      assert.deepEqual(sinceFiles(live), []);
      assert.equal((await following.refresh(without('g9')))?.changed, true);
      await assertNoDrift(live, without('g9'));
    });

    // how the steps came into the kernel means nothing to these
    if (way === 'by netlink' || isFull) whatever(way);
  });
}

function whatever(way: Way): void {
  test('what is quiet is written as a whole, and says the same', async (t) => {
    const live = await loadedHost();
    t.after(() => live.close());
    const following = await followingOf(live, way, t);
    await following.refresh(without('g9'));
    await following.refresh(without('g8'));
    assert.equal(sinceFiles(live).length, 1);
    const before = await live.digest();
    await following.settle();
    assert.deepEqual(sinceFiles(live), []);
    assert.equal(await boot(live), before);
  });

  test('rules that were never there get numbers, which nobody else gets', async (t) => {
    const live = await loadedHost(without('g9'));
    t.after(() => live.close());
    const following = await followingOf(live, way, t);
    await following.refresh(without('g9'));
    const known = readNumbering(live.state);
    await following.refresh(without());
    assert.ok(existsSync(join(live.state, 'numbers.more')));
    const now = readNumbering(live.state);
    const fresh = Object.keys(now).filter((id) => !(id in known));
    assert.deepEqual(fresh.toSorted(), ['guest/g/in/source', 'guest/g/out/destination', 'guest/g/out/source']);
    assert.equal(new Set(Object.values(now)).size, Object.keys(now).length);
    await following.settle();
    assert.deepEqual(readNumbering(live.state), now);
  });

  test('another policy, or a change that waits: everything is made anew from it', async (t) => {
    const live = await loadedHost();
    t.after(() => live.close());
    const following = await followingOf(live, way, t);
    await following.refresh(without());
    await applyTarget(live.site, targetFor(live, 'http', without()), {});
    const followed = await following.refresh(without('g9'));
    assert.ok(followed?.ground !== undefined);
    await assertNoDrift(live, without('g9'));
    await applyTarget(live.site, targetFor(live, 'ssh', without('g9')), { confirmSeconds: 600 });
    const waiting = await following.refresh(without());
    assert.ok(waiting?.ground !== undefined);
    await assertNoDrift(live, without());
    await timeIsOver(live.state);
    await live.untilStage('rolled-back');
    await following.refresh(without());
    await assertNoDrift(live, without());
  });
}

suite('a step of which nobody knows what became of it', { skip: needsRoot }, () => {
  for (const became of ['committed', 'not done'] as const) {
    test(`${became}: it is on the disk, and everything is made anew`, async (t) => {
      const live = await loadedHost();
      t.after(() => live.close());
      const { relay, stop } = await startRelay(live.namespace);
      t.after(stop);
      const following = new Following(live.site, undefined, async (changes) => {
        if (became === 'committed') assert.equal(await relay.change(changes), true);
        throw new HostError('tool-failed', 'no answer');
      });
      await following.refresh(without());
      await assert.rejects(following.refresh(without('g9')), { code: 'tool-failed' });
      // it closes a port: a boot must not open it again
      assert.equal(sinceFiles(live).length, 1);
      const followed = await following.refresh(without('g9'));
      assert.ok(followed?.ground !== undefined);
      await assertNoDrift(live, without('g9'));
      const before = await live.digest();
      assert.deepEqual(sinceFiles(live), []);
      assert.equal(await boot(live), before);
    });
  }
});
