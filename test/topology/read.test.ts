import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { HostError } from '../../src/model/host-error.ts';
import { readHost } from '../../src/topology/read.ts';

function reasonToSkip(): string | false {
  if (process.getuid?.() !== 0) return 'needs root';
  const { status } = spawnSync('unshare', ['-n', 'ip', 'link', 'add', 'x', 'type', 'bridge']);
  return status === 0 ? false : 'needs unshare, iproute2 and bridges';
}

const expected = `<host>:1:1: error[bad-interface]: the interface 'a"$(id)' is left out: the name cannot be used in rules
  hint: it is 1 to 15 of A-Z a-z 0-9 _ . -
host: host
bridges:
  virbr6:
    ports:
      vethb2: { peer: vethb1 }
      vk63: {}
      vnet0: {}
  virbr4:
    stp: true
    ports:
      vethb1: { peer: vethb2 }
      vmh1: { peer: vmh2 }
interfaces:
  vmh2: { mac: "52:54:00:00:00:02", peer: vmh1, addresses: [ 192.168.50.1/24 ] }
routes:
  - { to: default, via: 192.168.50.12, dev: vmh2 }
  - { to: 192.168.50.0/24, dev: vmh2 }
sysctls:
`;

test('a host of real bridges, taps and cables is read as it was built', { skip: reasonToSkip() }, () => {
  const program = join(import.meta.dirname, 'read-in-namespace.ts');
  const printed = execFileSync('unshare', ['-n', process.execPath, program], { encoding: 'utf8', timeout: 60_000 });
  const [host = '', sysctls = ''] = printed.split(/(?<=^sysctls:\n)/m);
  assert.equal(withoutSpareDevices(host), expected);
  assert.match(sysctls, /^ {2}net\.ipv4\.ip_forward: [01]\n {2}net\.ipv4\.conf\.all\.arp_ignore: \d\n/);
});

/** Some kernels put devices of their own into each new namespace. */
function withoutSpareDevices(text: string): string {
  return text.replace(/^ {2}(?:ifb|dummy|tunl|sit|gre|erspan|ip_vti|ip6)\w*: \{.*\}\n/gm, '');
}

test('a missing tool is the machine to blame, and named', { skip: process.platform !== 'linux' }, async () => {
  const path = process.env.PATH;
  process.env.PATH = '/nowhere';
  try {
    await assert.rejects(
      readHost(),
      (fault) => fault instanceof HostError && fault.code === 'no-tool' && /iproute2/.test(fault.message),
    );
  } finally {
    process.env.PATH = path;
  }
});
