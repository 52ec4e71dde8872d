// A program for read.test.ts: builds bridges in the network namespace that it runs in, reads the host there, prints it.
import { execFileSync, spawn } from 'node:child_process';
import { printDiagnostic } from '../../src/model/diagnostic.ts';
import { printHost } from '../../src/topology/print-host.ts';
import { readHost } from '../../src/topology/read.ts';
import { nextWords } from '../support/child.ts';

const commands: readonly string[] = [
  'link add virbr6 type bridge',
  'link add virbr4 type bridge stp_state 1',
  'link add vethb1 type veth peer name vethb2',
  'link add vmh1 address 52:54:00:00:00:01 type veth peer name vmh2 address 52:54:00:00:00:02',
  'link add vk63 type veth peer name inside',
  'tuntap add vnet0 mode tap',
  'link set vethb2 master virbr6',
  'link set vk63 master virbr6',
  'link set vnet0 master virbr6',
  'link set vethb1 master virbr4',
  'link set vmh1 master virbr4',
  'addr add 192.168.50.1/24 dev vmh2',
  'link set vmh1 up',
  'link set vmh2 up',
  'route add default via 192.168.50.12',
];

const other = spawn('unshare', ['-n', 'sh', '-c', 'echo ready; exec sleep 60'], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
try {
  await nextWords(other);
  for (const command of commands) execFileSync('ip', command.split(' '));
  execFileSync('ip', ['link', 'set', 'inside', 'netns', String(other.pid)]);
  execFileSync('ip', ['link', 'add', 'a"$(id)', 'type', 'bridge']);
  const { value, diagnostics } = await readHost();
  for (const diagnostic of diagnostics) console.log(printDiagnostic(diagnostic));
  if (value !== undefined) console.log(printHost({ ...value, name: 'host' }));
} finally {
  other.kill();
}
