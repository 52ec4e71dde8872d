// `init` on real bridges without libvirt, and what it does with files.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { parsePolicy } from '../../src/policy/parse-policy.ts';
import { freshNamespace, mustRun, type Namespace, needsRoot } from '../support/namespace.ts';
import { stayingCli } from '../support/resident.ts';
import { directoryWith, freshDirectory, program } from '../support/run-cli.ts';

const runCli = stayingCli();

/** A name of its own for each test: names of namespaces are the machine's. */
const box = `bk-box-${process.pid}`;

/** The host's address on a bridge, one guest in a namespace with a name, one behind a tap, an uplink elsewhere. */
async function builtHost(t: TestContext): Promise<Namespace> {
  const host = await freshNamespace();
  t.after(async () => {
    await host.run('ip', ['netns', 'del', box]);
    await host.close();
  });
  await mustRun(host, 'ip', ['netns', 'add', box]);
  const commands = [
    'link add br0 type bridge',
    'addr add 10.9.0.1/24 dev br0',
    'link set br0 up',
    `link add v1 type veth peer name e0 netns ${box}`,
    'link set v1 master br0 up',
    'tuntap add tap0 mode tap',
    'link set tap0 master br0',
    `-n ${box} addr add 10.9.0.9/24 dev e0`,
    `-n ${box} link set e0 address 52:54:00:09:00:09 up`,
    'neigh add 10.9.0.77 lladdr 52:54:00:09:00:09 dev br0',
    'link add a"b type bridge',
  ];
  for (const command of commands) await mustRun(host, 'ip', command.split(' '));
  return host;
}

function run(host: Namespace, ...argv: readonly string[]) {
  return host.run('env', ['SSH_CONNECTION=10.9.0.200 50000 10.9.0.1 22', process.execPath, program, ...argv]);
}

test('plain bridges: guests in namespaces are named, hearsay stays in comments', { skip: needsRoot }, async (t) => {
  const host = await builtHost(t);
  const { code, stdout, stderr } = await run(host, 'init');
  assert.equal(code, 1, 'a bridge has a name that cannot be used');
  assert.match(stderr, /^<host>:1:1: error\[bad-interface\]: the interface 'a"b' is left out[^\n]*\n[^\n]*\n$/);
  assert.match(
    stdout,
    new RegExp(`^ {2}# ${box}: \\{ ip: ADDRESS \\} # NOT FOUND OUT its address: port v1 of br0$`, 'm'),
  );
  assert.match(stdout, /^ {2}# {3}hearsay: frames came from 52:54:00:09:00:09$/m);
  assert.match(stdout, /^ {2}# {3}hearsay: the neighbour table has 10\.9\.0\.77$/m);
  assert.match(stdout, /^ {2}# {3}hearsay: inside of its namespace is 10\.9\.0\.9$/m);
  assert.match(stdout, /^ {2}# NAME: \{ ip: ADDRESS, port: tap0 \} # NOT FOUND OUT who is behind port tap0 of br0$/m);
  assert.match(stdout, /^ {2}ssh-admin: \{ ip: 10\.9\.0\.200, behind: br0 \}/m);
  const { value, diagnostics } = parsePolicy(stdout, 'p');
  assert.deepEqual([value?.guests, diagnostics], [[], []]);
});

test('what it says passes check, and so does what an administrator fills in', { skip: needsRoot }, async (t) => {
  const host = await builtHost(t);
  await mustRun(host, 'ip', ['link', 'del', 'a"b']);
  const file = join(freshDirectory(t), 'new', 'policy.yaml');
  const written = await run(host, 'init', '--write', file);
  assert.deepEqual([written.code, written.stdout], [0, '']);
  assert.match(written.stderr, /^written: .*policy\.yaml/);
  const checked = await run(host, 'check', '--policy', file);
  assert.equal(checked.code, 0, checked.stdout);
  const filled = readFileSync(file, 'utf8')
    .replace('guests: {}', 'guests:')
    .replace(`# ${box}: { ip: ADDRESS }`, `${box}: { ip: 10.9.0.9 }`);
  writeFileSync(file, filled);
  const again = await run(host, 'check', '--policy', file);
  assert.match(again.stdout, /^0 errors, 1 warnings: \d+ rules$/m, 'the tap stays closed');
  const simulated = await run(host, 'simulate', '--policy', file, '--from', 'host', '--to', box, '--tcp', '22');
  assert.equal(simulated.code, 0, simulated.stdout);
});

test('a file that is there is not touched, and a link is not followed', async (t) => {
  const directory = directoryWith(t, { host: 'host: h\n', policy: 'mine' });
  const argv = ['init', '--host', join(directory, 'host.yaml'), '--write'];
  symlinkSync(join(directory, 'elsewhere.yaml'), join(directory, 'link.yaml'));
  for (const name of ['policy.yaml', 'link.yaml']) {
    const { code, stdout, stderr } = await runCli([...argv, join(directory, name)]);
    assert.deepEqual([code, stdout], [2, '']);
    assert.match(stderr, /^bridgekeeper: .*\.yaml is there already, and is not overwritten\n$/);
  }
  assert.equal(readFileSync(join(directory, 'policy.yaml'), 'utf8'), 'mine');
  assert.equal(existsSync(join(directory, 'elsewhere.yaml')), false);
  const under = await runCli([...argv, join(directory, 'policy.yaml', 'x')]);
  assert.deepEqual([under.code, under.stdout], [2, '']);
});

test('-o json: the text as a value', async () => {
  const host = ['--host', 'examples/uplink-bridge/host.yaml'];
  const { code, stdout } = await runCli(['init', ...host, '-o', 'json']);
  const { version, kind, policy } = JSON.parse(stdout);
  assert.deepEqual([code, version, kind], [0, 1, 'init']);
  assert.equal(policy, (await runCli(['init', ...host])).stdout);
});

test('behind an uplink: the session that wrote it, the network there and the host itself go on', async (t) => {
  const host = readFileSync(join(import.meta.dirname, '../../examples/uplink-bridge/host.yaml'), 'utf8');
  const guests = 'guests: { wiki: { running: true, cards: [{ mac: "52:54:00:20:00:01", filter: 192.0.2.21 }] } }\n';
  const directory = directoryWith(t, { host: host + guests, policy: '' });
  const written = join(directory, 'first.yaml');
  const argv = ['init', '--host', join(directory, 'host.yaml'), '--write', written];
  assert.equal((await runCli(argv)).code, 0);
  // single machines of the networks that it names
  const machines = '\n  desk: { ip: 192.0.2.77, behind: br0 }\n  far: { ip: 203.0.113.9, behind: br0 }\n  lan-br0:';
  writeFileSync(written, readFileSync(written, 'utf8').replace('\n  lan-br0:', machines));
  const simulate = (from: string, to: string, port: string) =>
    runCli(['simulate', directory, '--policy', written, '--from', from, '--to', to, '--tcp', port]);
  const rows: readonly (readonly [code: number, from: string, to: string, port: string])[] = [
    [0, 'desk', 'host', '22'],
    [3, 'desk', 'host', '80'],
    [3, 'far', 'host', '22'],
    [0, 'host', 'far', '443'],
    [0, 'host', 'desk', '443'],
    [0, 'host', 'wiki', '22'],
    [3, 'desk', 'wiki', '22'],
  ];
  for (const [wanted, from, to, port] of rows) {
    const { code, stdout, stderr } = await simulate(from, to, port);
    assert.equal(code, wanted, `${from} ${to} ${port}\n${stdout}${stderr}`);
  }
});
