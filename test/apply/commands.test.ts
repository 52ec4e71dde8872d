// plan, diff, apply, confirm, rollback, status on a live host in a namespace, as their user runs them.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, globSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { withLock } from '../../src/apply/live/lock.ts';
import { readPending, stopTimer } from '../../src/apply/live/pending.ts';
import { bootId, startTime } from '../../src/apply/live/process-id.ts';
import { makeStateDirectory } from '../../src/apply/live/state.ts';
import { ended } from '../support/child.ts';
import { mustRun, needsRoot } from '../support/namespace.ts';
import { Resident } from '../support/resident.ts';
import { until } from '../support/until.ts';
import { db, LiveHost, web } from './live-host.ts';
import { timeIsOver } from './time-is-over.ts';

/** Everything that the program keeps and everything that the kernel has: equal texts when nothing was written. */
async function everything(host: LiveHost): Promise<string> {
  const files = globSync('**', { cwd: host.state }).sort();
  const { stdout } = await mustRun(host.namespace, 'nft', ['-a', 'list', 'ruleset']);
  const tables = await host.namespace.run('cat', ['/proc/net/ip_tables_names']);
  return JSON.stringify([files, stdout.replaceAll(/packets \d+ bytes \d+/g, ''), tables.stdout]);
}

suite('looking changes nothing', { skip: needsRoot }, () => {
  let host: LiveHost;
  let resident: Resident;
  before(async () => {
    host = await LiveHost.build();
    resident = Resident.on(host);
  });
  after(async () => {
    await resident.close();
    await host.close();
  });

  const looks: readonly (readonly string[])[] = [
    ['plan'],
    ['plan', '-o', 'json'],
    ['plan', '--backend', 'iptables'],
    ['diff'],
    ['diff', '-o', 'json'],
    ['apply', '--dry-run'],
    ['apply', '--dry-run', '-o', 'json'],
  ];

  for (const when of ['before anything was applied', 'afterwards']) {
    test(when, async () => {
      if (when === 'afterwards') await resident.mustRun(['apply', '--policy', host.policy('ssh'), '--no-confirm']);
      const policy = host.policy('http');
      const untouched = await everything(host);
      for (const look of looks) {
        const text = await resident.mustRun([...look, '--policy', policy]);
        assert.notEqual(text, '', look.join(' '));
        assert.equal(await everything(host), untouched, look.join(' '));
      }
      await resident.mustRun(['status', '-o', 'json']);
      assert.equal(await everything(host), untouched, 'status');
    });
  }

  test('no file is opened for writing, made, renamed or removed, and no rule is sent', async (t) => {
    if (spawnSync('strace', ['-V']).status !== 0) return t.skip('strace is not installed');
    const calls =
      'openat,open,creat,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,symlink,symlinkat,link,linkat';
    const trace = host.file('trace', '');
    const node = host.argv(['plan', '--policy', host.policy('http')]).slice(6);
    const strace = ['-f', '--seccomp-bpf', '-qq', '-o', trace, '-e', `trace=${calls}`, process.execPath, ...node];
    // the tests' own cache of modules is written, whoever starts first
    const { code, stderr } = await host.namespace.run('env', ['-u', 'NODE_COMPILE_CACHE', 'strace', ...strace]);
    assert.equal(code, 0, stderr);
    const lines = readFileSync(trace, 'utf8')
      .split('\n')
      .filter((line) => !line.includes('= -1') && line.includes('('));
    assert.ok(lines.length > 100, 'strace saw the program');
    const writing = lines.filter((line) => !/\bopen(?:at)?\(/.test(line) || /O_WRONLY|O_RDWR|O_CREAT/.test(line));
    assert.deepEqual(
      writing.filter((line) => !/"\/dev\/(?:null|tty)"|"\/proc\/self\//.test(line)),
      [],
    );
  });

  test('what is said of a change: the rules, the ports, the kernel', async () => {
    const text = await resident.mustRun([
      'plan',
      '--policy',
      host.policy('http', { web, db: { ...db, ip: '10.0.0.99' } }),
    ]);
    assert.match(text, /^ {2}\+ +\d+ +g1 +in +ACCEPT +web: web -> db http +http\.yaml:5$/m);
    assert.match(text, /^ {2}- +\d+ +g1 +in +ACCEPT +web: web -> db ssh +ssh\.yaml:5$/m);
    assert.match(text, /^ {2}~- +\d+ +g2 +out +DENY +log +destination is not db 10\.0\.0\.12 /m);
    assert.match(text, /^ {2}g2 was a guest's, 10\.0\.0\.12 .*, is a guest's, 10\.0\.0\.99 /m);
    assert.match(text, /^ {2}table bridge bk: elements of own: 1 added, 1 removed$/m);
    assert.match(text, /^1 rules to add, \d+ to change, 1 to remove$/m);
    const diff = await host.mustRun(['diff', '--policy', host.policy('http')]);
    assert.match(diff, /^-.* th dport 22 /m);
    assert.match(diff, /^\+.* th dport 80 /m);
  });

  test('who has no root hears what is needed', async (t) => {
    chmodSync(host.directory, 0o755);
    const policy = host.policy('http');
    const nobody = Resident.on(host, ['setpriv', '--reuid=65534', '--clear-groups']);
    t.after(() => nobody.close());
    for (const command of ['plan', 'diff', 'apply', 'status']) {
      const args = command === 'status' ? [command] : [command, '--policy', policy];
      const { code, stderr } = await nobody.run(args);
      assert.equal(code, 2, stderr);
      assert.match(stderr, /root.*: run it with sudo/, command);
    }
  });
});

suite('a saved plan', { skip: needsRoot }, () => {
  let host: LiveHost;
  let resident: Resident;
  let plan: string;
  before(async () => {
    host = await LiveHost.build();
    resident = Resident.on(host);
    await resident.mustRun(['apply', '--policy', host.policy('ssh'), '--no-confirm']);
    plan = join(host.directory, 'plan.json');
  });
  after(async () => {
    await resident.close();
    await host.close();
  });

  const save = () => resident.mustRun(['plan', '--policy', host.policy('http'), '--out', plan]);
  const apply = () => resident.run(['apply', plan, '--no-confirm']);

  test('is applied while all is as it was, and not twice', async () => {
    await save();
    assert.equal((await apply()).code, 0);
    const { code, stderr } = await apply();
    assert.equal(code, 2);
    assert.match(stderr, /the loaded rules changed since the plan was made/);
  });

  const changes: readonly (readonly [what: string, change: () => Promise<unknown>, words: RegExp])[] = [
    [
      'a new port',
      () => mustRun(host.namespace, 'ip', ['-batch', '-'], host.portLines('g3').join('\n')),
      /the host.* changed since/,
    ],
    [
      'other rules',
      () => resident.mustRun(['apply', '--policy', host.policy('https'), '--no-confirm']),
      /the loaded rules.* changed since/,
    ],
    [
      'an edited rule',
      () => mustRun(host.namespace, 'nft', ['flush', 'chain', 'bridge', 'bk', 'in_g1']),
      /the loaded rules changed since/,
    ],
  ];
  for (const [what, change, words] of changes) {
    test(`is refused after ${what}`, async () => {
      await save();
      await change();
      const before = await host.digest();
      const { code, stderr } = await apply();
      assert.equal(code, 2);
      assert.match(stderr, words);
      assert.equal(await host.digest(), before);
    });
  }

  test('what is no plan is said to be none', async () => {
    const { code, stderr } = await resident.run(['apply', host.file('no.json', '{}')]);
    assert.equal(code, 2);
    assert.match(stderr, /is no plan/);
  });
});

suite('apply, confirm, rollback', { skip: needsRoot }, () => {
  let host: LiveHost;
  let resident: Resident;
  before(async () => {
    host = await LiveHost.build();
    resident = Resident.on(host);
  });
  after(async () => {
    await resident.close();
    await host.close();
  });

  test('without a terminal it comes back at once, and waits for confirm; another change has to wait', async () => {
    await resident.mustRun(['apply', '--policy', host.policy('ssh'), '--no-confirm']);
    const old = await host.digest();
    const { code, stderr } = await host.run(['apply', '--policy', host.policy('http')]);
    assert.equal(code, 0, stderr);
    const [, left] = /come back in (\d+) s/.exec(stderr) ?? [];
    const again = await resident.run(['apply', '--policy', host.policy('https')]);
    assert.equal(again.code, 2);
    assert.match(again.stderr, /a change waits for its confirmation/);
    const { pending } = JSON.parse(await host.mustRun(['status', '-o', 'json']));
    const { secondsLeft, deadline, timer } = pending;
    assert.equal(timer, true);
    assert.ok(secondsLeft > 0 && secondsLeft <= Number(left) && Number(left) <= 60, `${secondsLeft} of ${left}`);
    const { begun } = readPending(host.state)?.journal ?? {};
    assert.equal(deadline - (begun ?? 0), 60_000);
    await host.mustRun(['rollback']);
    assert.equal(await host.digest(), old);
    const late = await host.run(['confirm']);
    assert.equal(late.code, 4, late.stderr);
  });

  test('rollback without a change that waits brings the generation before back', async () => {
    const ssh = await host.digest();
    await resident.mustRun(['apply', '--policy', host.policy('smtp'), '--no-confirm']);
    const smtp = await host.digest();
    const back = await resident.run(['rollback']);
    assert.equal(back.code, 0, back.stderr);
    assert.equal(await host.digest(), ssh);
    assert.match(back.stderr, /the previous rules come back in/, 'as every change it waits for its confirmation');
    await resident.mustRun(['rollback']);
    assert.equal(await host.digest(), smtp);
    await resident.mustRun(['rollback', '--no-confirm']);
    assert.equal(await host.digest(), ssh);
  });

  test('rollback just after the timer means the change that is gone, and not the one before it', async () => {
    await resident.mustRun(['apply', '--policy', host.policy('imap'), '--no-confirm']);
    const imap = await host.digest();
    await resident.mustRun(['apply', '--policy', host.policy('http'), '--confirm', '10m']);
    await timeIsOver(host.state);
    await host.untilStage('rolled-back');
    const { code, stderr } = await resident.run(['rollback']);
    assert.equal(code, 0);
    assert.match(stderr, /taken back already/);
    assert.equal(await host.digest(), imap);
    assert.equal((await resident.run(['confirm'])).code, 4);
    await resident.mustRun(['rollback', '--no-confirm']);
    assert.notEqual(await host.digest(), imap, 'who knows that goes further back');
  });

  test('a change that could not be taken back can be neither confirmed nor forgotten', async () => {
    const old = await host.digest();
    await resident.mustRun(['apply', '--policy', host.policy('http'), '--confirm', '10m']);
    const pending = join(host.state, 'pending');
    stopTimer(host.state);
    renameSync(join(pending, 'armed'), join(pending, 'failed'));
    assert.match(await resident.run(['status']).then(({ stdout }) => stdout), /could not be put back/);
    const { code, stderr } = await resident.run(['confirm']);
    assert.equal(code, 2);
    assert.match(stderr, /could not be put back: run `bridgekeeper rollback`/);
    await resident.mustRun(['rollback']);
    assert.equal(await host.digest(), old);
    assert.equal((await resident.run(['status'])).code, 0);
  });

  test('who waits hears what became of this change, also when the next one has begun', async (t) => {
    const command = host.start(['apply', '--policy', host.policy('http'), '--confirm', '10m', '--wait']);
    t.after(() => command.kill('SIGKILL'));
    const ending = ended(command);
    await host.untilStage('armed');
    await until(() => !existsSync(join(host.state, 'lock')), 'it has let go of the lock');
    process.kill(command.pid ?? 0, 'SIGSTOP');
    await resident.mustRun(['rollback']);
    await resident.mustRun(['apply', '--policy', host.policy('ssh'), '--no-confirm']);
    await resident.mustRun(['apply', '--policy', host.policy('ntp'), '--confirm', '10m']);
    process.kill(command.pid ?? 0, 'SIGCONT');
    assert.deepEqual(await ending, [4, null]);
    await resident.mustRun(['rollback']);
  });

  test('confirm with nothing to confirm says so', async () => {
    await resident.mustRun(['apply', '--policy', host.policy('http'), '--no-confirm']);
    const { code, stderr } = await resident.run(['confirm']);
    assert.equal(code, 2);
    assert.match(stderr, /no change waits/);
  });

  test('rule numbers stay with their rules', async () => {
    const numbers = async (): Promise<Record<string, number>> => {
      const { rules } = JSON.parse(await resident.mustRun(['status', '-o', 'json']));
      return Object.fromEntries(rules.map(({ id, number }: { id: string; number: number }) => [id, number]));
    };
    const old = await numbers();
    await resident.mustRun(['apply', '--policy', host.policy('ntp'), '--no-confirm']);
    const now = await numbers();
    const kept = Object.keys(old).filter((id) => id in now);
    assert.ok(kept.length > 5);
    for (const id of kept) assert.equal(now[id], old[id]);
    assert.ok(
      Object.keys(now).some((id) => !(id in old)),
      'a rule is new',
    );
  });

  test('one at a time: the second one hears who the first is; a dead one is no obstacle', async () => {
    makeStateDirectory(host.state);
    await withLock(host.state, 'somebody', async () => {
      await assert.rejects(
        withLock(host.state, 'test', async () => 1, 50),
        { code: 'locked', message: /somebody/ },
      );
    });
    const lock = join(host.state, 'lock');
    const [pid, started] = [process.pid, startTime(process.pid)];
    const dead = [
      JSON.stringify({ pid, started: 1, boot: bootId(), command: 'of a process that had this number before' }),
      JSON.stringify({ pid, started, boot: 'another', command: 'before the reboot' }),
      '',
      '{"pid":',
    ];
    for (const text of dead) {
      writeFileSync(lock, text);
      assert.equal(await withLock(host.state, 'test', async () => 7, 500), 7, text);
      assert.equal(existsSync(lock), false);
    }
  });

  test('the lock keeps fifty from each other', async () => {
    makeStateDirectory(host.state);
    let inside = 0;
    let most = 0;
    await Promise.all(
      Array.from({ length: 50 }, () =>
        withLock(host.state, 'test', async () => {
          most = Math.max(most, ++inside);
          await sleep(1);
          inside--;
        }).catch((error) => assert.fail(error)),
      ),
    );
    assert.equal(most, 1);
  });
});

suite('status', { skip: needsRoot }, () => {
  let host: LiveHost;
  let resident: Resident;
  before(async () => {
    host = await LiveHost.build();
    resident = Resident.on(host);
  });
  after(async () => {
    await resident.close();
    await host.close();
  });

  test('before anything was applied', async () => {
    assert.match(await resident.mustRun(['status']), /^Nothing was applied yet/);
  });

  test('what is loaded, from which policy, and what each rule counted', async () => {
    const policy = host.policy('ssh');
    await resident.mustRun(['apply', '--policy', policy, '--no-confirm']);
    const { loaded, rules, drift, pending } = JSON.parse(await resident.mustRun(['status', '-o', 'json']));
    assert.equal(loaded.policyFile, policy);
    assert.match(loaded.policyDigest, /^[0-9a-f]{64}$/);
    assert.ok(Date.now() - loaded.loadedAt < 60_000);
    assert.equal(pending, null);
    assert.deepEqual(drift, []);
    assert.ok(rules.some(({ id }: { id: string }) => id === 'guest/web/in/source'));
  });

  type Drifted = readonly [what: string, argv: readonly string[], words: RegExp];
  const drifts: readonly Drifted[] = [
    [
      'one chain flushed',
      ['nft', 'flush', 'chain', 'bridge', 'bk', 'in_g1'],
      /chain in_g1 of table bridge bk is not as it was loaded/,
    ],
    [
      'a rule added',
      ['nft', 'insert', 'rule', 'bridge', 'bk', 'prerouting', 'accept'],
      /chain prerouting of table bridge bk/,
    ],
    [
      'an element taken',
      ['nft', 'delete', 'element', 'bridge', 'bk', 'ports', '{ "g1" }'],
      /ports of table bridge bk has other elements/,
    ],
    [
      'a chain added',
      ['nft', 'add', 'chain', 'ip', 'bk', 'mine'],
      /chain mine of table ip bk was added by somebody else/,
    ],
    ['a counter added', ['nft', 'add', 'counter', 'ip', 'bk', 'mine'], /counter ip bk mine was added by somebody else/],
    ['everything flushed', ['nft', 'flush', 'ruleset'], /table bridge bk is gone/],
    [
      'bridged packets hidden',
      ['sysctl', '-w', 'net.bridge.bridge-nf-call-iptables=0'],
      /connections on bridge br0 are not checked: bridge-nf-call-iptables is off/,
    ],
    ['a port taken away', ['ip', 'link', 'set', 'g2', 'nomaster'], /port g2 is gone/],
  ];
  for (const [what, [program = '', ...args], words] of drifts) {
    test(`drift: ${what}`, async () => {
      await resident.mustRun(['apply', '--policy', host.policy('ssh'), '--no-confirm']);
      await mustRun(host.namespace, program, args);
      const { code, stdout } = await resident.run(['status']);
      assert.equal(code, 6, stdout);
      assert.match(stdout, words);
      await mustRun(host.namespace, 'sysctl', ['-w', 'net.bridge.bridge-nf-call-iptables=1']);
      await mustRun(host.namespace, 'ip', ['link', 'set', 'g2', 'master', 'br0']);
      if (what.endsWith('counter added'))
        await mustRun(host.namespace, 'nft', ['delete', 'counter', 'ip', 'bk', 'mine']);
    });
  }

  test('drift: a port that came', async () => {
    await resident.mustRun(['apply', '--policy', host.policy('ssh'), '--no-confirm']);
    await mustRun(host.namespace, 'ip', ['-batch', '-'], host.portLines('g9').join('\n'));
    const { code, stdout } = await resident.run(['status']);
    assert.equal(code, 6);
    assert.match(stdout, /port g9 came after the rules were loaded: it is closed/);
  });

  test('a bridge whose packets the ip tables do not see is shown to them, and hidden again with the rules', async () => {
    const calls = async (): Promise<number> => {
      const { stdout } = await mustRun(host.namespace, 'ip', ['-j', '-d', 'link', 'show', 'br0']);
      return JSON.parse(stdout)[0].linkinfo.info_data.nf_call_iptables;
    };
    await mustRun(host.namespace, 'sysctl', ['-w', 'net.bridge.bridge-nf-call-iptables=0']);
    assert.equal(await calls(), 0);
    const text = await resident.mustRun(['apply', '--policy', host.policy('http'), '--confirm', '10m']);
    assert.match(text, /bridge br0: the ip tables get to see its packets/);
    assert.equal(await calls(), 1);
    assert.equal((await resident.run(['status'])).code, 0);
    await resident.mustRun(['rollback']);
    assert.equal(await calls(), 0);
    await mustRun(host.namespace, 'sysctl', ['-w', 'net.bridge.bridge-nf-call-iptables=1']);
  });

  test('apply puts right what somebody changed', async () => {
    await mustRun(host.namespace, 'nft', ['flush', 'chain', 'bridge', 'bk', 'prerouting']);
    await resident.mustRun(['apply', '--policy', host.policy('ssh'), '--no-confirm']);
    assert.equal((await resident.run(['status'])).code, 0);
  });
});
