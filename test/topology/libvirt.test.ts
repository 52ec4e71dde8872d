// A real libvirtd with real domains of QEMU: what `snapshot` finds, what `check` and `rules` make of it, who refuses.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { parseHost } from '../../src/topology/host-file.ts';
import { freshLibvirt, needsLibvirt } from '../support/libvirt.ts';
import { mustRun, type Namespace } from '../support/namespace.ts';
import { program } from '../support/run-cli.ts';
import { goldenText } from '../yaml/golden.ts';

/** A name for which a shell would do something. */
const hostile = 'x"; touch pwned; #';

type Card = { readonly mac: string; readonly filter?: string };

function domainXml(name: string, cards: readonly Card[]): string {
  const text = name.replaceAll('"', '&quot;');
  return `<domain type='qemu'>
  <name>${text}</name>
  <description>${'&amp;'.repeat(100_000)}</description>
  <memory unit='MiB'>16</memory>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    ${cards.map(cardXml).join('\n    ')}
    <interface type='user'><mac address='52:54:00:10:00:ff'/></interface>
    <memballoon model='none'/>
  </devices>
</domain>`;
}

function cardXml({ mac, filter }: Card): string {
  const ref = `<filterref filter='clean'><parameter name='IP' value='${filter}'/></filterref>`;
  return `<interface type='bridge'><mac address='${mac}'/><source bridge='virbr0'/>${filter === undefined ? '' : ref}</interface>`;
}

const network = `<network><name>default</name><bridge name='virbr0'/>
<ip address='192.168.122.1' netmask='255.255.255.0'><dhcp>
<range start='192.168.122.2' end='192.168.122.254'/>
<host mac='52:54:00:10:00:01' name='web' ip='192.168.122.10'/>
</dhcp></ip></network>`;

const virsh = ['-q', '-c', 'qemu:///system'];

describe('libvirt', { skip: needsLibvirt }, () => {
  let host: Namespace;
  const run = (...argv: readonly string[]) => host.run(process.execPath, [program, ...argv]);
  const withInput = (input: string, ...argv: readonly string[]) =>
    host.run(process.execPath, [program, ...argv], input);

  async function define(command: string, xml: string): Promise<void> {
    await mustRun(host, 'tee', ['/run/definition.xml'], xml);
    await mustRun(host, 'virsh', [...virsh, command, '/run/definition.xml']);
  }

  before(async () => {
    host = await freshLibvirt();
    await mustRun(host, 'ip', ['link', 'add', 'virbr0', 'type', 'bridge']);
    await mustRun(host, 'ip', ['addr', 'add', '192.168.122.1/24', 'dev', 'virbr0']);
    await mustRun(host, 'ip', ['link', 'set', 'virbr0', 'up']);
    await define('net-define', network);
    await define('define', domainXml('web', [{ mac: '52:54:00:10:00:01' }]));
    await define('define', domainXml(hostile, [{ mac: '52:54:00:10:00:02' }]));
    await define(
      'define',
      domainXml('old', [{ mac: '52:54:00:10:00:03', filter: '192.168.122.30' }, { mac: '52:54:00:10:00:04' }]),
    );
    for (const name of ['web', hostile]) await mustRun(host, 'virsh', [...virsh, 'start', name, '--paused']);
  });
  after(() => host.close());

  test('guests that run stand behind their ports, others are named, and nothing of a name is obeyed', async () => {
    const { code, stdout, stderr } = await run('snapshot');
    assert.equal(code, 0, stderr);
    assert.match(
      stdout,
      /^ {2}virbr0:\n {4}ports:\n {6}vnet0: \{ guest: web, mac: "52:54:00:10:00:01" \}\n {6}vnet1: \{ mac: "52:54:00:10:00:02" \}\n/m,
    );
    const guests = stdout.slice(stdout.indexOf('\nguests:\n'), stdout.indexOf('\nsysctls:'));
    assert.equal(
      guests.split('\n').sort().join('\n'),
      `
guests:
  web:
    running: true
    cards:
      - { mac: "52:54:00:10:00:01", bridge: virbr0, reservation: [ 192.168.122.10 ] }
  old:
    running: false
    cards:
      - { mac: "52:54:00:10:00:03", bridge: virbr0, filter: [ 192.168.122.30 ] }
      - { mac: "52:54:00:10:00:04", bridge: virbr0 }`
        .split('\n')
        .sort()
        .join('\n'),
    );
    assert.match(stderr, /^<host>:1:1: warning\[bad-name\]: the domain 'x"; touch pwned; #' behind port 'vnet1'/);
    assert.deepEqual(parseHost(stdout, 'host.yaml').diagnostics, []);
    assert.equal(existsSync('pwned'), false);
  });

  test('virsh domiflist says the same of ports and MACs', async () => {
    const { stdout } = await run('snapshot', '-o', 'json');
    const ports = JSON.parse(stdout).host.bridges[0].ports as readonly {
      readonly name: string;
      readonly mac: number;
    }[];
    assert.equal(ports.length, 2);
    for (const [index, name] of ['web', hostile].entries()) {
      const listed = await mustRun(host, 'virsh', [...virsh, 'domiflist', name]);
      const mac = ports[index]?.mac.toString(16).replace(/..(?!$)/g, '$&:');
      assert.match(listed.stdout, new RegExp(`^ ${ports[index]?.name} +bridge +virbr0 +\\S+ +${mac}$`, 'm'));
    }
  });

  test('a policy names guests by their names, others by their MACs, and believes a reservation', async () => {
    const policy = `
guests:
  web: { addresses-from: reservation }
  strange: { ip: 192.168.122.12, mac: "52:54:00:10:00:02" }
allow: [{ from: web, to: strange, service: http }]
`;
    const checked = await withInput(policy, 'check', '--policy', '-');
    assert.equal(checked.code, 0, checked.stdout);
    assert.match(checked.stdout, /0 errors, 1 warnings/);
    const { stdout } = await withInput(policy, 'rules', '--policy', '-', '--format', 'nft');
    assert.match(stdout, /"vnet0" \. 52:54:00:10:00:01 \. 192\.168\.122\.10\b/);
    assert.match(stdout, /"vnet1" \. 52:54:00:10:00:02 \. 192\.168\.122\.12\b/);
  });

  test('an agent is asked where the policy says so; while it is silent, the port stays closed', async () => {
    const { code, stdout } = await withInput('guests: { web: { addresses-from: agent } }', 'check', '--policy', '-');
    assert.equal(code, 0, stdout);
    assert.match(stdout, /warning\[no-address\]: the agent of guest 'web' gives no addresses: \w/);
    assert.match(stdout, /<stdin>:1:11: warning\[no-address\]: guest 'web' has no address yet/);
    assert.match(stdout, /port 'vnet0' of guest 'web' stays closed/);
    const unasked = await withInput('guests: { web: { ip: 192.168.122.10 } }', 'check', '--policy', '-');
    assert.doesNotMatch(unasked.stdout, /agent/);
  });

  /** In front of the real virsh: no agent runs in these guests, so this is what one would have made it print. */
  const agentVirsh = `#!/bin/sh
case " $* " in
  *" domifaddr "*) echo "$*" >>/run/asked; cat /run/agent.txt ;;
  *) exec /usr/bin/virsh "$@" ;;
esac
`;

  test('what an agent says counts for its own card, where the policy believes it, and nobody else is asked', async () => {
    await mustRun(host, 'mkdir', ['-p', '/run/bin']);
    await mustRun(host, 'tee', ['/run/bin/virsh'], agentVirsh);
    await mustRun(host, 'chmod', ['755', '/run/bin/virsh']);
    await mustRun(host, 'tee', ['/run/agent.txt'], goldenText('topology/libvirt/agent.txt'));
    const believing = async (guests: string) => {
      await mustRun(host, 'tee', ['/run/asked']);
      const argv = [
        `PATH=/run/bin:${process.env.PATH}`,
        process.execPath,
        program,
        'rules',
        '--policy',
        '-',
        '--format',
        'nft',
      ];
      const { stdout } = await host.run('env', argv, `guests: { ${guests} }`);
      return { stdout, asked: (await host.run('cat', ['/run/asked'])).stdout };
    };
    const { stdout: uuid } = await mustRun(host, 'virsh', [...virsh, 'domuuid', 'web']);
    const one = await believing('web: { addresses-from: agent }');
    assert.match(one.stdout, /"vnet0" \. 52:54:00:10:00:01 \. 192\.168\.122\.77\b/);
    assert.doesNotMatch(one.stdout, /172\.17\.0\.1/);
    assert.equal(one.asked, `--quiet --connect qemu:///system domifaddr ${uuid.trim()} --source agent --full\n`);
    assert.equal((await believing('web: { ip: 192.168.122.10 }')).asked, '');
    const other = await believing('strange: { addresses-from: agent, mac: "52:54:00:10:00:02" }');
    assert.match(other.asked, /^--quiet .* --full\n$/, 'found by its MAC');
    assert.doesNotMatch(other.stdout, /192\.168\.122\.77/, 'it speaks of cards that are not its own');
  });

  test('a device that took the name of a tap has no guest behind it', async () => {
    await mustRun(host, 'ip', ['link', 'set', 'vnet0', 'address', 'fe:54:00:10:00:99']);
    const { stdout, stderr } = await run('snapshot');
    await mustRun(host, 'ip', ['link', 'set', 'vnet0', 'address', 'fe:54:00:10:00:01']);
    assert.match(stdout, /^ {6}vnet0: \{\}$/m);
    assert.match(stderr, /warning\[mac-conflict\]: port 'vnet0' is not the one that libvirt made for 'web'/);
  });

  test('in another network namespace there are other bridges, and these guests are not behind them', async () => {
    const commands = 'link add virbr0 type bridge; tuntap add vnet0 mode tap; link set vnet0 master virbr0';
    await mustRun(host, 'tee', ['/run/batch'], commands.replaceAll('; ', '\n'));
    const script = 'ip -batch /run/batch && exec "$@"';
    const argv = ['-n', 'sh', '-c', script, 'sh', process.execPath, program, 'snapshot'];
    const { code, stdout, stderr } = await host.run('unshare', argv);
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout, /^ {6}vnet0: \{\}$/m);
    assert.doesNotMatch(stdout, /guest/);
  });

  const nobody = ['--reuid', '65534', '--regid', '65534', '--clear-groups', '--', process.execPath, program];

  test('a libvirt that refuses is named with a hint, and bridges are read all the same', async () => {
    const { code, stdout, stderr } = await host.run('setpriv', [...nobody, 'snapshot']);
    assert.equal(code, 0, stderr);
    assert.match(
      stderr,
      /^<host>:1:1: warning\[libvirt-refused\]: .*Permission denied\n {2}hint: .*group libvirt.*libvirt-sock/,
    );
    assert.match(stdout, /^ {6}vnet0: \{\}$/m);
  });

  test('where there is no bridge either, nothing can be said: exit 2', async () => {
    const { code, stdout, stderr } = await host.run('unshare', ['-n', 'setpriv', ...nobody, 'snapshot']);
    assert.deepEqual([code, stdout], [2, '']);
    assert.match(
      stderr,
      /^bridgekeeper: libvirt does not say which guests there are: .*Permission denied.*group libvirt/,
    );
  });

  test('init: a first policy that passes check, with what libvirt knows', async () => {
    const policy = await run('init');
    assert.equal(policy.code, 0, policy.stderr);
    assert.match(
      policy.stdout,
      /^ {2}web: \{ ip: 192\.168\.122\.10 \} # port vnet0 of virbr0, .*; by the DHCP reservation$/m,
    );
    assert.match(
      policy.stdout,
      /^ {2}old: \{ ip: 192\.168\.122\.30, mac: "52:54:00:10:00:03" \} # it does not run; .* by its filterref$/m,
    );
    assert.match(policy.stdout, /^ {2}# old-2: \{ ip: ADDRESS, mac: "52:54:00:10:00:04" \} # NOT FOUND OUT/m);
    assert.match(
      policy.stdout,
      /^ {2}# NAME: \{ ip: ADDRESS, mac: "52:54:00:10:00:02" \} # NOT FOUND OUT who is behind port vnet1/m,
    );
    assert.doesNotMatch(policy.stdout, /pwned/);
    const checked = await withInput(policy.stdout, 'check', '--policy', '-');
    assert.equal(checked.code, 0, checked.stdout);
    assert.match(checked.stdout, /^0 errors, /m);
  });

  test('a guest that was stopped has no port, and is named as one that does not run', async () => {
    await mustRun(host, 'virsh', [...virsh, 'destroy', 'web']);
    const { stdout } = await run('snapshot');
    assert.doesNotMatch(stdout, /vnet0|guest: web/);
    assert.match(
      stdout,
      /^ {2}web:\n {4}running: false\n {4}cards:\n {6}- \{ mac: "52:54:00:10:00:01", bridge: virbr0, res/m,
    );
  });
});
