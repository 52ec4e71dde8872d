// A real libvirtd with real domains of QEMU, and the daemon beside it: domains are started, get a card while they run, and
// are stopped, and the rules follow. One of them has a name for which a shell would do something.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { freshLibvirt, needsLibvirt } from '../support/libvirt.ts';
import { mustRun, type Namespace } from '../support/namespace.ts';
import { program } from '../support/run-cli.ts';
import { until } from '../support/until.ts';
import { Serving } from './serving.ts';

const hostile = 'x"; touch pwned; #';

const card = (mac: string): string =>
  `<interface type='bridge'><mac address='${mac}'/><source bridge='br0'/><model type='virtio'/></interface>`;

function domainXml(name: string, mac: string): string {
  return `<domain type='qemu'>
  <name>${name.replaceAll('"', '&quot;')}</name>
  <memory unit='MiB'>16</memory>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <features><acpi/></features>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    ${card(mac)}
    <memballoon model='none'/>
  </devices>
</domain>`;
}

const policy = `guests:
  web: { ip: 10.0.0.11, mac: "52:54:00:20:00:01" }
  web-backup: { ip: 10.0.1.11, mac: "52:54:00:20:00:02" }
  odd: { ip: 10.0.0.12, mac: "52:54:00:20:00:03" }
allow:
  - { from: web, to: odd, service: ssh }
dhcp: none
`;

const virsh = ['-q', '-c', 'qemu:///system'];
/** Starting a guest takes seconds without KVM; what is waited for begins when its port is there. */
const patience = 60_000;

describe('libvirt and the daemon', { skip: needsLibvirt }, () => {
  let host: Namespace;
  let serving: Serving;
  const inside = (argv: readonly string[]): readonly string[] => [
    'nsenter',
    ...['-n', '-m', '-p', '-t', String(host.pid), '--', process.execPath, program],
    ...argv,
    ...['--state', '/run/state'],
  ];

  before(async () => {
    host = await freshLibvirt();
    await mustRun(host, 'ip', ['link', 'add', 'br0', 'up', 'type', 'bridge']);
    await mustRun(host, 'tee', ['/run/policy.yaml'], policy);
    for (const [name, mac] of [
      ['web', '52:54:00:20:00:01'],
      [hostile, '52:54:00:20:00:03'],
    ] as const) {
      await mustRun(host, 'tee', ['/run/definition.xml'], domainXml(name, mac));
      await mustRun(host, 'virsh', [...virsh, 'define', '/run/definition.xml']);
    }
    // a bridge is managed from its first guest on
    await mustRun(host, 'virsh', [...virsh, 'start', 'web', '--paused']);
    const apply = [program, 'apply', '--no-confirm', '--policy', '/run/policy.yaml', '--state', '/run/state'];
    await mustRun(host, process.execPath, apply);
    // every virsh that is started says whom it asks
    await mustRun(host, 'mkdir', ['/run/bin']);
    await mustRun(host, 'tee', ['/run/bin/virsh'], '#!/bin/sh\necho "$*" >>/run/asked\nexec /usr/bin/virsh "$@"\n');
    await mustRun(host, 'chmod', ['755', '/run/bin/virsh']);
    const env = { ...process.env, PATH: `/run/bin:${process.env.PATH}` };
    serving = await Serving.start(inside(['serve', '--policy', '/run/policy.yaml']), env);
  });

  after(async () => {
    await host?.close();
  });

  const rules = async (): Promise<string> => (await mustRun(host, 'nft', ['list', 'ruleset'])).stdout;

  const ported = async (action: () => Promise<unknown>, words: RegExp): Promise<string> => {
    const { heard } = await serving.after(action, (one) => one.kind === 'port' && words.test(one.words), patience);
    return heard.kind === 'port' ? heard.port : '';
  };

  test('a domain with a hostile name is started: its card has its addresses, and nothing of the name is obeyed', async () => {
    const port = await ported(
      () => mustRun(host, 'virsh', [...virsh, 'start', hostile, '--paused']),
      /is new: a guest's, 10\.0\.0\.12 52:54:00:20:00:03$/,
    );
    assert.match(await rules(), new RegExp(`"${port}" \\. 52:54:00:20:00:03 \\. 10\\.0\\.0\\.12\\b`));
    assert.equal(existsSync('pwned'), false);
    const uuid = (await mustRun(host, 'virsh', [...virsh, 'domuuid', hostile])).stdout.trim();
    const { stdout } = await mustRun(host, 'cat', ['/run/asked']);
    const asked = stdout.split('\n').map((line) => [...line.matchAll(/dumpxml (\S+);/g)].map(([, one]) => one).join());
    assert.ok(asked.includes(uuid), `it alone was asked:\n${stdout}`);
  });

  test('a card is plugged into a running domain', async () => {
    await mustRun(host, 'tee', ['/run/card.xml'], card('52:54:00:20:00:02'));
    const port = await ported(
      () => mustRun(host, 'virsh', [...virsh, 'attach-device', 'web', '/run/card.xml', '--live']),
      /is new: a guest's, 10\.0\.1\.11 52:54:00:20:00:02$/,
    );
    assert.match(await rules(), new RegExp(`"${port}" \\. 52:54:00:20:00:02 \\. 10\\.0\\.1\\.11\\b`));
  });

  test('a domain is stopped: its names are in no rule', async () => {
    await ported(() => mustRun(host, 'virsh', [...virsh, 'destroy', 'web']), /is no longer there$/);
    const names = /52:54:00:20:00:01|52:54:00:20:00:02/;
    await until(async () => !names.test(await rules()), 'its names are in no rule', 200);
    assert.match(await rules(), /52:54:00:20:00:03/);
  });

  test('libvirtd is started anew: what it says is heard again, and guests are followed', async () => {
    const pid = (await mustRun(host, 'cat', ['/run/libvirtd.pid'])).stdout.trim();
    await mustRun(host, 'kill', ['-TERM', pid]);
    const script = `while kill -0 ${pid} 2>/dev/null; do sleep 0.1; done
      libvirtd --daemon --pid-file /run/libvirtd.pid 2>>/run/libvirtd.log
      for turn in $(seq 300); do virsh ${virsh.join(' ')} list >/dev/null 2>&1 && exit 0; sleep 0.1; done; exit 1`;
    await mustRun(host, 'sh', ['-c', script]);
    const port = await ported(
      () => mustRun(host, 'virsh', [...virsh, 'start', 'web', '--paused']),
      /is new: a guest's, 10\.0\.0\.11 52:54:00:20:00:01$/,
    );
    assert.match(await rules(), new RegExp(`"${port}" \\. 52:54:00:20:00:01 \\. 10\\.0\\.0\\.11\\b`));
    const listening = async () =>
      (await host.run('sh', ['-c', 'grep -lz "^e[v]ent$" /proc/[0-9]*/cmdline | wc -l'])).stdout;
    for (let turn = 0; turn < 600 && Number(await listening()) === 0; turn++) await sleep(100);
    assert.ok(Number(await listening()) > 0, 'virsh event runs again');
  });

  test('nothing went wrong meanwhile, and status agrees', async () => {
    const wrong = serving.heard.filter(({ kind }) => kind === 'drift' || kind === 'trouble');
    assert.deepEqual(wrong, []);
    assert.equal(serving.stderr, '');
    const { code, stdout } = await host.run(process.execPath, [program, 'status', '--state', '/run/state']);
    assert.equal(code, 0, stdout);
  });
});
