// A libvirt that does not answer, or goes away in the middle of its answer: the rules of its guests stay as they are.
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { needsRoot } from '../support/namespace.ts';
import { Resident } from '../support/resident.ts';
import { LiveHost } from './live-host.ts';

const uuids = ['11111111-1111-4111-8111-111111111111', '22222222-2222-4222-8222-222222222222'];

const domain = (name: string, tap: string) =>
  `<domain type="qemu" id="1"><name>${name}</name><uuid>${uuids[0]}</uuid><devices><interface type="ethernet"><mac address="52:54:00:00:00:11"/><target dev="${tap}"/></interface></devices></domain>`;

/** Stands for virsh: answers everything, or ends as virsh does when the daemon dies. */
function virsh(host: LiveHost, dumps: string): Readonly<Record<string, string>> {
  const directory = join(host.directory, 'bin');
  mkdirSync(directory, { recursive: true });
  const script = `#!/bin/sh
case "$*" in
  *net-list*) exit 0 ;;
  *list*) printf '%s\\n' ${uuids.join(' ')} ;;
  *net-dumpxml*) for word; do :; done; echo "\${word##*echo }" ;;
  *dumpxml*) for words; do :; done; mark=\${words##*echo }; ${dumps} ;;
esac
`;
  writeFileSync(join(directory, 'virsh'), script);
  chmodSync(join(directory, 'virsh'), 0o755);
  return { PATH: `${directory}:${process.env.PATH}` };
}

const [web, db] = [domain('web', 'g1'), domain('db', 'g2').replace(':11', ':12')];
const dead = `echo 'error: Disconnected from qemu:///system due to end of file' >&2; exit 1`;
const answers = `echo $mark; echo '${web}'; echo $mark; echo '${db}'; echo $mark`;

const rows: readonly (readonly [what: string, dumps: string])[] = [
  ['goes away after the first guest', `echo $mark; echo '${web}'; ${dead}`],
  ['goes away in the middle of a guest', `echo $mark; echo '${web.slice(0, 80)}'; ${dead}`],
  ['goes away, and the rest of the commands fails', `echo $mark; echo '${web}'; echo $mark; echo $mark; ${dead}`],
];

const byName = 'guests: { web: { ip: 10.0.0.11 }, db: { ip: 10.0.0.12 } }\ndhcp: none\n';
const byPort = 'guests: { web: { ip: 10.0.0.11, port: g1 }, db: { ip: 10.0.0.12, port: g2 } }\ndhcp: none\n';

suite('a libvirt that', { skip: needsRoot }, () => {
  let host: LiveHost;
  let resident: Resident;
  before(async () => {
    host = await LiveHost.build();
    resident = Resident.on(host);
  });
  after(async () => {
    await resident.close();
    await host.close();
  });

  for (const [what, dumps] of rows) {
    test(what, async () => {
      const policy = host.file('names.yaml', byName);
      await resident.mustRun(['apply', '--policy', policy, '--no-confirm'], virsh(host, answers));
      const old = await host.digest();
      const status = JSON.parse(await resident.mustRun(['status', '-o', 'json'], virsh(host, answers)));
      assert.ok(status.rules.some(({ id }: { id: string }) => id === 'guest/db/in/source'));
      const { code, stderr } = await resident.run(['apply', '--policy', policy, '--no-confirm'], virsh(host, dumps));
      assert.equal(code, 2, stderr);
      assert.match(stderr, /libvirt does not say which guests there are: .*; so nobody knows the port of guest 'web'/);
      assert.equal(await host.digest(), old);
      const ports = host.file('ports.yaml', byPort);
      const named = await resident.run(['apply', '--policy', ports, '--no-confirm'], virsh(host, dumps));
      assert.equal(named.code, 0, 'ports that the policy names need no libvirt');
      assert.match(named.stderr, /warning\[libvirt-refused\]/);
    });
  }
});
