// Whatever becomes of the command, its session or the machine: an unconfirmed change is gone by its deadline, and a
// confirmed one stays. Each row once, or many times, several hosts at once.
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { applyTarget } from '../../src/apply/live/apply.ts';
import { isLoaded, readPending, timerPid } from '../../src/apply/live/pending.ts';
import type { Access } from '../../src/machine/access.ts';
import type { Backend } from '../../src/model/ruleset.ts';
import { Serving } from '../follow/serving.ts';
import { ended } from '../support/child.ts';
import { needsRoot } from '../support/namespace.ts';
import { root } from '../support/run-cli.ts';
import { assertPrompt } from '../support/slowness.ts';
import { until } from '../support/until.ts';
import { LiveHost } from './live-host.ts';

/** Every row 20 times takes some minutes: BRIDGEKEEPER_FULL=1. */
const times = process.env.BRIDGEKEEPER_FULL === '1' ? 20 : 1;
const howOften = times === 1 ? '' : `, ${times} times`;
const atOnce = 2;
/** They wait for half of their time. */
const rowsAtOnce = 2;

/** Seconds until the old rules come back, and how much later they may be there. */
const deadline = 5;
const graceMs = 1_000;

/** Seconds for a machine on which that is over before the change is loaded and looked at. */
const longerDeadlines = [20, 60];

/** Seconds in which a command that is to come before the deadline surely does. */
const enough = 20;

/** Seconds that nobody waits for. */
const never = 600;

async function manyTimes(run: (host: LiveHost) => Promise<void>): Promise<void> {
  let left = times;
  const worker = async (): Promise<void> => {
    const host = await LiveHost.build();
    try {
      while (left-- > 0) await run(host);
    } finally {
      await host.close();
    }
  };
  await Promise.all(Array.from({ length: Math.min(times, atOnce) }, worker));
}

/** However the action ends, the daemon does too: a test process waits for what it started. */
async function withDaemon(host: LiveHost, action: (serving: Serving) => Promise<void>): Promise<void> {
  const serving = await Serving.start(host.argv(['serve', '--policy', host.policy('http')]));
  try {
    await action(serving);
  } finally {
    await serving.end('SIGKILL');
  }
}

type Begun = { readonly host: LiveHost; readonly old: string; readonly command: ChildProcess };

type Start = (args: readonly string[]) => ChildProcess;

/** The old rules are confirmed, and a change waits. */
async function begin(host: LiveHost, start: Start, seconds = deadline): Promise<Begun> {
  for (const atMost of [seconds, ...longerDeadlines]) {
    const begun = await waiting(host, start, atMost);
    if (begun !== undefined) return begun;
  }
  return assert.fail('the change was never loaded before its deadline');
}

/** Undefined when it was over before anybody had looked. */
async function waiting(host: LiveHost, start: Start, seconds: number): Promise<Begun | undefined> {
  await host.applyHere('ssh');
  const old = await host.digest();
  const earlier = readPending(host.state)?.journal.begun;
  const command = start(['apply', '--policy', host.policy('http'), '--confirm', `${seconds}s`, '--wait']);
  const stage = () => {
    const pending = readPending(host.state);
    return pending?.journal.begun === earlier ? undefined : pending?.stage;
  };
  await until(() => stage() !== undefined, 'a change waits', 5);
  await until(() => isLoaded(host.state) || stage() !== 'armed', 'it is loaded', 5);
  const fresh = await host.digest();
  if (stage() === 'armed') {
    assert.notEqual(fresh, old);
    return { host, old, command };
  }
  await host.untilStage('rolled-back');
  await ended(command);
  return undefined;
}

async function assertComesBack({ host, old, command }: Begun): Promise<void> {
  const over = readPending(host.state)?.journal.deadline;
  assert.ok(over !== undefined);
  await host.untilStage('rolled-back');
  // when it was renamed: we may look late
  const back = statSync(join(host.state, 'pending', 'rolled-back')).ctimeMs;
  assertPrompt(back - over, graceMs, 'the way back, after the deadline,');
  assert.equal(await host.digest(), old);
  if (command.exitCode === null && command.signalCode === null) await ended(command);
}

/** nsenter and script become the program, or pass on what they get. */
const causes: readonly (readonly [
  cause: string,
  start: 'start' | 'startOnTerminal',
  cause: (command: ChildProcess) => void,
])[] = [
  ['nothing happens', 'start', () => undefined],
  ['the session is closed', 'startOnTerminal', (command) => command.kill('SIGKILL')],
  ['the command gets SIGHUP', 'start', (command) => command.kill('SIGHUP')],
  ['the command gets SIGTERM', 'start', (command) => command.kill('SIGTERM')],
  ['the command gets SIGKILL', 'start', (command) => command.kill('SIGKILL')],
  ['somebody presses Ctrl-C', 'start', (command) => command.kill('SIGINT')],
];

suite('an unconfirmed change', { skip: needsRoot, concurrency: rowsAtOnce }, () => {
  for (const [cause, start, act] of causes) {
    test(`${cause}${howOften}: the old rules are back by the deadline`, async () => {
      const codes: (number | null)[] = [];
      await manyTimes(async (host) => {
        const begun = await begin(host, (args) => host[start](args));
        act(begun.command);
        await assertComesBack(begun);
        codes.push(begun.command.exitCode);
      });
      assert.equal(codes.length, times);
      if (cause === 'nothing happens') assert.deepEqual(new Set(codes), new Set([4]));
      if (cause === 'somebody presses Ctrl-C') assert.deepEqual(new Set(codes), new Set([130]));
    });
  }

  test(`the daemon gets SIGKILL${howOften}: the old rules are back by the deadline`, async () => {
    let killed = 0;
    await manyTimes(async (host) => {
      await host.applyHere('ssh');
      await withDaemon(host, async (serving) => {
        const begun = await begin(host, (args) => host.start(args));
        await serving.end('SIGKILL');
        if (serving.child.signalCode === 'SIGKILL') killed++;
        assert.deepEqual(
          serving.heard.filter(({ kind }) => kind === 'drift' || kind === 'trouble'),
          [],
          'a change that waits is no drift',
        );
        await assertComesBack(begun);
      });
    });
    assert.equal(killed, times);
  });

  test(`the daemon goes on${howOften}: it leaves the change to the timer, and what came back is no drift`, async () => {
    let held = 0;
    await manyTimes(async (host) => {
      await host.applyHere('ssh');
      await withDaemon(host, async (serving) => {
        await assertComesBack(await begin(host, (args) => host.start(args)));
        await sleep(1_500);
        assert.deepEqual(
          serving.heard.filter(({ kind }) => kind === 'drift' || kind === 'trouble'),
          [],
        );
        assert.equal(await serving.end(), 0);
      });
      assert.equal((await host.run(['status'])).code, 0);
      held++;
    });
    assert.equal(held, times);
  });

  test(`the machine goes down${howOften}: the boot loads the old rules, without Node`, async () => {
    await manyTimes(async (host) => {
      const { old, command } = await begin(host, (args) => host.start(args), never);
      command.kill('SIGKILL');
      process.kill(-(timerPid(host.state) ?? Number.NaN), 'SIGKILL');
      await host.reboot();
      const { code, stderr } = await host.namespace.run('env', [
        '-i',
        join(root, 'bin', 'bridgekeeper-boot'),
        host.state,
      ]);
      assert.equal(code, 0, stderr);
      assert.match(stderr, /not confirmed/);
      assert.equal(await host.digest(), old);
      assert.equal(readPending(host.state)?.stage, 'rolled-back');
    });
  });
});

suite('a command that is stopped until the time is over, and then goes on', { skip: needsRoot, concurrency: 2 }, () => {
  /** The load itself begins only after the deadline, as when the process or the machine was suspended. */
  const late = (
    { site: { access }, state }: LiveHost,
    loads: (program: string, args: readonly string[]) => boolean,
  ): Access => {
    const isOver = join(state, 'pending', 'rolled-back');
    const script = `timeout 60 sh -c 'until [ -e "$0" ]; do sleep 0.1; done' "$0"; exec "$@"`;
    return {
      ...access,
      start: (program, args) =>
        loads(program, args)
          ? access.start('sh', ['-c', script, isOver, program, ...args])
          : access.start(program, args),
    };
  };

  const ways: readonly (readonly [Backend, (program: string, args: readonly string[]) => boolean])[] = [
    ['nft', (_program, args) => args.some((arg) => arg.endsWith('transaction.nft'))],
    ['iptables', (program) => program === 'iptables-restore'],
  ];
  for (const [backend, loads] of ways) {
    test(`${backend}: the old rules stay`, async (t) => {
      const host = await LiveHost.build();
      t.after(() => host.close());
      await applyTarget(host.site, host.target('ssh', undefined, backend), {});
      const old = await host.digest();
      const site = { ...host.site, access: late(host, loads) };
      const applied = applyTarget(site, host.target('http', undefined, backend), { confirmSeconds: 1 });
      await assert.rejects(applied, { code: 'rolled-back' });
      assert.equal(await host.digest(), old);
      assert.equal(readPending(host.state)?.stage, 'rolled-back');
      const { stdout } = await host.namespace.run('nft', ['list', 'tables']);
      assert.doesNotMatch(stdout, /bk_/);
      await applyTarget(host.site, host.target('http', undefined, backend), {});
      assert.notEqual(await host.digest(), old);
    });
  }
});

suite('a confirmed change', { skip: needsRoot, concurrency: rowsAtOnce }, () => {
  test('stays, also over a reboot; the command that waited ends well', async (t) => {
    const host = await LiveHost.build();
    t.after(() => host.close());
    const { command, old } = await begin(host, (args) => host.start(args), enough);
    await host.mustRun(['confirm']);
    const fresh = await host.digest();
    assert.notEqual(fresh, old);
    const [code] = command.exitCode === null ? await ended(command) : [command.exitCode];
    assert.equal(code, 0);
    await sleep(enough * 1000 + 500);
    assert.equal(await host.digest(), fresh);
    await host.reboot();
    await host.namespace.run(join(root, 'bin', 'bridgekeeper-boot'), [host.state]);
    assert.equal(await host.digest(), fresh);
  });

  test(`confirmed at the last moment${howOften}: the kernel has what the state says`, async () => {
    const ends = { confirmed: 0, back: 0 };
    await manyTimes(async (host) => {
      const { old } = await begin(host, (args) => host.start(args));
      const over = readPending(host.state)?.journal.deadline ?? 0;
      // the program takes some tenths of a second to begin
      await sleep(Math.max(0, over - Date.now() - 400 * Math.random()));
      const { code, stderr } = await host.run(['confirm']);
      await host.untilStage(undefined, 'rolled-back');
      if (code === 0) {
        ends.confirmed++;
        assert.notEqual(await host.digest(), old);
      } else {
        ends.back++;
        assert.equal(code, 4, stderr);
        assert.equal(await host.digest(), old);
      }
      const status = JSON.parse(await host.mustRun(['status', '-o', 'json']));
      assert.deepEqual(status.drift, []);
    });
    assert.equal(ends.confirmed + ends.back, times);
  });

  test('a confirmation that was broken off is finished at boot', async (t) => {
    const host = await LiveHost.build();
    t.after(() => host.close());
    const { old } = await begin(host, (args) => host.start(args), never);
    const fresh = await host.digest();
    process.kill(-(timerPid(host.state) ?? Number.NaN), 'SIGKILL');
    renameSync(join(host.state, 'pending', 'armed'), join(host.state, 'pending', 'confirmed'));
    await host.reboot();
    await host.namespace.run(join(root, 'bin', 'bridgekeeper-boot'), [host.state]);
    assert.equal(await host.digest(), fresh);
    assert.notEqual(fresh, old);
  });

  test('a timer that was killed: the next command takes the change back', async (t) => {
    const host = await LiveHost.build();
    t.after(() => host.close());
    const { old, command } = await begin(host, (args) => host.start(args), enough);
    command.kill('SIGKILL');
    process.kill(-(timerPid(host.state) ?? Number.NaN), 'SIGKILL');
    await sleep(enough * 1000 + 2_500);
    assert.match(await host.mustRun(['status']), /the timer is dead/);
    const { code } = await host.run(['confirm']);
    assert.equal(code, 4);
    assert.equal(await host.digest(), old);
  });
});
