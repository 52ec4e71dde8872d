// ufw that is closed after all and has to be turned off again: the way back is given up only when it is off for certain.
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { after, before, suite, test } from 'node:test';
import { until } from '../support/until.ts';
import { port } from './enabling.ts';
import { needsUfw, server, UfwMachine } from './ufw-machine.ts';

/** It closes the port behind our back; a file in /run says how it is to be turned off. */
const closing = `case "$*" in
disable)
  if [ -e /run/fails ]; then echo "ERROR: no space left" >&2; exit 1; fi
  if [ -e /run/lies ]; then exit 0; fi ;;
"--force enable")
  "$ufw" --force enable || exit 1
  exec iptables -I ufw-before-input -p tcp --dport ${port} -m conntrack --ctstate NEW -j DROP ;;
esac
exec "$ufw" "$@"`;

suite('closed after all', { skip: needsUfw }, () => {
  let machine: UfwMachine;
  before(async () => {
    machine = await UfwMachine.make();
    await machine.startSshd(`Port ${port}`);
    machine.inServer('ufw', ['allow', `${port}/tcp`]);
    machine.replaceUfw(closing);
  });
  after(() => machine?.end());

  /** The timer would go off long after the test: when it does is up to the test. */
  const enableHere = () => machine.cliBySession(port, server[4], 'ufw', 'enable', '--yes', '--confirm', '600s');

  test('it can be turned off: that is said, and no timer waits', async () => {
    const { code, stderr } = await enableHere();
    assert.equal(code, 3, stderr);
    assert.match(stderr, /port 2222 in IPv4 is closed after all \(.* -j DROP\); ufw was turned off again$/m);
    assert.deepEqual([machine.hasFilter(), machine.pendingTokens()], [false, []]);
    assert.equal(await machine.reaches(port, 4), true);
  });

  const rows: readonly (readonly [file: string, name: string, says: RegExp])[] = [
    ['lies', 'ufw says that it is off, and its filter is there', /STILL BE ON \('ufw disable' left a filter in IPv4/],
    ['fails', 'ufw cannot be turned off', /STILL BE ON \(.*no space left/],
  ];
  for (const [file, name, says] of rows) {
    for (const isSoonWell of [true, false]) {
      const later = isSoonWell ? 'turns it off' : 'turns it off without ufw when it is still so';
      test(`${name}: the timer stays, and ${later}`, async () => {
        machine.write(`/run/${file}`, '');
        try {
          const { code, stderr } = await enableHere();
          assert.equal(code, 3, stderr);
          assert.match(stderr, says);
          assert.match(stderr, /it is turned off again within 600 seconds$/m);
          assert.doesNotMatch(stderr, /was turned off/);
          assert.equal(machine.pendingTokens().length, 1);
          assert.equal(await machine.reaches(port, 4), false);
          if (isSoonWell) rmSync(machine.path(`/run/${file}`));
          machine.expireTimers();
          await until(() => machine.timers().length === 0, 'the timer is done', 100);
          assert.equal(machine.hasFilter(), false);
          assert.equal(await machine.reaches(port, 4), true);
        } finally {
          rmSync(machine.path(`/run/${file}`), { force: true });
        }
      });
    }
  }
});
