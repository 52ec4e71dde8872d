// The restrictions of the daemon's unit, put on by hand, since systemd is not the first process here: what the daemon has to
// do works under them, and what it has not to do does not.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, type TestContext, test } from 'node:test';
import { placesFor } from '../../src/install/places.ts';
import { daemonUnit } from '../../src/install/units.ts';
import { joinLabs, type Membership } from '../../src/lab/registry.ts';
import { pieceKind, relayScript } from '../../src/netlink/relay-script.ts';
import { LiveHost, policyText } from '../apply/live-host.ts';
import { Serving } from '../follow/serving.ts';
import { ended, nextWords } from '../support/child.ts';
import { freshLibvirt, needsLibvirt } from '../support/libvirt.ts';
import { mustRun, needsRoot, type Ran } from '../support/namespace.ts';
import { python } from '../support/python.ts';
import { Resident } from '../support/resident.ts';
import { freshDirectory, program, root } from '../support/run-cli.ts';

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

  constructor(host: LiveHost, unit: string) {
    this.host = host;
    this.#unit = host.file(`${freshNumber++}.service`, unit);
  }

  run(argv: readonly string[]): Promise<Ran> {
    const [file = '', ...args] = this.argv(argv);
    return this.host.namespace.run(file, args);
  }

  argv(argv: readonly string[]): readonly string[] {
    return [python, confined, this.#unit, this.host.state, ...argv];
  }

  /** The same from outside of the host's namespace. */
  way(argv: readonly string[] = []): readonly string[] {
    return ['nsenter', '-n', '-t', String(this.host.namespace.pid), '--', ...this.argv(argv)];
  }
}

let freshNumber = 0;

/** Runs each of them, and prints how each ended; what it says itself says nothing. */
const oneByOne = `import json, subprocess, sys
def code(argv):
    try:
        return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True).returncode
    except OSError:
        return 127
print(json.dumps([code(argv) for argv in json.loads(sys.argv[1])]))`;

/** One host for all; who changes it comes last. */
suite('under the restrictions of the unit', { skip: needsTools }, () => {
  let membership: Membership | undefined;
  let host: LiveHost;
  let daemon: Confined;
  before(async () => {
    // the folder in /run stays for as long as somebody is a member
    membership = await joinLabs();
    host = await LiveHost.build();
    await host.applyHere('ssh');
    daemon = new Confined(host, unitHere());
  });
  after(async () => {
    await host?.close();
    await membership?.leave();
  });

  test('it has the capabilities of the unit, and no others', async () => {
    const { stdout } = await daemon.run(['cat', '/proc/self/status']);
    const sets = [...stdout.matchAll(/^Cap(\w+):\s+(\w+)$/gm)].map(([, set, bits]) => `${set} ${Number(`0x${bits}`)}`);
    const netAdmin = 2 ** 12;
    assert.deepEqual(sets, ['Inh 0', `Prm ${netAdmin}`, `Eff ${netAdmin}`, `Bnd ${netAdmin}`, 'Amb 0']);
    assert.match(stdout, /^NoNewPrivs:\s+1$/m);
    assert.match(stdout, /^Seccomp:\s+2$/m);
  });

  test('it may ask netlink, of rules and of devices', async () => {
    const { code, stdout, stderr } = await daemon.run(['perl', '-e', relayScript]);
    const piece = (kind: number): string => String.fromCharCode(kind, 0, 0, 0, 0);
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
    assert.equal(stdout, `${piece(pieceKind.linksReady)}${piece(pieceKind.ready)}`);
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
  test('what it need not do is refused', async () => {
    // a checkout that is below /tmp itself is not hidden by a /tmp of the unit's own
    const own = unitHere().includes('PrivateTmp=yes') ? ['/tmp/x'] : [];
    const fine = [
      ['touch', '/var/lib/bridgekeeper/x', '/run/bridgekeeper/x', ...own],
      [python, '-c', 'import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)'],
    ];
    const argvs = JSON.stringify([...fine, ...refused.map(([, argv]) => argv)]);
    const { code, stdout, stderr } = await daemon.run([python, '-c', oneByOne, argvs]);
    assert.equal(code, 0, stderr);
    const codes: readonly number[] = JSON.parse(stdout);
    assert.deepEqual(codes.slice(0, fine.length), [0, 0]);
    for (const [index, [what]] of refused.entries()) assert.notEqual(codes[fine.length + index] ?? 0, 0, what);
  });

  test('systemd would be told that it is ready', async () => {
    const socket = '/var/lib/bridgekeeper/notify';
    const listen = [
      'import os, socket, subprocess',
      `heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); heard.bind("${socket}")`,
      'subprocess.run(["systemd-notify", "--ready"], env={**os.environ, "NOTIFY_SOCKET": "/var/lib/bridgekeeper/notify"})',
      'print(heard.recv(100).decode())',
    ];
    const { stdout, stderr } = await daemon.run(['timeout', '60', python, '-c', listen.join('\n')]);
    assert.match(stdout, /READY=1/, stderr);
  });

  test('the owner of a lock is seen to live', async () => {
    const { code, stdout } = await daemon.run(['cat', `/proc/${process.pid}/stat`]);
    assert.equal(code, 0);
    assert.equal(stdout.split(' ')[0], readFileSync(`/proc/${process.pid}/stat`, 'utf8').split(' ')[0]);
  });

  test('without CAP_NET_ADMIN nothing goes: the list is the least', async () => {
    const unit = unitHere().replace('CapabilityBoundingSet=CAP_NET_ADMIN', 'CapabilityBoundingSet=CAP_NET_RAW');
    const { code, stderr } = await new Confined(host, unit).run([process.execPath, program, 'status']);
    assert.equal(code, 2);
    assert.match(stderr, /CAP_NET_ADMIN/);
  });

  test('it follows: a guest that comes, and rules that somebody takes away, are noticed within two seconds', async (t) => {
    const policy = host.file('policy.yaml', policyText('ssh'));
    const serving = await Serving.start(daemon.way([process.execPath, program, 'serve', '--policy', policy]));
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

  test('plan, apply, confirm, rollback, status and a refresh work', async (t) => {
    await mustRun(host.namespace, 'ip', ['-batch', '-'], host.portLines('g2').join('\n'));
    await host.applyHere('ssh');
    const old = await host.digest();
    writeFileSync(join(host.state, 'http.yaml'), policyText('http'));
    const policy = ['--policy', '/var/lib/bridgekeeper/http.yaml'];
    const tool = new Resident(daemon.way());
    t.after(() => tool.close());
    await tool.mustRun(['plan', ...policy]);
    await tool.mustRun(['apply', ...policy, '--confirm', '10m']);
    const fresh = await host.digest();
    assert.notEqual(fresh, old);
    await tool.mustRun(['rollback']);
    assert.equal(await host.digest(), old);
    await tool.mustRun(['apply', ...policy, '--confirm', '10m']);
    await tool.mustRun(['confirm']);
    assert.match(await tool.mustRun(['status']), /web/);
    const refresh = await refresher(t, daemon);
    assert.equal(await refresh(), 'the same\n');
    await mustRun(host.namespace, 'nft', ['delete', 'table', 'ip', 'bk']);
    assert.equal(await refresh(), 'changed\n');
    await mustRun(host.namespace, 'ip', ['link', 'set', 'br0', 'type', 'bridge', 'nf_call_iptables', '0']);
    await tool.mustRun(['apply', '--backend', 'iptables', ...policy, '--no-confirm']);
    await tool.mustRun(['apply', ...policy, '--no-confirm']);
    await mustRun(host.namespace, 'ip', ['link', 'del', 'g2']);
    assert.equal(await refresh(), 'changed\n');
  });
});

/** What the daemon does when a guest came or went, and what came of it. */
async function refresher(t: TestContext, daemon: Confined): Promise<() => Promise<string>> {
  const [file = '', ...args] = daemon.way([process.execPath, join(import.meta.dirname, 'refresher.ts')]);
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(async () => {
    child.kill('SIGKILL');
    await ended(child);
  });
  return async () => {
    const said = nextWords(child);
    child.stdin.write('\n');
    return said;
  };
}

test('hidepid would hide from an administrator who may do more: the unit does not ask for it', () => {
  const text = daemonUnit({ home: root, legacy: false });
  assert.match(text, /^ProtectProc=default$/m);
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
