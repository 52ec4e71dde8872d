// `ufw check`: a container's start-up errors, on a machine with the files of Debian 8 or of Debian 12; errors that the real
// start script prints; the change shown, done, taken back byte for byte. Kernel settings are made unwritable for real.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, afterEach, before, suite, test } from 'node:test';
import { FakeSsh } from '../watch-sources/fake-ssh.ts';
import { goldenPath, goldenText } from '../yaml/golden.ts';
import { needsUfw, UfwMachine } from './ufw-machine.ts';

/** Every way with every setting: BRIDGEKEEPER_FULL=1. */
const isFull = process.env.BRIDGEKEEPER_FULL === '1';

const log = goldenPath('logs/container-ufw-startup.log');
const defaults = '/etc/default/ufw';
const settings = '/etc/ufw/sysctl.conf';

suite('ufw check', { skip: needsUfw }, () => {
  let machine: UfwMachine;
  let ssh: FakeSsh;
  let debian12: { readonly defaults: string; readonly settings: string };
  before(async () => {
    ssh = new FakeSsh();
    machine = await UfwMachine.make();
    debian12 = { defaults: machine.read(defaults), settings: machine.read(settings) };
    machine.hideModules();
  });
  after(async () => {
    await machine?.end();
    ssh?.end();
  });
  afterEach(() => {
    machine.makeWritable();
    machine.clearFilter();
    machine.resetUfw();
    machine.write(defaults, debian12.defaults);
    machine.write(settings, debian12.settings);
  });

  const debian8 = (): void => {
    machine.write(defaults, goldenText('ufw/debian8-default-ufw'));
    machine.write(settings, goldenText('ufw/debian8-sysctl.conf'));
  };
  const files = () => [machine.read(defaults), machine.read(settings)];
  const mended = () => [
    goldenText('ufw/debian8-default-ufw').replace(/^IPT_MODULES=/m, '#IPT_MODULES='),
    goldenText('ufw/debian8-sysctl.conf').replace(/^net\/ipv4\/tcp_sack=1$/m, '#net/ipv4/tcp_sack=1'),
  ];

  test('a journalctl that says what would turn a terminal about: it is shown, not sent', {
    skip: existsSync('/usr/bin/journalctl') ? false : 'no journalctl here',
  }, async () => {
    machine.write('/run/journalctl', '#!/bin/sh\nprintf "no \\033]0;journal\\007\\n" >&2\nexit 1\n');
    machine.inServer('chmod', ['755', '/run/journalctl']);
    machine.inServer('mount', ['--bind', '/run/journalctl', '/usr/bin/journalctl']);
    try {
      const { stdout } = await machine.cli('ufw', 'check');
      assert.match(stdout, /the journal cannot be read \(no \\x1b\]0;journal\\x07\)/);
      assert.equal(stdout.includes('\u001b'), false);
    } finally {
      machine.inServer('umount', ['/usr/bin/journalctl']);
    }
  });

  const here: readonly string[] = [];
  const bySsh = ['--access', 'ssh:node'];
  const unwritable: readonly (readonly [name: string, path: string, access: readonly string[]])[] = [
    ['all of /proc/sys', '/proc/sys', here],
    ['all of /proc/sys', '/proc/sys', bySsh],
    ['that setting only', '/proc/sys/net/ipv4/tcp_sack', here],
    // what is unwritable, and how it is asked, are apart
    ...(isFull ? [['that setting only', '/proc/sys/net/ipv4/tcp_sack', bySsh] as const] : []),
  ];
  for (const [name, path, access] of unwritable) {
    test(`Debian 8's files, ${name} unwritable${access === bySsh ? ', by ssh' : ''}: exactly two lines, and back`, async () => {
      debian8();
      machine.makeUnwritable(path);
      const before = files();
      const asked = await machine.cli('ufw', 'check', log, '--fix', ...access);
      assert.deepEqual([asked.code, files()], [2, before], 'nobody can answer: nothing is done');
      assertTwoLines(asked.stdout);
      const done = await machine.cli('ufw', 'check', log, '--fix', '--yes', ...access);
      assert.equal(done.code, 0, done.stderr);
      assert.deepEqual(files(), mended());
      if (path === '/proc/sys') {
        const again = await machine.cli('ufw', 'check', log, '--fix', '--yes', ...access);
        assert.match(again.stdout, /nothing is to be changed/);
        assert.deepEqual([again.code, again.stderr, files()], [0, '', mended()]);
      }
      const undone = await machine.cli('ufw', 'check', '--undo', ...access);
      assert.equal(undone.code, 0, undone.stderr);
      assert.deepEqual(files(), before);
      if (path !== '/proc/sys') return;
      assert.equal((await machine.cli('ufw', 'check', '--undo', ...access)).code, 2, 'nothing is left to take back');
    });
  }

  test('what would be changed is shown, and it is no fault', async () => {
    debian8();
    machine.makeUnwritable('/proc/sys');
    const shown = await machine.cli('ufw', 'check', log);
    assert.equal(shown.code, 0, shown.stderr);
    assertTwoLines(shown.stdout);
  });

  function assertTwoLines(stdout: string): void {
    assert.match(stdout, /^harmless {4}modprobe finds no modules of the running kernel \(lines 1, 2, 3\): /m);
    assert.match(stdout, /^harmless {4}net\/ipv4\/tcp_sack must not be written here \(line 6\): /m);
    const changed = stdout.split('\n').filter((line) => /^[-+](?![-+])/.test(line));
    assert.deepEqual(changed, [
      '-IPT_MODULES="nf_conntrack_ftp nf_nat_ftp nf_conntrack_netbios_ns"',
      '+#IPT_MODULES="nf_conntrack_ftp nf_nat_ftp nf_conntrack_netbios_ns"',
      '-net/ipv4/tcp_sack=1',
      '+#net/ipv4/tcp_sack=1',
    ]);
  }

  test('by ssh nothing of it ran here: every step went through a connection', () => {
    assert.ok(ssh.connections.length > 20);
    assert.ok(ssh.connections.every(({ host }) => host === 'node'));
  });

  test("Debian 12's files and the same log: no change", async () => {
    machine.makeUnwritable('/proc/sys');
    const { code, stdout } = await machine.cli('ufw', 'check', log, '--fix', '--yes');
    assert.equal(code, 0);
    assert.match(stdout, /^nothing is to be changed in the files of ufw$/m);
    assert.deepEqual(files(), [debian12.defaults, debian12.settings]);
  });

  test('settings that can be written are left alone, whatever a log says', async () => {
    debian8();
    const { stdout } = await machine.cli('ufw', 'check', log, '--fix', '--yes');
    assert.match(stdout, /^net\/ipv4\/tcp_sack can be written now, or cannot be tried$/m);
    assert.deepEqual(files(), [mended()[0], goldenText('ufw/debian8-sysctl.conf')]);
    assert.equal((await machine.cli('ufw', 'check', '--undo')).code, 0);
  });

  test('a write test leaves every value as it is', async () => {
    debian8();
    const values = () => machine.inServer('sysctl', ['-a', '--pattern', '^net.ipv[46].(conf|icmp|tcp_s)']);
    const before = values();
    const lines = goldenText('ufw/debian8-sysctl.conf')
      .split('\n')
      .filter((line) => /^net/.test(line));
    const said = lines.map((line) => `sysctl: permission denied on key '${line.split('=')[0]?.replaceAll('/', '.')}'`);
    const { stdout } = await machine.cliWith(said.join('\n'), 'ufw', 'check', '-');
    assert.equal(stdout.match(/can be written now/g)?.length, 17);
    assert.equal(values(), before);
  });

  test('what the real start script says is recognised, mended, and not said again', async () => {
    debian8();
    machine.enableInFile();
    machine.makeUnwritable('/proc/sys');
    const said = await machine.run('server', ['/lib/ufw/ufw-init', 'start']);
    assert.equal(said.code, 0, said.stderr);
    assert.match(said.stderr, /modprobe: /);
    const { code, stdout } = await machine.cliWith(said.stderr, 'ufw', 'check', '-', '--fix', '--yes');
    assert.equal(code, 0, stdout);
    assert.doesNotMatch(stdout, /HARMFUL/);
    assert.match(stdout, /^filter {6}IPv4: loaded\nfilter {6}IPv6: loaded$/m);
    assert.match(machine.read(defaults), /^#IPT_MODULES="nf_conntrack_ftp/m);
    assert.doesNotMatch(machine.read(settings), /^net/m, 'each of them failed');
    machine.inServer('/lib/ufw/ufw-init', ['force-stop']);
    const second = await machine.run('server', ['/lib/ufw/ufw-init', 'start']);
    assert.deepEqual([second.code, second.stdout, second.stderr], [0, '', '']);
    assert.equal((await machine.cli('ufw', 'check', '--undo')).code, 0);
    assert.deepEqual(files(), [goldenText('ufw/debian8-default-ufw'), goldenText('ufw/debian8-sysctl.conf')]);
  });

  test('a broken rules file is not harmless: exit code 3', async () => {
    machine.enableInFile();
    const rules = machine.read('/etc/ufw/before.rules');
    machine.write(
      '/etc/ufw/before.rules',
      rules.replace('\nCOMMIT', '\n-A ufw-before-input -p tcp --nonsense 3\nCOMMIT'),
    );
    const said = await machine.run('server', ['/lib/ufw/ufw-init', 'start']);
    assert.notEqual(said.code, 0);
    const { code, stdout } = await machine.cliWith(`${said.stderr}${said.stdout}`, 'ufw', 'check', '-', '-o', 'json');
    assert.equal(code, 3, stdout);
    const report = JSON.parse(stdout);
    const kinds = report.log.errors.map(({ error, harmless }: { error: { kind: string }; harmless: boolean }) => [
      error.kind,
      harmless,
    ]);
    assert.deepEqual(
      new Map(kinds),
      new Map([
        ['tables', false],
        ['rules-file', false],
      ]),
    );
    assert.deepEqual([report.kind, report.version, report.enabled, report.bad], ['ufw-check', 1, true, true]);
  });

  test('on, but not loaded: exit code 3, without any line in the log', async () => {
    machine.enableInFile();
    const { code, stdout } = await machine.cliWith('', 'ufw', 'check', '-');
    assert.equal(code, 3);
    assert.match(stdout, /^filter {6}IPv4: NOT loaded, though ufw is to be on$/m);
  });

  const levels: readonly (readonly [level: string, says: RegExp])[] = [
    ['off', /^logging {5}off: no packet leaves a line$/m],
    [
      'low',
      /^logging {5}low: sampled, \d+ of \d+ LOG rules loaded are limited\n {12}limit 3\/min burst 10: .*\[UFW BLOCK\].*leaves 10 lines at 100 packets\/s, 19 at 5\/s$/m,
    ],
    ['medium', /limit 3\/min burst 10: .*\[UFW AUDIT\]/],
    ['full', /^logging {5}full: sampled, 2 of \d+ LOG rules loaded are limited\n.*\[UFW LIMIT BLOCK\]/m],
  ];
  for (const [level, says] of levels) {
    test(`logging ${level}: what is loaded is told, and what it hides`, async () => {
      machine.ufw(`logging ${level}`, '--force enable');
      const { stdout } = await machine.cliWith('', 'ufw', 'check', '-');
      assert.match(stdout, says);
      assert.equal(/the others are hidden/.test(stdout), level !== 'off');
    });
  }

  test('bytes of somebody who writes into the log: shown harmless, nothing done', async () => {
    debian8();
    machine.makeUnwritable('/proc/sys');
    const hostile = [
      '\x1b]0;owned\x07modprobe: FATAL: Module \x1b[31mx not found.',
      'iptables-restore: \x1b[2J line 5 failed',
      "sysctl: permission denied on key 'net.ipv4.tcp_sack; reboot'",
      "sysctl: permission denied on key '../../../etc/passwd'",
      "sysctl: permission denied on key '$(reboot)'",
      '\xff\xfe\x00 sysctl: permission denied on key \x00',
    ];
    const before = files();
    const { stdout, stderr } = await machine.cliWith(
      hostile.slice(1).join('\n'),
      'ufw',
      'check',
      '-',
      '--fix',
      '--yes',
    );
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
    assert.doesNotMatch(stdout + stderr, /[\x00-\x08\x0b-\x1f\x7f]/);
    assert.deepEqual(files(), before);
  });

  test('no ufw: it is said, and nothing else happens', async () => {
    const text = machine.read('/etc/ufw/ufw.conf');
    machine.removeFile('/etc/ufw/ufw.conf');
    const { code, stderr } = await machine.cli('ufw', 'check', log);
    machine.write('/etc/ufw/ufw.conf', text);
    assert.equal(code, 2);
    assert.match(stderr, /there is no ufw here/);
  });
});
