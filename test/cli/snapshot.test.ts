// `snapshot` of a host that is built for it, and commands that look at the live host themselves.
import assert from 'node:assert/strict';
import { symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { parseHost } from '../../src/topology/host-file.ts';
import { freshNamespace, mustRun, type Namespace, needsRoot } from '../support/namespace.ts';
import { freshDirectory, program } from '../support/run-cli.ts';

const commands: readonly string[] = [
  'link add virbr6 type bridge',
  'link add virbr4 type bridge',
  'link add vethb1 type veth peer name vethb2',
  'link add vmh1 type veth peer name vmh2',
  'tuntap add vnet0 mode tap',
  'link set vethb2 master virbr6',
  'link set vnet0 master virbr6',
  'link set vethb1 master virbr4',
  'link set vmh1 master virbr4',
  'addr add 192.168.50.1/24 dev vmh2',
];

async function builtHost(t: TestContext): Promise<Namespace> {
  const namespace = await freshNamespace();
  t.after(() => namespace.close());
  for (const command of commands) await mustRun(namespace, 'ip', command.split(' '));
  return namespace;
}

function run(namespace: Namespace, ...argv: readonly string[]) {
  return namespace.run(process.execPath, [program, ...argv]);
}

const policy = 'guests: { web: { ip: 192.168.50.10, port: vnet0 } }\nallow: [{ from: web, to: host, service: ping }]\n';

test('a snapshot is a host file that reads back as the host', { skip: needsRoot }, async (t) => {
  const { code, stdout, stderr } = await run(await builtHost(t), 'snapshot');
  assert.deepEqual([code, stderr], [0, '']);
  const { value, diagnostics } = parseHost(stdout, 'host.yaml');
  assert.deepEqual(diagnostics, []);
  assert.deepEqual(
    value?.bridges.map(({ name, ports }) => [name, ports.map((port) => `${port.name}>${port.peer ?? ''}`)]),
    [
      ['virbr6', ['vethb2>vethb1', 'vnet0>']],
      ['virbr4', ['vethb1>vethb2', 'vmh1>vmh2']],
    ],
  );
});

test('-o json: the same facts', { skip: needsRoot }, async (t) => {
  const { code, stdout } = await run(await builtHost(t), 'snapshot', '-o', 'json');
  assert.equal(code, 0);
  const { version, kind, host } = JSON.parse(stdout);
  assert.deepEqual([version, kind], [1, 'snapshot']);
  assert.deepEqual(Object.keys(host), ['name', 'bridges', 'interfaces', 'routes', 'sysctls', 'guests']);
  assert.deepEqual(Object.keys(host.bridges[0]), ['name', 'ports', 'stp', 'span']);
});

test('without a host file the live host counts, and its snapshot says the same', { skip: needsRoot }, async (t) => {
  const namespace = await builtHost(t);
  const directory = freshDirectory(t);
  const file = join(directory, 'policy.yaml');
  writeFileSync(file, policy);
  const live = await run(namespace, 'rules', '--policy', file, '--format', 'nft');
  assert.deepEqual([live.code, live.stderr], [0, '']);
  assert.match(live.stdout, /"vnet0" \. 192\.168\.50\.10/);
  const snapshot = join(directory, 'host.yaml');
  writeFileSync(snapshot, (await run(namespace, 'snapshot')).stdout);
  const filed = await run(namespace, 'rules', '--policy', file, '--host', snapshot, '--format', 'nft');
  assert.equal(filed.stdout, live.stdout);
});

test('an interface with a name that no rule could carry is left out and named', { skip: needsRoot }, async (t) => {
  const namespace = await builtHost(t);
  await mustRun(namespace, 'ip', ['link', 'add', 'a"$(id)', 'type', 'bridge']);
  const { code, stdout, stderr } = await run(namespace, 'snapshot');
  assert.equal(code, 1);
  assert.match(stderr, /error\[bad-interface\]: the interface 'a"\$\(id\)' is left out/);
  assert.doesNotMatch(stdout, /\$\(id\)/);
});

test('without virsh the host is read from its bridges, and nothing is said', { skip: needsRoot }, async (t) => {
  const host = await builtHost(t);
  const path = freshDirectory(t);
  for (const tool of ['ip', 'bridge']) {
    const where = await mustRun(host, 'sh', ['-c', 'command -v "$1"', 'sh', tool]);
    symlinkSync(where.stdout.trim(), join(path, tool));
  }
  const argv = [`PATH=${path}`, process.execPath, program, 'snapshot'];
  const { code, stdout, stderr } = await host.run('env', argv);
  assert.deepEqual([code, stderr], [0, '']);
  assert.match(stdout, /^ {6}vnet0: \{\}$/m);
});

test('without iproute2 the machine is to blame, not the user', { skip: needsRoot }, async () => {
  const namespace = await freshNamespace();
  const argv = ['PATH=/nowhere', process.execPath, program, 'snapshot'];
  const { code, stdout, stderr } = await namespace.run('env', argv);
  await namespace.close();
  assert.deepEqual([code, stdout], [2, '']);
  assert.match(stderr, /^bridgekeeper: .*iproute2/);
});
