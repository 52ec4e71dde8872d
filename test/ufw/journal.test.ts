// What ufw said at its start, by a real journald and a real journalctl.
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { program, runProgram } from '../support/run-cli.ts';
import { Journald, needsJournald } from '../watch-sources/journald.ts';
import { needsUfw } from './ufw-machine.ts';

suite('the journal of this boot', { skip: needsUfw || needsJournald }, () => {
  let journald: Journald;
  before(async () => {
    journald = await Journald.start();
  });
  after(() => journald?.end());

  const inside = (...argv: readonly string[]) => {
    const pid = /^\/proc\/(\d+)\//.exec(journald.directory)?.[1] ?? '';
    return runProgram('nsenter', ['-t', pid, '-m', 'unshare', '-n', ...argv]);
  };

  test('lines under the name of ufw count, the same of others do not', async () => {
    const say = 'printf "%s\\n" "$2" | systemd-cat -t "$1"';
    const lines = [
      ['ufw', "sysctl: permission denied on key 'net.ipv4.tcp_sack'"],
      ['ufw-init', 'modprobe: FATAL: Module nf_nat_ftp not found in directory /lib/modules/6.1.0'],
      ['ufw', 'Setting kernel variables (/etc/ufw/sysctl.conf)...done.'],
      ['other', 'Problem loading ipv6 (skipping)'],
    ] as const;
    for (const [tag, line] of lines) {
      const { code, stderr } = await inside('sh', '-c', say, 'sh', tag, line);
      assert.equal(code, 0, stderr);
    }
    const report = async () => {
      const { stdout, stderr } = await inside(process.execPath, program, 'ufw', 'check', '-o', 'json');
      assert.notEqual(stdout, '', stderr);
      return JSON.parse(stdout).log.errors.map(({ error }: { error: { kind: string } }) => error.kind);
    };
    let kinds: readonly string[] = [];
    for (let tries = 0; tries < 20 && kinds.length < 2; tries++) kinds = await report();
    assert.deepEqual(kinds, ['sysctl', 'module']);
  });
});
