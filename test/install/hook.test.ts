// libvirt's hook: it does its work, and whatever it is told, by whatever names, it ends well and in time and does nothing else.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { hookLimit, libvirtHook } from '../../src/install/libvirt-hook.ts';
import { closedFile, stateDirectory, wakeName } from '../../src/install/places.ts';
import { LiveHost, policyText } from '../apply/live-host.ts';
import { freshLibvirt, needsLibvirt } from '../support/libvirt.ts';
import { mustRun, type Namespace, needsRoot } from '../support/namespace.ts';
import { root } from '../support/run-cli.ts';
import { assertPrompt } from '../support/slowness.ts';

/** Seconds that a busy machine may add. */
const grace = 4;

type Called = { readonly code: number | null; readonly stdout: string; readonly seconds: number };

/** The hook of a host, with the host's own places for state and files. */
class Hook {
  readonly host: LiveHost;
  readonly cwd: string;
  readonly #file: string;

  /** @param limit in seconds, where it is not about the hook's own */
  constructor(host: LiveHost, limit = hookLimit) {
    this.host = host;
    this.cwd = join(host.directory, 'cwd');
    mkdirSync(this.cwd);
    const text = libvirtHook(root)
      .replaceAll(stateDirectory, host.state)
      .replaceAll(closedFile, join(host.directory, 'closed.nft'))
      .replace(`-s KILL ${hookLimit} `, `-s KILL ${limit} `);
    this.#file = host.file('hook', text);
    chmodSync(this.#file, 0o755);
  }

  /** @param input undefined: libvirt never closes its end */
  async call(args: readonly string[], input: string | Buffer | undefined, path = process.env.PATH): Promise<Called> {
    const begun = performance.now();
    const child = spawn('nsenter', ['-n', '-t', `${this.host.namespace.pid}`, '--', this.#file, ...args], {
      cwd: this.cwd,
      env: { PATH: path },
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    child.stdin.on('error', () => {});
    if (input !== undefined) child.stdin.end(input);
    let stdout = '';
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    const code = await new Promise<number | null>((resolve) => child.on('exit', resolve));
    child.stdin.destroy();
    return { code, stdout, seconds: (performance.now() - begun) / 1000 };
  }

  wakes(): number {
    const file = join(this.host.state, wakeName);
    return existsSync(file) ? statSync(file).mtimeMs : 0;
  }
}

async function hookOf(t: TestContext, limit?: number): Promise<Hook> {
  const host = await LiveHost.build();
  t.after(() => host.close());
  await host.applyHere('ssh');
  return new Hook(host, limit);
}

/** Seconds in which its whole work is done on any machine. */
const enough = 60;

const xml = '<domain><name>x"; touch pwned; #</name><devices/></domain>';
const hostile = [
  'x"; touch pwned; #',
  '$(touch pwned)',
  '`touch pwned`',
  "'; touch pwned; '",
  '-rf',
  '../../x',
  'a\nb',
  '',
];

const calls: readonly (readonly [what: string, args: readonly string[], input: string | Buffer])[] = [
  ...hostile.flatMap((text): readonly (readonly [string, readonly string[], string])[] => [
    [`a guest named ${JSON.stringify(text)}`, [text, 'prepare', 'begin', '-'], xml],
    [`an operation ${JSON.stringify(text)}`, ['web', text, 'begin', text], xml],
  ]),
  ['no arguments', [], ''],
  ['no XML', ['web', 'start', 'begin', '-'], ''],
  ['XML that is none', ['web', 'start', 'begin', '-'], Buffer.from([0, 255, 10, 36, 40, 96])],
  ['XML of 8 MiB', ['web', 'start', 'begin', '-'], '<a>'.repeat(2 ** 21)],
];

suite('the hook', { skip: needsRoot }, () => {
  test('whatever it is told: it ends well, prints nothing, wakes the daemon, and does nothing else', async (t) => {
    const hook = await hookOf(t);
    const loaded = await hook.host.digest();
    const files = readdirSync(hook.host.directory, { recursive: true }).length;
    for (const [what, args, input] of calls) {
      const earlier = hook.wakes();
      await sleep(5);
      const { code, stdout, seconds } = await hook.call(args, input);
      assert.deepEqual([code, stdout], [0, ''], what);
      assertPrompt(seconds * 1000, hookLimit * 1000, what);
      assert.ok(hook.wakes() > earlier, what);
      assert.deepEqual(readdirSync(hook.cwd), [], what);
    }
    assert.ok(calls.length > 15);
    assert.equal(readdirSync(hook.host.directory, { recursive: true }).length, files + 1);
    assert.equal(await hook.host.digest(), loaded);
  });

  test('an end that is never closed: it ends in time, and has done its work', async (t) => {
    const hook = await hookOf(t);
    const { code, seconds } = await hook.call(['web', 'prepare', 'begin', '-'], undefined);
    assert.equal(code, 0);
    assert.ok(seconds >= hookLimit, `${seconds} s`);
    assertPrompt((seconds - hookLimit) * 1000, grace * 1000, 'to end behind the limit');
    assert.ok(hook.wakes() > 0);
  });

  test('tools that hang: the same, and none of them is left', async (t) => {
    const hook = await hookOf(t);
    const tools = join(hook.host.directory, 'tools');
    mkdirSync(tools);
    const left = join(hook.host.directory, 'left');
    writeFileSync(join(tools, 'nft'), `#!/bin/sh\nsleep ${hookLimit + 3}\ntouch ${left}\n`, { mode: 0o755 });
    const { code, seconds } = await hook.call(['web', 'prepare', 'begin', '-'], xml, `${tools}:${process.env.PATH}`);
    assert.equal(code, 0);
    assert.ok(seconds >= hookLimit, `${seconds} s`);
    assertPrompt((seconds - hookLimit) * 1000, grace * 1000, 'to end behind the limit');
    assert.ok(hook.wakes() > 0);
    await sleep(4_000);
    assert.ok(!existsSync(left));
  });

  test('rules that somebody flushed are there again before the guest has a port', async (t) => {
    const hook = await hookOf(t, enough);
    const { host } = hook;
    const loaded = await host.digest();
    await mustRun(host.namespace, 'nft', ['flush', 'ruleset']);
    const empty = await host.digest();
    await hook.call(['web', 'stopped', 'end', '-'], xml);
    assert.equal(await host.digest(), empty);
    await hook.call(['web', 'prepare', 'begin', '-'], xml);
    assert.equal(await host.digest(), loaded);
  });

  test('unless the policy says that drift is not to be put right', async (t) => {
    const hook = await hookOf(t);
    const { host } = hook;
    writeFileSync(join(host.state, 'confirmed', 'policy.yaml'), `restore-drift: false\n${policyText('ssh')}`);
    await mustRun(host.namespace, 'nft', ['flush', 'ruleset']);
    const empty = await host.digest();
    assert.equal((await hook.call(['web', 'prepare', 'begin', '-'], xml)).code, 0);
    assert.equal(await host.digest(), empty);
  });

  test('and where they are broken, the ports are closed', async (t) => {
    const hook = await hookOf(t, enough);
    const { host } = hook;
    await mustRun(host.namespace, 'nft', ['flush', 'ruleset']);
    rmSync(join(host.state, 'confirmed', 'rules.nft'));
    assert.equal((await hook.call(['web', 'start', 'begin', '-'], xml)).code, 0);
    const { stdout } = await host.namespace.run('nft', ['list', 'table', 'bridge', 'bk']);
    assert.match(stdout, /iifname "g1" .*drop/);
  });
});

suite('with libvirt', { skip: needsLibvirt }, () => {
  let libvirt: Namespace;
  const say = async (script: string, input?: string): Promise<string> =>
    (await mustRun(libvirt, 'sh', ['-c', script], input)).stdout;

  before(async () => {
    libvirt = await freshLibvirt();
    for (const driver of ['qemu', 'network']) {
      const directory = `/etc/libvirt/hooks/${driver}.d`;
      await say(`mkdir -p ${directory}; cd ${directory}; cat >bridgekeeper; chmod 755 bridgekeeper`, libvirtHook(root));
    }
    // it looks for hooks when it starts
    await say('kill "$(cat /run/libvirtd.pid)"; while [ -e /run/libvirtd.pid ]; do sleep 0.1; done');
    await say('libvirtd --daemon --pid-file /run/libvirtd.pid');
    await say(
      'for turn in $(seq 100); do virsh -q -c qemu:///system list >/dev/null 2>&1 && exit; sleep 0.2; done; exit 1',
    );
  });
  after(() => libvirt?.close());

  test('a guest with a hostile name starts, and the daemon is woken', async () => {
    const name = 'x"; touch pwned; #';
    const domain = `<domain type='qemu'><name>${name.replace('"', '&quot;')}</name><memory unit='MiB'>32</memory>
      <os><type arch='x86_64'>hvm</type></os><devices><emulator>/usr/bin/qemu-system-x86_64</emulator></devices></domain>`;
    await say('mkdir -p /var/lib/bridgekeeper; cat >/run/domain.xml', domain);
    assert.equal(await say('[ ! -e /var/lib/bridgekeeper/wake ] && echo no'), 'no\n');
    const { code, stderr } = await libvirt.run('virsh', ['-q', '-c', 'qemu:///system', 'create', '/run/domain.xml']);
    assert.equal(code, 0, stderr);
    assert.equal(await say('stat -c %s /var/lib/bridgekeeper/wake'), '0\n');
    assert.match(await say('virsh -q -c qemu:///system list --name'), /touch pwned/);
    assert.equal(await say('find / -xdev -name pwned | wc -l'), '0\n');
    const started = await say('stat -c %y /var/lib/bridgekeeper/wake');
    await libvirt.run('virsh', ['-q', '-c', 'qemu:///system', 'destroy', name]);
    assert.notEqual(await say('stat -c %y /var/lib/bridgekeeper/wake'), started);
  });
});
