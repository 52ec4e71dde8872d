// The boot, as the unit runs it: without Node, on a kernel that knows nothing. What was confirmed is loaded, and what cannot
// be loaded as it was confirmed closes the ports and says so.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { readPending } from '../../src/apply/live/pending.ts';
import { systemEntries } from '../../src/install/layout.ts';
import { closedFile, placesFor, stateDirectory } from '../../src/install/places.ts';
import { LiveHost } from '../apply/live-host.ts';
import { needsRoot, type Ran } from '../support/namespace.ts';
import { root } from '../support/run-cli.ts';

const machine = { init: 'systemd', hooks: 'none', legacy: false, settings: [] } as const;

function textOf(path: string): string {
  const entry = systemEntries(placesFor({ checkout: root }), machine).find((one) => one.path === path);
  assert.ok(entry?.kind === 'file');
  return Buffer.from(entry.bytes).toString('utf8');
}

/** The unit's own line, with other places for state and fallback. */
function boot(host: LiveHost, closed = join(host.directory, 'closed.nft'), tools = '/bin'): Promise<Ran> {
  const unit = textOf('/etc/systemd/system/bridgekeeper-boot.service');
  const [, line = ''] = /^ExecStart=(.*)$/m.exec(unit) ?? [];
  const argv = line
    .split(' ')
    .map((word) => (word === stateDirectory ? host.state : word === closedFile ? closed : word));
  assert.equal(argv.length, 4, line);
  return host.namespace.run('env', ['-i', `PATH=${tools}:/usr/bin:/bin`, ...argv]);
}

async function confirmedHost(t: TestContext): Promise<LiveHost> {
  const host = await LiveHost.build();
  t.after(() => host.close());
  host.file('closed.nft', textOf(closedFile));
  await host.applyHere('ssh');
  return host;
}

async function closedPorts(host: LiveHost): Promise<readonly string[]> {
  const { stdout } = await host.namespace.run('nft', ['list', 'table', 'bridge', 'bk']);
  return [...stdout.matchAll(/iifname "([^"]+)" counter .*drop comment "closed"/g)].map(([, name = '']) => name);
}

suite('a boot', { skip: needsRoot }, () => {
  test('loads what was confirmed; a second time, and beside a change that waits, it does nothing', async (t) => {
    const host = await confirmedHost(t);
    const loaded = await host.digest();
    await host.reboot();
    assert.deepEqual(await boot(host), { code: 0, stdout: '', stderr: '' });
    assert.equal(await host.digest(), loaded);
    assert.deepEqual(await boot(host), { code: 0, stdout: '', stderr: '' });
    assert.equal(await host.digest(), loaded);
    await host.mustRun(['apply', '--policy', host.policy('http'), '--confirm', '10m']);
    const waiting = await host.digest();
    assert.notEqual(waiting, loaded);
    assert.equal((await boot(host)).code, 0);
    assert.equal(await host.digest(), waiting);
    assert.equal(readPending(host.state)?.stage, 'armed');
    await host.mustRun(['rollback']);
    assert.equal(await host.digest(), loaded);
  });

  test('a change that was not confirmed is over: the rules before it are loaded', async (t) => {
    const host = await confirmedHost(t);
    const loaded = await host.digest();
    await host.mustRun(['apply', '--policy', host.policy('http'), '--confirm', '10m']);
    const pid = readFileSync(join(host.state, 'pending', 'timer.pid'), 'utf8').trim();
    process.kill(-Number(pid), 'SIGKILL');
    await host.reboot();
    const { code, stderr } = await boot(host);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /a change was not confirmed/);
    assert.equal(await host.digest(), loaded);
  });

  test('bridges are shown to the ip tables again', async (t) => {
    const host = await confirmedHost(t);
    await host.reboot();
    const { namespace } = host;
    const off = await namespace.run('sysctl', ['-q', '-w', 'net.bridge.bridge-nf-call-iptables=0']);
    if (off.code !== 0) return t.skip('br_netfilter is not there');
    const shown = async (): Promise<unknown> => {
      const { stdout } = await namespace.run('ip', ['-j', '-d', 'link', 'show', 'br0']);
      return JSON.parse(stdout)[0].linkinfo.info_data.nf_call_iptables;
    };
    assert.equal(await shown(), 0);
    assert.equal((await boot(host)).code, 0);
    assert.equal(await shown(), 1);
  });

  test('bridges that are not there yet are no failure', async (t) => {
    const host = await confirmedHost(t);
    const loaded = await host.digest();
    await host.reboot();
    const { namespace } = host;
    await namespace.run('sysctl', ['-q', '-w', 'net.bridge.bridge-nf-call-iptables=0']);
    assert.equal((await namespace.run('ip', ['link', 'delete', 'br0'])).code, 0);
    const { code, stderr } = await boot(host);
    assert.deepEqual([code, stderr], [0, '']);
    assert.equal(await host.digest(), loaded);
  });

  test('a copy that another firewall saved and put back is replaced while the machine starts, and only then', async (t) => {
    const host = await confirmedHost(t);
    const { stdout: copy } = await host.namespace.run('nft', ['list', 'ruleset']);
    await host.reboot();
    assert.equal((await host.namespace.run('nft', ['-f', '-'], copy)).code, 0);
    const isCopy = async (): Promise<boolean> => {
      const { stdout } = await host.namespace.run('nft', ['--debug=netlink', 'list', 'table', 'bridge', 'bk']);
      return stdout.includes('meta load protocol');
    };
    for (const [state, copied] of [
      ['running', true],
      ['starting', false],
    ] as const) {
      chmodSync(host.file('systemctl', `#!/bin/sh\necho ${state}\n`), 0o755);
      const { code, stderr } = await boot(host, undefined, host.directory);
      assert.deepEqual([code, stderr], [0, '']);
      assert.equal(await isCopy(), copied, state);
    }
  });

  test('the old iptables: the same', async (t) => {
    const host = await LiveHost.build();
    t.after(() => host.close());
    await host.mustRun(['apply', '--backend', 'iptables', '--policy', host.policy('ssh'), '--no-confirm']);
    const loaded = await host.digest();
    await host.reboot();
    assert.equal((await boot(host)).code, 0);
    assert.equal(await host.digest(), loaded);
    assert.equal((await boot(host)).code, 0);
    assert.equal(await host.digest(), loaded);
  });
});

/** `own`: the ports of the generation are closed; `names`: those that are called as guests' ports are. */
type Closed = 'own' | 'names' | 'nothing';

const closedNames: Readonly<Record<Closed, readonly string[]>> = {
  own: ['g1', 'g2'],
  names: ['vnet*', 'tap*'],
  nothing: [],
};

function rules(host: LiveHost): string {
  return join(host.state, 'confirmed', 'rules.nft');
}

/** With its digest, so that only the kernel can refuse it. */
function confirm(host: LiveHost, text: string): void {
  const file = join(host.state, 'confirmed', 'generation.json');
  const digest = createHash('sha256').update(text).digest('hex');
  writeFileSync(rules(host), text);
  writeFileSync(file, readFileSync(file, 'utf8').replace(/("rulesDigest": ")[0-9a-f]+/, `$1${digest}`));
}

const damages: readonly (readonly [
  what: string,
  damage: (host: LiveHost) => void,
  code: number,
  said: RegExp,
  closed: Closed,
])[] = [
  ['the rules are gone', (host) => rmSync(rules(host)), 1, /missing or damaged/, 'own'],
  ['they are empty', (host) => writeFileSync(rules(host), ''), 1, /missing or damaged/, 'own'],
  ['they are something else', (host) => writeFileSync(rules(host), '\0\x01\xff'), 1, /missing or damaged/, 'own'],
  [
    'only the first table is left of them',
    (host) => writeFileSync(rules(host), readFileSync(rules(host), 'utf8').split('\ntable ip ')[0] ?? ''),
    1,
    /missing or damaged/,
    'own',
  ],
  [
    'they are other rules',
    (host) => writeFileSync(rules(host), 'table bridge bk { chain prerouting { } }\n'),
    1,
    /missing or damaged/,
    'own',
  ],
  [
    'nobody knows what was confirmed',
    (host) => rmSync(join(host.state, 'confirmed', 'generation.json')),
    1,
    /missing or damaged/,
    'own',
  ],
  [
    'the kernel refuses them',
    (host) => confirm(host, 'table bridge bk {\n chain a {\n  jump nowhere\n }\n}\n'),
    1,
    /the rules are refused/,
    'own',
  ],
  ['they are confirmed to be nothing', (host) => confirm(host, '# none\n'), 1, /the rules are refused/, 'own'],
  [
    'the generation is gone',
    (host) => rmSync(join(host.state, 'generations'), { recursive: true }),
    1,
    /missing or damaged/,
    'names',
  ],
  [
    'what closes its ports is broken too',
    (host) => {
      rmSync(rules(host));
      writeFileSync(join(host.state, 'confirmed', 'closed.nft'), 'table bridge {');
    },
    1,
    /missing or damaged/,
    'names',
  ],
  [
    'the state is gone',
    (host) => renameSync(host.state, `${host.state}.lost`),
    1,
    /state directory .* missing/,
    'names',
  ],
  [
    'the state and the fallback are gone',
    (host) => {
      renameSync(host.state, `${host.state}.lost`);
      rmSync(join(host.directory, 'closed.nft'));
    },
    2,
    /guests are not protected/,
    'nothing',
  ],
  [
    'nothing was ever confirmed',
    (host) => {
      rmSync(join(host.state, 'generations'), { recursive: true });
      rmSync(join(host.state, 'confirmed'));
    },
    0,
    /no rules were confirmed yet/,
    'nothing',
  ],
];

suite('a boot with a damaged state', { skip: needsRoot }, () => {
  for (const [what, damage, code, said, closed] of damages) {
    test(`${what}: ${closed} closed, exit ${code}`, async (t) => {
      const host = await confirmedHost(t);
      await host.reboot();
      damage(host);
      const booted = await boot(host);
      assert.equal(booted.code, code, booted.stderr);
      assert.match(booted.stderr, said);
      assert.deepEqual(await closedPorts(host), closedNames[closed]);
    });
  }

  test('every way of closing was seen', () => {
    assert.deepEqual(new Set(damages.map(([, , , , closed]) => closed)), new Set(Object.keys(closedNames)));
  });

  test('a state that vanishes while the machine runs: the rules stay', async (t) => {
    const host = await confirmedHost(t);
    const loaded = await host.digest();
    renameSync(host.state, `${host.state}.lost`);
    assert.equal((await boot(host)).code, 0);
    assert.equal(await host.digest(), loaded);
  });

  test('what was closed is opened by the next apply', async (t) => {
    const host = await confirmedHost(t);
    const loaded = await host.digest();
    await host.reboot();
    rmSync(rules(host));
    assert.equal((await boot(host)).code, 1);
    writeFileSync(rules(host), '');
    await host.applyHere('ssh');
    assert.equal(await host.digest(), loaded);
    assert.ok(existsSync(join(host.state, 'confirmed', 'rules.nft')));
  });
});
