// The restrictions of the daemon's unit, put on by hand, since systemd is not the first process here: what the daemon has to
// do works under them, and what it has not to do does not.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { placesFor } from '../../src/install/places.ts';
import { daemonUnit } from '../../src/install/units.ts';
import { joinLabs } from '../../src/lab/registry.ts';
import { pieceKind, relayScript } from '../../src/netlink/relay-script.ts';
import { LiveHost, policyText } from '../apply/live-host.ts';
import { Serving } from '../follow/serving.ts';
import { freshLibvirt, needsLibvirt } from '../support/libvirt.ts';
import { mustRun, needsRoot, type Ran } from '../support/namespace.ts';
import { freshDirectory, program, root } from '../support/run-cli.ts';

const python = '/usr/bin/python3';
const confined = join(import.meta.dirname, 'confined.py');

const needsTools: string | false = needsRoot || missingTools();

function missingTools(): string | false {
  const tried = spawnSync(python, ['-c', 'import seccomp']);
  if (tried.status !== 0) return 'needs python3-seccomp';
  return spawnSync('systemd-analyze', ['--version']).status === 0 ? false : 'needs systemd-analyze';
}

function unitHere(): string {
  return daemonUnit({ home: placesFor({ checkout: root }).home, legacy: false });
}

class Confined {
  readonly host: LiveHost;
  readonly #unit: string;

  private constructor(host: LiveHost, unit: string) {
    this.host = host;
    this.#unit = host.file('daemon.service', unit);
  }

  static async build(t: TestContext, change: (unit: string) => string = (unit) => unit): Promise<Confined> {
    // the folder in /run stays for as long as somebody is a member
    const membership = await joinLabs();
    t.after(() => membership.leave());
    const host = await LiveHost.build();
    t.after(() => host.close());
    await host.applyHere('ssh');
    return new Confined(host, change(unitHere()));
  }

  run(argv: readonly string[], input = ''): Promise<Ran> {
    const [file = '', ...args] = this.argv(argv);
    return this.host.namespace.run(file, args, input);
  }

  argv(argv: readonly string[]): readonly string[] {
    return [python, confined, this.#unit, this.host.state, ...argv];
  }

  tool(args: readonly string[], input?: string): Promise<Ran> {
    return this.run([process.execPath, program, ...args], input);
  }
}

suite('under the restrictions of the unit', { skip: needsTools }, () => {
  test('plan, apply, confirm, rollback, status and a refresh work', async (t) => {
    const daemon = await Confined.build(t);
    const { host } = daemon;
    const old = await host.digest();
    const must = async (ran: Promise<Ran>): Promise<string> => {
      const { code, stdout, stderr } = await ran;
      assert.equal(code, 0, `${stdout}${stderr}`);
      return stdout;
    };
    const http = policyText('http');
    await must(daemon.tool(['plan', '--policy', '-'], http));
    await must(daemon.tool(['apply', '--policy', '-', '--confirm', '10m'], http));
    const fresh = await host.digest();
    assert.notEqual(fresh, old);
    await must(daemon.tool(['rollback']));
    assert.equal(await host.digest(), old);
    await must(daemon.tool(['apply', '--policy', '-', '--confirm', '10m'], http));
    await must(daemon.tool(['confirm']));
    assert.match(await must(daemon.tool(['status'])), /web/);
    const refresh = () => must(daemon.run([process.execPath, join(import.meta.dirname, 'refresher.ts')]));
    assert.equal(await refresh(), 'the same\n');
    await mustRun(host.namespace, 'nft', ['delete', 'table', 'ip', 'bk']);
    assert.equal(await refresh(), 'changed\n');
    await mustRun(host.namespace, 'ip', ['link', 'set', 'br0', 'type', 'bridge', 'nf_call_iptables', '0']);
    await must(daemon.tool(['apply', '--backend', 'iptables', '--policy', '-', '--no-confirm'], http));
    await must(daemon.tool(['apply', '--policy', '-', '--no-confirm'], http));
    await mustRun(host.namespace, 'ip', ['link', 'del', 'g2']);
    assert.equal(await refresh(), 'changed\n');
  });

  test('it follows: a guest that comes, and rules that somebody takes away, are noticed within two seconds', async (t) => {
    const daemon = await Confined.build(t);
    const { host } = daemon;
    const policy = host.file('policy.yaml', policyText('ssh'));
    const argv = daemon.argv([process.execPath, program, 'serve', '--policy', policy]);
    const serving = await Serving.start(['nsenter', '-n', '-t', String(host.namespace.pid), '--', ...argv]);
    t.after(() => serving.end('SIGKILL'));
    await serving.after(
      () => mustRun(host.namespace, 'nft', ['delete', 'table', 'bridge', 'bk']),
      ({ kind, words }) => kind === 'drift' && words.includes('bridge bk'),
    );
    await serving.after(
      () => mustRun(host.namespace, 'ip', ['link', 'del', 'g2']),
      ({ kind, words }) => kind === 'port' && words.startsWith('port g2 of br0 is no longer there'),
    );
    const heard = serving.heard.filter(({ kind }) => kind === 'trouble');
    assert.deepEqual(heard, []);
    assert.equal(await serving.end(), 0);
  });

  test('it has the capabilities of the unit, and no others', async (t) => {
    const daemon = await Confined.build(t);
    const { stdout } = await daemon.run(['cat', '/proc/self/status']);
    const sets = [...stdout.matchAll(/^Cap(\w+):\s+(\w+)$/gm)].map(([, set, bits]) => `${set} ${Number(`0x${bits}`)}`);
    const netAdmin = 2 ** 12;
    assert.deepEqual(sets, ['Inh 0', `Prm ${netAdmin}`, `Eff ${netAdmin}`, `Bnd ${netAdmin}`, 'Amb 0']);
    assert.match(stdout, /^NoNewPrivs:\s+1$/m);
    assert.match(stdout, /^Seccomp:\s+2$/m);
  });

  test('it may ask netlink, of rules and of devices', async (t) => {
    const daemon = await Confined.build(t);
    const { code, stdout, stderr } = await daemon.run(['perl', '-e', relayScript]);
    const piece = (kind: number): string => String.fromCharCode(kind, 0, 0, 0, 0);
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
    assert.equal(stdout, `${piece(pieceKind.ready)}${piece(pieceKind.linksReady)}`);
  });

  const refused: readonly (readonly [what: string, argv: readonly string[]])[] = [
    ['write to /etc', ['touch', '/etc/bridgekeeper-was-here']],
    ['write to /run', ['touch', '/run/bridgekeeper-was-here']],
    ['set a kernel setting', ['sysctl', '-w', 'net.ipv4.ip_forward=1']],
    ['enter a namespace', ['nsenter', '-t', '1', '-m', 'true']],
    ['make one', ['unshare', '-n', 'true']],
    ['mount', ['mount', '-t', 'tmpfs', 'x', '/var/lib/bridgekeeper']],
    ['change an owner', ['chown', '1000', '/var/lib/bridgekeeper']],
    ['open an Internet socket', [python, '-c', 'import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM)']],
    ['open a packet socket', [python, '-c', 'import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)']],
    ['read the kernel log', ['cat', '/dev/kmsg']],
    ['change its user', [python, '-c', 'import os; os.setuid(1000)']],
    ['load a module', ['modprobe', 'dummy_that_is_none']],
  ];
  test('what it need not do is refused', async (t) => {
    const daemon = await Confined.build(t);
    // a checkout that is below /tmp itself is not hidden by a /tmp of the unit's own
    const own = unitHere().includes('PrivateTmp=yes') ? ['/tmp/x'] : [];
    const places = ['/var/lib/bridgekeeper/x', '/run/bridgekeeper/x', ...own];
    assert.deepEqual(await daemon.run(['touch', ...places]), { code: 0, stdout: '', stderr: '' });
    for (const [what, argv] of refused) assert.notEqual((await daemon.run(argv)).code, 0, what);
  });

  test('systemd would be told that it is ready', async (t) => {
    const daemon = await Confined.build(t);
    const socket = '/var/lib/bridgekeeper/notify';
    const listen = [
      'import os, socket, subprocess',
      `heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); heard.bind("${socket}")`,
      'subprocess.run(["systemd-notify", "--ready"], env={**os.environ, "NOTIFY_SOCKET": "/var/lib/bridgekeeper/notify"})',
      'print(heard.recv(100).decode())',
    ];
    const { stdout, stderr } = await daemon.run(['timeout', '20', python, '-c', listen.join('\n')]);
    assert.match(stdout, /READY=1/, stderr);
  });

  test('without CAP_NET_ADMIN nothing goes: the list is the least', async (t) => {
    const daemon = await Confined.build(t, (unit) =>
      unit.replace('CapabilityBoundingSet=CAP_NET_ADMIN', 'CapabilityBoundingSet=CAP_NET_RAW'),
    );
    const { code, stderr } = await daemon.tool(['status']);
    assert.equal(code, 2);
    assert.match(stderr, /CAP_NET_ADMIN/);
  });
});

suite('what an administrator would see of /proc', { skip: needsTools }, () => {
  test('hidepid would hide who may do more: the unit does not ask for it', () => {
    const text = daemonUnit({ home: root, legacy: false });
    assert.match(text, /^ProtectProc=default$/m);
  });

  test('the owner of a lock is seen to live', async (t) => {
    const daemon = await Confined.build(t);
    const { code, stdout } = await daemon.run(['cat', `/proc/${process.pid}/stat`]);
    assert.equal(code, 0);
    assert.equal(stdout.split(' ')[0], readFileSync(`/proc/${process.pid}/stat`, 'utf8').split(' ')[0]);
  });
});

suite('with libvirt, under the restrictions', { skip: needsTools || needsLibvirt }, () => {
  test('virsh answers', async (t) => {
    const libvirt = await freshLibvirt();
    t.after(() => libvirt.close());
    const directory = freshDirectory(t);
    const unit = `${directory}/daemon.service`;
    await mustRun(libvirt, 'tee', [unit], daemonUnit({ home: root, legacy: false }));
    await mustRun(libvirt, 'sh', [
      '-c',
      'ip link add virbr6 type bridge; echo "<domain type=\'qemu\'><name>web</name><memory>1024</memory><os><type>hvm</type></os></domain>" >/run/web.xml; virsh -q define /run/web.xml',
    ]);
    const { code, stdout, stderr } = await libvirt.run(python, [
      confined,
      unit,
      directory,
      process.execPath,
      program,
      'snapshot',
    ]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^ {2}web:/m);
  });
});
