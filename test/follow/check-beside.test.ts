// A check of our rules that takes long, and events while it runs: they are served at once, what they load makes the check
// one in vain, and however many there are, what somebody changed is put right.
import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { applyTarget } from '../../src/apply/live/apply.ts';
import type { Checked } from '../../src/follow/aside-work.ts';
import { CheckBeside } from '../../src/follow/check-beside.ts';
import { LiveHost } from '../apply/live-host.ts';
import { mustRun, needsRoot } from '../support/namespace.ts';
import { until } from '../support/until.ts';
import { type Heard, Serving } from './serving.ts';

/** As a large host is: our table takes its time to be listed, as many seconds as `slow` says, or for as long as it says 'held'. */
function slowEnv(host: LiveHost): NodeJS.ProcessEnv {
  const directory = join(host.directory, 'bin');
  mkdirSync(directory);
  const script = `#!/bin/sh
case "$*" in *'list table bridge bk')
  how=$(cat ${host.directory}/slow 2>/dev/null) && echo >>${host.directory}/lists
  case $how in
  held) while [ -e ${host.directory}/slow ]; do sleep 0.2; done ;;
  ?*) sleep $how ;;
  esac ;;
esac
exec /usr/sbin/nft "$@"
`;
  writeFileSync(join(directory, 'nft'), script);
  chmodSync(join(directory, 'nft'), 0o755);
  return { ...process.env, PATH: `${directory}:${process.env.PATH}` };
}

/** From now on; and until the check that this leads to has begun. */
async function slowed(host: LiveHost, how: string, cause: () => Promise<unknown>): Promise<void> {
  host.file('slow', how);
  rmSync(join(host.directory, 'lists'), { force: true });
  await cause();
  await until(() => existsSync(join(host.directory, 'lists')), 'a check began');
}

const released = (host: LiveHost): void => rmSync(join(host.directory, 'slow'));

const ports = ['g1', 'g2', 'g3', 'g4', 'g5'];

/** One of them that goes is a step of a few elements. */
const guests = Object.fromEntries(
  ['web', 'db', 'a', 'b', 'c'].map((name, at) => [
    name,
    { ip: `10.0.0.${11 + at}`, port: ports[at] ?? '', mac: `52:54:00:00:00:${11 + at}` },
  ]),
);

type Slow = { readonly host: LiveHost; readonly serving: Serving; readonly right: string };

async function slow(t: TestContext, many = ports.length): Promise<Slow> {
  const host = await LiveHost.build(ports.slice(0, many));
  t.after(() => host.close());
  const some = Object.fromEntries(Object.entries(guests).slice(0, many));
  await applyTarget(host.site, host.target('ssh', some, 'nft', ports.slice(0, many)), {});
  const serving = await Serving.start(host.argv(['serve', '--policy', host.policy('ssh', some)]), slowEnv(host));
  t.after(() => serving.end());
  return { host, serving, right: await host.digest() };
}

const gone = ({ namespace }: LiveHost, port = 'g5') => mustRun(namespace, 'ip', ['link', 'del', port]);
const back = (host: LiveHost) => mustRun(host.namespace, 'ip', ['-batch', '-'], host.portLines('g5').join('\n'));
const added = ({ namespace }: LiveHost) => mustRun(namespace, 'nft', ['add', 'chain', 'bridge', 'bk', 'mine']);

const isRestored = ({ kind, words }: Heard): boolean =>
  kind === 'drift' && /chain mine .* added by somebody/.test(words);

suite('a check that takes long', { skip: needsRoot }, () => {
  test('beside guests of which each is a step', async (t) => {
    const { host, serving, right } = await slow(t);

    await t.test('one that goes and one that comes wait for nothing; then what was changed is put right', async (t) => {
      const from = serving.heard.length;
      await slowed(host, 'held', () => added(host));
      const { ms: going } = await serving.after(
        () => gone(host),
        ({ words }) => words === 'port g5 of br0 is no longer there',
      );
      const { ms: coming } = await serving.after(
        () => back(host),
        ({ words }) => /^port g5 of br0 is new/.test(words),
      );
      t.diagnostic(`${going} and ${coming} ms`);
      assert.equal(serving.heard.slice(from).some(isRestored), false, 'the check was not over');
      released(host);
      await serving.until(isRestored, 60_000, from);
      assert.equal(await host.digest(), right);
      await sleep(1_000);
      assert.equal(serving.heard.slice(from).filter(({ kind }) => kind === 'drift').length, 1, 'it is said once');
      assert.equal((await host.run(['status'])).code, 0);
    });

    await t.test('one that comes and goes all the time does not keep it from being put right', async () => {
      const from = serving.heard.length;
      await slowed(host, '3', () => added(host));
      for (let turn = 0; turn < 60 && !serving.heard.slice(from).some(isRestored); turn++) {
        await gone(host);
        await sleep(500);
        await back(host);
        await sleep(500);
      }
      assert.ok(serving.heard.slice(from).some(isRestored));
      await serving.until(({ words }) => /^port g5 of br0 is new/.test(words), 60_000, from);
      released(host);
      await until(async () => (await host.digest()) === right, 'the rules are as they were', 500);
      // it tells of the last one after that
      for (let heard = -1; heard !== serving.heard.length; await sleep(3_000)) heard = serving.heard.length;
    });

    await t.test('nothing changed: nothing is said, and a daemon that is told to end does', async () => {
      const nothing = 'add chain bridge bk mine\ndelete chain bridge bk mine\n';
      const from = serving.heard.length;
      await slowed(host, '3', () => mustRun(host.namespace, 'nft', ['-f', '-'], nothing));
      assert.equal(await serving.end(), 0);
      assert.deepEqual(
        serving.heard.slice(from).map(({ kind }) => kind),
        ['ended'],
      );
    });
  });

  test('what asks for everything to be made anew waits for the check: it would hide what somebody changed', async (t) => {
    const { host, serving } = await slow(t, 2);
    const from = serving.heard.length;
    await slowed(host, 'held', () => added(host));
    await gone(host, 'g2');
    await sleep(1_000);
    assert.deepEqual(serving.heard.slice(from), [], 'it waits');
    released(host);
    await serving.until(isRestored, 60_000, from);
    await serving.until(({ words }) => words === 'port g2 of br0 is no longer there', 60_000, from);
    const { stdout } = await mustRun(host.namespace, 'nft', ['list', 'chains']);
    assert.doesNotMatch(stdout, /chain mine/);
    assert.equal(serving.stderr, '');
  });
});

const fine: Checked = { drift: [], isApplied: true };

/** A check whose end is ours to say. */
function prepared() {
  const waiting: ((found: Checked | undefined) => void)[] = [];
  let ended = 0;
  const aside = () => new Promise<Checked | undefined>((resolve) => waiting.push(resolve));
  const check = new CheckBeside(aside as never, () => ended++);
  const finish = async (found: Checked | undefined): Promise<void> => {
    waiting.shift()?.(found);
    await sleep(0);
  };
  return { check, finish, count: () => ended, running: () => waiting.length };
}

suite('what a check beside is worth', () => {
  test('one at a time; a reason that comes meanwhile is one for the next', async () => {
    const { check, finish, count, running } = prepared();
    assert.notEqual(check.begin(), undefined);
    assert.equal(check.begin(), undefined);
    assert.deepEqual([running(), check.take()], [1, undefined]);
    await finish(fine);
    assert.equal(count(), 1);
    assert.deepEqual(check.take(), { checked: fine, again: true });
    assert.equal(check.take(), undefined, 'once');
  });

  test('in vain: again, and the next one is waited for', async () => {
    const { check, finish } = prepared();
    check.begin();
    await finish(undefined);
    assert.equal(check.wasInVain, false);
    assert.deepEqual(check.take(), { checked: undefined, again: true });
    assert.equal(check.wasInVain, true);
    check.outdate();
    assert.equal(check.wasInVain, false);
  });

  test('everything was made anew meanwhile: it says nothing, and only a new reason is one for another', async () => {
    for (const again of [false, true]) {
      const { check, finish } = prepared();
      check.begin();
      check.outdate();
      if (again) check.begin();
      await finish({ drift: [{ kind: 'table', words: 'gone' }], isApplied: true });
      assert.deepEqual(check.take(), { again });
    }
  });
});
