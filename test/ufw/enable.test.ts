// Debian's ufw turned on in a namespace, by sessions of a real sshd: refused, allowed, taken back, kept. What the files say
// is held against what the kernel then does with a connection from the other end of a wire.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { commandText } from '../../src/cli/ufw-text.ts';
import { enable, isLockedOut, planEnabling } from '../../src/ufw/enable.ts';
import { until } from '../support/until.ts';
import { enabling, other, port } from './enabling.ts';
import { needsUfw, server } from './ufw-machine.ts';

suite('ufw enable', { skip: needsUfw }, () => {
  const { machine, enableHere, isOn } = enabling();
  const reached = async (): Promise<string> => {
    const rows = [
      [port, 4],
      [port, 6],
      [other, 4],
      [other, 6],
    ] as const;
    const all = (await machine.reachesAll(rows)).map((comesIn) => (comesIn ? 'yes' : 'no'));
    return all.join(' ');
  };

  /** By the timer, which is done. */
  const isOffAgain = (): boolean => machine.timers().length === 0 && !isOn();

  test('without a rule for SSH it is refused, and nothing is changed', async () => {
    const rules = machine.inServer('iptables-save', []);
    const files = ['/etc/ufw/user.rules', '/etc/ufw/user6.rules', '/etc/ufw/ufw.conf'].map((file) =>
      machine.read(file),
    );
    const { code, stdout, stderr } = await enableHere();
    assert.equal(code, 5, stderr);
    assert.match(
      stdout,
      /^CLOSED {2}IPv4 port 2222, session from 10\.99\.0\.2 by wire: stopped by the policy of INPUT: DROP$/m,
    );
    assert.match(stdout, /^CLOSED {2}IPv6 port 2222, where sshd listens/m);
    assert.match(stderr, /^ {2}ufw allow from any to any port 2222 proto tcp$/m);
    assert.equal(isOn(), false);
    assert.equal(machine.inServer('iptables-save', []), rules);
    assert.deepEqual(
      ['/etc/ufw/user.rules', '/etc/ufw/user6.rules', '/etc/ufw/ufw.conf'].map((file) => machine.read(file)),
      files,
    );
    assert.equal(await reached(), 'yes yes yes yes');
  });

  test('refused on the console too, where nobody came by SSH but sshd listens', async () => {
    const { code, stdout } = await machine.cli('ufw', 'enable', '--yes');
    assert.equal(code, 5);
    assert.doesNotMatch(stdout, /session/);
    assert.equal(isOn(), false);
  });

  /** sudo takes the variable away; a shell in between may still have it, or nobody. */
  const withoutVariable: readonly (readonly [name: string, wrap: (command: string) => string])[] = [
    ['a parent has it', (command) => `sh -c 'env -u SSH_CONNECTION ${command}; exit $?'`],
    ['nobody has it', (command) => `exec env -u SSH_CONNECTION ${command}`],
  ];
  for (const [name, wrap] of withoutVariable) {
    test(`SSH_CONNECTION is gone, ${name}: the session is found all the same`, async () => {
      machine.ufw(
        `allow from 10.99.0.3 to any port ${port} proto tcp`,
        `allow from ::/0 to any port ${port} proto tcp`,
      );
      const command = wrap(machine.cliWords(['ufw', 'enable', '--yes']));
      const { code, stdout, stderr } = await machine.bySession(port, server[4], command);
      assert.equal(code, 5, stdout + stderr);
      assert.match(stdout, /^CLOSED {2}IPv4 port 2222, session from 10\.99\.0\.2 by wire/m);
    });
  }

  test('on the console nobody can be cut off: no timer, and it stays on', async () => {
    const { code, stdout, stderr } = await machine.cli('ufw', 'enable', '--allow-ssh', '--yes');
    assert.equal(code, 0, stderr);
    assert.match(stdout, /read back from the kernel/);
    assert.deepEqual([machine.timers(), machine.pendingTokens()], [[], []]);
    assert.match(machine.read('/etc/ufw/ufw.conf'), /^ENABLED=yes$/m);
  });

  test('nobody to be asked: nothing is done', async () => {
    machine.inServer('ufw', ['allow', `${port}/tcp`]);
    const { code, stderr } = await machine.cliBySession(port, server[4], 'ufw', 'enable');
    assert.equal(code, 2);
    assert.match(stderr, /--yes/);
    assert.equal(isOn(), false);
  });

  for (const family of [4, 6] as const) {
    test(`--allow-ssh in a session by IPv${family}: SSH passes in both families, another port in none; confirmed, it stays`, async () => {
      const { code, stdout, stderr } = await machine.cliBySession(
        port,
        server[family],
        'ufw',
        'enable',
        '--allow-ssh',
        '--yes',
        '--confirm',
        '600s',
      );
      assert.equal(code, 0, stderr);
      assert.match(stdout, /read back from the kernel: IPv4 and IPv6$/m);
      assert.equal(await reached(), 'yes yes no no');
      assert.match(machine.inServer('iptables-save', []), /-A ufw-user-input -p tcp -m tcp --dport 2222 -j ACCEPT/);
      assert.match(machine.inServer('ip6tables-save', []), /-A ufw6-user-input -p tcp -m tcp --dport 2222 -j ACCEPT/);
      assert.match(machine.read('/etc/ufw/ufw.conf'), /^ENABLED=no$/m, 'a restart now would come up without it');
      const confirmed = await machine.cliBySession(port, server[family], 'ufw', 'confirm');
      assert.deepEqual([confirmed.code, confirmed.stdout], [0, 'ufw stays on\n']);
      assert.equal(isOn(), true);
      assert.match(machine.read('/etc/ufw/ufw.conf'), /^ENABLED=yes$/m);
      // the rest does not ask how somebody came
      if (family === 6) return;
      assert.equal(
        (await machine.cliBySession(port, server[family], 'ufw', 'confirm')).code,
        2,
        'nothing is left to confirm',
      );
      const again = await machine.cliBySession(port, server[family], 'ufw', 'enable', '--yes');
      assert.deepEqual([again.code, again.stderr], [0, 'ufw is on already\n']);
      machine.expireTimers();
      await until(() => machine.timers().length === 0, 'nothing waits any more', 200);
      assert.equal(isOn(), true);
      assert.equal(await reached(), 'yes yes no no');
    });
  }

  test('not confirmed: a process of its own turns it off again', async () => {
    assert.equal((await enableHere('--allow-ssh', '--confirm', '40s')).code, 0);
    assert.equal(await reached(), 'yes yes no no');
    await until(isOffAgain, 'ufw is off', 200);
    assert.equal(await reached(), 'yes yes yes yes');
    assert.match(machine.read('/etc/ufw/ufw.conf'), /^ENABLED=no$/m);
    assert.doesNotMatch(machine.inServer('iptables-save', []), /ufw-user-input/);
  });

  test('killed right after it was turned on, with its session: it is off again as well', async () => {
    machine.inServer('ufw', ['allow', `${port}/tcp`]);
    const running = enableHere('--confirm', '600s');
    // of this server alone: other tests run the same commands
    const pidOf = (pattern: string): string =>
      machine.inServer('sh', ['-c', 'pgrep --ns $$ --nslist net -of "$0" || [ $? -eq 1 ]', pattern]);
    await until(() => pidOf('[u]fw --force enable') !== '', 'ufw begins', 50);
    const pid = Number(pidOf(`^${process.execPath} .*ufw enable --yes --confirm 600s$`));
    assert.ok(pid > 1, 'the command runs');
    // what it started goes on, and it cannot be done before it is killed
    process.kill(pid, 'SIGSTOP');
    await until(
      () => machine.inServer('iptables-save', []).includes('--dport 2222 -j ACCEPT'),
      'its rule is loaded',
      200,
    );
    machine.kill(pid);
    assert.notEqual((await running).code, 0);
    await until(isOn, 'ufw is on', 200);
    machine.expireTimers();
    await until(isOffAgain, 'ufw is off again', 200);
    assert.equal(await reached(), 'yes yes yes yes');
  });

  test('an sshd on two ports: both count', async () => {
    await machine.stopSshd();
    await machine.startSshd('Port 2022', `Port ${port}`, 'AddressFamily inet');
    machine.inServer('ufw', ['allow', `${port}/tcp`]);
    const { judged, missing } = await planEnabling(machine.access);
    assert.equal(isLockedOut(judged), true);
    assert.deepEqual(missing.map(commandText), ['ufw allow from 0.0.0.0/0 to any port 2022 proto tcp']);
    await machine.stopSshd();
    await machine.startSshd(`Port ${port}`);
    await machine.listenOn(other);
  });

  test('closed in before.rules: no rule of a user helps, and none is added', async () => {
    const rules = machine.read('/etc/ufw/before.rules');
    machine.write(
      '/etc/ufw/before.rules',
      rules.replace('# End required lines', '-A ufw-before-input -p tcp --dport 2222 -j DROP'),
    );
    const user = machine.read('/etc/ufw/user.rules');
    const { code, stdout } = await enableHere('--allow-ssh');
    assert.equal(code, 5);
    assert.match(stdout, /stopped by -A ufw-before-input -p tcp --dport 2222 -j DROP/);
    assert.equal(machine.read('/etc/ufw/user.rules'), user);
  });

  test('IPV6=no: it is said what ufw does then, and who comes by IPv6 is not cut off', async () => {
    const defaults = machine.read('/etc/default/ufw');
    machine.write('/etc/default/ufw', defaults.replace(/^IPV6=.*$/m, 'IPV6=no'));
    try {
      machine.inServer('ufw', ['allow', `${port}/tcp`]);
      const bySix = await machine.cliBySession(port, server[6], 'ufw', 'enable', '--yes', '--allow-ssh');
      assert.equal(bySix.code, 5);
      assert.match(bySix.stdout, /CLOSED {2}IPv6 port 2222, session.*set IPV6=yes/);
      const byFour = await enableHere('--confirm', '600s');
      assert.equal(byFour.code, 0, byFour.stderr);
      assert.match(byFour.stdout, /careful IPv6 port 2222, where sshd listens: IPV6=no/);
      assert.deepEqual([await machine.reaches(port, 4), await machine.reaches(port, 6)], [true, false]);
    } finally {
      machine.write('/etc/default/ufw', defaults);
    }
  });

  test('a filter that is there in parts, which ufw takes for a whole one, is loaded as a whole', async () => {
    machine.inServer('ufw', ['allow', `${port}/tcp`]);
    machine.inServer('iptables', ['-N', 'ufw-user-input']);
    await enable(machine.access, await planEnabling(machine.access), undefined);
    assert.equal(await reached(), 'yes yes no no');
  });

  test('ufw fails on a broken rules file: it is off, and no timer is left', async () => {
    machine.inServer('ufw', ['allow', `${port}/tcp`]);
    const rules = machine.read('/etc/ufw/after.rules');
    machine.write(
      '/etc/ufw/after.rules',
      rules.replace('\nCOMMIT', '\n-A ufw-after-input --nonsense 3 -j ACCEPT\nCOMMIT'),
    );
    const enabled = enable(machine.access, await planEnabling(machine.access), 30);
    await assert.rejects(enabled, { code: 'ufw-failed', message: /ufw/ });
    assert.equal(isOn(), false);
    assert.deepEqual(machine.pendingTokens(), []);
    assert.equal(await reached(), 'yes yes yes yes');
  });

  test('from another machine by real ssh, where our program does not run', async () => {
    machine.writeSshConfig(`Host node\n  HostName ${server[4]}\n  Port ${port}\n`);
    const access = ['--access', 'ssh:root@node', '--yes'];
    const refused = await machine.cliFromClient('ufw', 'enable', ...access);
    assert.equal(refused.code, 5, refused.stderr);
    assert.match(refused.stdout, /session from 10\.99\.0\.2 by wire/);
    const enabled = await machine.cliFromClient('ufw', 'enable', '--allow-ssh', '--confirm', '600s', ...access);
    assert.equal(enabled.code, 0, enabled.stderr);
    assert.match(enabled.stderr, /bridgekeeper ufw confirm --access ssh:root@node/);
    assert.equal(await reached(), 'yes yes no no');
    const confirmed = await machine.cliFromClient('ufw', 'confirm', '--access', 'ssh:root@node');
    assert.equal(confirmed.code, 0, confirmed.stderr);
    assert.match(machine.read('/etc/ufw/ufw.conf'), /^ENABLED=yes$/m);
  });
});
