// The texts that an installation puts into place: held against golden files, read by systemd, sh and the kernel's tools.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { elsewhereAddresses } from '../../src/install/elsewhere.ts';
import type { Entry } from '../../src/install/entry.ts';
import { type Machine, systemEntries } from '../../src/install/layout.ts';
import { placesFor } from '../../src/install/places.ts';
import { type Setting, settingsFor } from '../../src/install/settings.ts';
import { daemonUnit } from '../../src/install/units.ts';
import { freshDirectory } from '../support/run-cli.ts';
import { assertGolden } from '../yaml/golden.ts';

const settings = settingsFor({ now: new Map(), own: [], elsewhere: [] });
const places = placesFor({ checkout: '/opt/bridgekeeper' });

const machines: readonly (readonly [name: string, machine: Machine])[] = [
  ['systemd', { init: 'systemd', hooks: 'directories', legacy: false, settings }],
  ['systemd-old-iptables', { init: 'systemd', hooks: 'files', legacy: true, settings: [] }],
  ['scripts', { init: 'scripts', hooks: 'none', legacy: false, settings: [] }],
];

suite('golden texts', () => {
  for (const [name, machine] of machines) {
    for (const entry of systemEntries(places, machine)) {
      if (entry.kind !== 'file' || isSameAsFor('systemd', name, entry)) continue;
      const file = `install/${name}${entry.path.replaceAll('/', '.').replace('.d.', '.')}`;
      test(file, () => assertGolden(Buffer.from(entry.bytes).toString('utf8'), file));
    }
  }

  test('paths and modes of each machine', () => {
    const lines = machines.flatMap(([name, machine]) => [
      `${name}:`,
      ...systemEntries(places, machine).map(shown),
      ...systemEntries(placesFor({ checkout: '/home/me/bk', prefix: '/usr' }), machine).map(shown),
      '',
    ]);
    assertGolden(lines.join('\n'), 'install/paths');
  });
});

/** One golden text for what is the same everywhere. */
function isSameAsFor(first: string, name: string, entry: Entry): boolean {
  const other = machines.find(([one]) => one === first)?.[1];
  assert.ok(other);
  if (name === first) return entry.path.includes('network.d');
  return systemEntries(places, other).some(
    (one) => one.kind === 'file' && entry.kind === 'file' && Buffer.compare(one.bytes, entry.bytes) === 0,
  );
}

function shown(entry: Entry): string {
  const what = entry.kind === 'link' ? `-> ${entry.target}` : entry.mode.toString(8);
  return `  ${entry.path} ${what}`;
}

const noSystemd = spawnSync('systemd-analyze', ['--version']).status === 0 ? false : 'systemd-analyze is not installed';

suite('systemd', { skip: noSystemd }, () => {
  for (const [name, machine] of machines.slice(0, 2)) {
    test(`${name}: nothing to complain about`, (t) => {
      const [boot = '', daemon = ''] = writtenUnits(t, machine);
      // --man=no: the pages are not installed here
      const { status, stderr, stdout } = spawnSync('systemd-analyze', ['verify', '--man=no', boot, daemon]);
      assert.equal(`${status} ${stdout}${stderr}`, '0 ');
    });

    test(`${name}: the daemon may do little: an exposure of 2.5 at most`, (t) => {
      const [boot = '', daemon = ''] = writtenUnits(t, machine);
      assert.ok(exposure(daemon) <= 2.5, `${exposure(daemon)}`);
      // the measure measures
      assert.ok(exposure(boot) > exposure(daemon));
    });
  }
});

/** The program is where the unit says: systemd looks whether it can be run. */
function writtenUnits(t: TestContext, machine: Machine): readonly string[] {
  const home = freshDirectory(t);
  for (const name of ['bridgekeeper', 'bridgekeeper-boot']) {
    mkdirSync(join(home, 'bin'), { recursive: true });
    writeFileSync(join(home, 'bin', name), '#!/bin/sh\n');
    chmodSync(join(home, 'bin', name), 0o755);
  }
  return systemEntries({ ...places, home, units: home }, machine).flatMap((entry) => {
    if (entry.kind !== 'file' || !entry.path.endsWith('.service')) return [];
    mkdirSync(dirname(entry.path), { recursive: true });
    writeFileSync(entry.path, entry.bytes);
    return [entry.path];
  });
}

function exposure(unit: string): number {
  const { stdout } = spawnSync('systemd-analyze', ['security', '--offline=true', '--no-pager', unit], {
    encoding: 'utf8',
  });
  const [, number] = /Overall exposure level for \S+: ([\d.]+)/.exec(stdout) ?? [];
  assert.ok(number !== undefined, stdout);
  return Number(number);
}

test('a checkout below a home, or in /tmp, can be read by the daemon', () => {
  const rows = [
    ['/opt/bk', 'yes', 'yes'],
    ['/home/me/bk', 'read-only', 'yes'],
    ['/root', 'read-only', 'yes'],
    ['/roots/bk', 'yes', 'yes'],
    ['/tmp/bk', 'yes', 'no'],
  ] as const;
  for (const [home, protectHome, privateTmp] of rows) {
    const unit = daemonUnit({ home, legacy: false });
    assert.match(unit, new RegExp(`^ProtectHome=${protectHome}$`, 'm'), home);
    assert.match(unit, new RegExp(`^PrivateTmp=${privateTmp}$`, 'm'), home);
  }
});

test('every script is one for sh', () => {
  const scripts = machines.flatMap(([, machine]) =>
    systemEntries(places, machine).flatMap((entry) => (entry.kind === 'file' && entry.mode === 0o755 ? [entry] : [])),
  );
  assert.ok(scripts.length >= 6);
  for (const { path, bytes } of scripts) {
    const { status, stderr } = spawnSync('sh', ['-n'], { input: Buffer.from(bytes) });
    assert.equal(`${status} ${stderr}`, '0 ', path);
  }
});

suite('which settings', () => {
  const arp = ['arp_ignore=1', 'arp_announce=2'];
  const bridges = ['iptables=0', 'ip6tables=0', 'arptables=0'];
  const rows: readonly (readonly [
    what: string,
    now: Readonly<Record<string, string>>,
    own: readonly string[],
    elsewhere: readonly string[],
    wanted: readonly string[],
  ])[] = [
    ['a fresh machine', { arp_ignore: '0', arp_announce: '0' }, [], [], [...bridges, ...arp]],
    ['somebody loaded br_netfilter before', { iptables: '1', ip6tables: '1', arptables: '1' }, [], [], arp],
    ['we loaded it', { iptables: '0', ip6tables: '0', arptables: '0' }, bridges, [], [...bridges, ...arp]],
    ['the ARP settings are stricter already', { arp_ignore: '2', arp_announce: '2' }, [], [], bridges],
    ['they are ours', { arp_ignore: '1', arp_announce: '2' }, arp, [], [...bridges, ...arp]],
    ['an address that nobody would answer for', { arp_ignore: '0' }, [], ['10.9.9.9'], bridges],
  ];
  for (const [what, now, own, elsewhere, wanted] of rows) {
    test(what, () => {
      const keys = (ones: readonly string[]) => ones.map((one) => longKey(one.split('=')[0] ?? ''));
      const facts = {
        now: new Map(Object.entries(now).map(([key, value]) => [longKey(key), value])),
        own: keys(own),
        elsewhere,
      };
      assert.deepEqual(settingsFor(facts).map(shortSetting), wanted);
    });
  }
});

function longKey(key: string): string {
  return key.startsWith('arp_') ? `net.ipv4.conf.all.${key}` : `net.bridge.bridge-nf-call-${key}`;
}

function shortSetting({ key, value }: Setting): string {
  return `${key.replace(/^.*(?:call-|all\.)/, '')}=${value}`;
}

suite('addresses that are not where they are asked for', () => {
  const at = (ifname: string, local: string, scope = 'global', flags: readonly string[] = []) => ({
    ifname,
    flags,
    addr_info: [{ local, scope }],
  });
  const rows: readonly (readonly [what: string, addresses: unknown, routes: unknown, wanted: readonly string[]])[] = [
    ['each at its interface', [at('eth0', '10.0.0.1')], [{ dev: 'eth0', prefsrc: '10.0.0.1' }], []],
    ['127.0.0.1', [at('lo', '127.0.0.1', 'host', ['LOOPBACK'])], [], []],
    ['one on loopback', [at('lo', '10.9.9.9', 'global', ['LOOPBACK'])], [], ['10.9.9.9']],
    ['one on a dummy', [at('dummy0', '10.9.9.9')], [], ['10.9.9.9']],
    [
      'a route that speaks by another one',
      [at('br0', '10.0.0.1')],
      [{ dev: 'eth0', prefsrc: '10.0.0.1' }],
      ['10.0.0.1'],
    ],
    ['what is no list', { error: 1 }, 'x', []],
  ];
  for (const [what, addresses, routes, wanted] of rows) {
    test(what, () => assert.deepEqual(elsewhereAddresses(JSON.stringify(addresses), JSON.stringify(routes)), wanted));
  }
});
