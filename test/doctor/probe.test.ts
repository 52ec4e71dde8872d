// The probe itself: what becomes of its rule when the doctor dies, what an earlier one left, the same by ssh, and the user's
// own rules beside it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { test } from 'node:test';
import { removeScript } from '../../src/doctor/probe-script.ts';
import type { Verdict } from '../../src/doctor/verdict.ts';
import { program } from '../support/run-cli.ts';
import { assertPrompt } from '../support/slowness.ts';
import { FakeSsh } from '../watch-sources/fake-ssh.ts';
import { ringSuite, Situation, withJournald, withoutRsyslog } from './situation.ts';
import { debian12, nftLog } from './situations.ts';

ringSuite('the probe', true, () => {
  test('kill -9 of the doctor and its shell: the rule is gone within eleven seconds', async (t) => {
    const on = await situation(t);
    await debian12(on, 'ReadKMsg=no'); // it looks for as long as it may
    const doctor = on.start(process.execPath, program, 'doctor', '--probe');
    const gone = new Promise((resolve) => doctor.on('exit', resolve));
    await on.until('nft list tables | grep -q bridgekeeper_probe');
    await on.sh('for p in $(pgrep -f "[d]octor --probe"); do kill -9 $(pgrep -P $p) $p; done');
    const begun = Date.now();
    await gone;
    assert.match(await on.sh('nft list tables'), /bridgekeeper_probe/, 'it was killed in the middle');
    assert.notEqual(await on.sh(watchdogs), '');
    await on.until('! nft list tables | grep -q bridgekeeper_probe');
    const tookMs = Date.now() - begun;
    assertPrompt(tookMs, 12_000, 'the watchdog');
    t.diagnostic(`${tookMs} ms`);
    await on.until(`[ -z "$(${watchdogs})" ]`);
    assert.match(await on.sh('nft list ruleset'), /RULE 5 -- DENY/, "the user's rule stays");
  });

  test('a signal to the shell takes the rule away at once', async (t) => {
    const on = await situation(t);
    await debian12(on, 'ReadKMsg=no');
    const doctor = on.start(process.execPath, program, 'doctor', '--probe');
    const gone = new Promise((resolve) => doctor.on('exit', resolve));
    await on.until('nft list tables | grep -q bridgekeeper_probe');
    await on.sh('for p in $(pgrep -f "[d]octor --probe"); do kill -TERM $(pgrep -P $p); done');
    assert.equal(await gone, 2, 'the doctor has no answer then');
    assert.doesNotMatch(await on.sh('nft list tables'), /bridgekeeper_probe/);
    const begun = Date.now();
    await on.until(`! ${watchdogs}`);
    // by itself it lives for ten seconds
    assertPrompt(Date.now() - begun, 3_000, 'the watchdog, told to end,');
  });

  test('what an earlier probe left is taken away, by nft and by the old iptables', async (t) => {
    const on = await situation(t);
    await withoutRsyslog(on);
    await withJournald(on);
    await on.sh(
      "iptables-legacy -A INPUT -p tcp -j LOG --log-prefix 'mine: '; " +
        "iptables-legacy -I OUTPUT 1 -o lo -p udp -j LOG --log-prefix 'BKPROBE-deadbeef '; " +
        "nft 'add table ip bridgekeeper_probe_deadbeef; add table ip mine'",
    );
    const { code, stdout } = await on.doctor('--probe');
    assert.equal(code, 0, stdout);
    const rules = await on.sh('iptables-legacy-save; nft list tables');
    assert.doesNotMatch(rules, /BKPROBE|bridgekeeper_probe/);
    assert.match(rules, /mine: [\s\S]*table ip mine/);
  });

  test('what is left and what another doctor still needs are told apart by their age', async (t) => {
    const on = await situation(t);
    // the clock that the script asks stands still, just after the stamps began anew
    const now = 0x6b0a_0005;
    await on.sh(`mkdir /run/clock; printf '#!/bin/sh\\necho ${now}\\n' >/run/clock/date; chmod +x /run/clock/date`);
    const rows: readonly (readonly [digits: string, isLeft: boolean])[] = [
      [`0000000a${stamp(now)}`, true],
      [`0000000b${stamp(now - 10)}`, true],
      [`0000000c${stamp(now - 11)}`, false],
      [`0000000d${stamp(now - 7_200)}`, false],
      [`0000000e${stamp(now + 60)}`, false],
      ['deadbeef', false],
      ['0000000f$(reboot)', false],
    ];
    for (const [digits] of rows) {
      if (/^\w+$/.test(digits)) await on.sh('nft add table inet "bridgekeeper_probe_$1"', digits);
      await on.sh('iptables-legacy -I OUTPUT 1 -o lo -j LOG --log-prefix "[UFW BKPROBE-$1] "', digits.slice(0, 14));
    }
    const begun = performance.now();
    await on.run(
      'sh',
      '-c',
      'PATH=/run/clock:$PATH exec sh -c "$@"',
      'sh',
      removeScript,
      'remove',
      '0',
      'iptables-legacy',
      '',
    );
    const left = await on.sh('nft list tables; iptables-legacy-save');
    assertPrompt(performance.now() - begun, 1_500, 'while the younger ones are young: it');
    for (const [digits, isLeft] of rows) {
      const count = left.split(digits.slice(0, 14)).length - 1;
      assert.equal(count, isLeft ? 2 : 0, `${digits}\n${left}`);
    }
  });

  test('two doctors at once: neither takes away what the other needs', async (t) => {
    const on = await situation(t);
    await debian12(on, 'ReadKMsg=no'); // each looks for as long as it may
    const both = await Promise.all([0, 1].map(() => on.doctor('--probe', '-o', 'json')));
    const nonces = both.map(({ stdout, stderr }) => {
      const { probe } = JSON.parse(stdout);
      assert.deepEqual(
        [probe.unsent, probe.counter, probe.seen.dmesg, probe.seen.journal],
        [undefined, 1, 1, 0],
        stderr,
      );
      assert.deepEqual(
        verdictsOf(stdout).filter(([, state]) => state === 'broken'),
        [['journal', 'broken', 'journald-reads-no-kmsg']],
      );
      return probe.nonce;
    });
    assert.equal(new Set(nonces).size, 2);
    for (const nonce of nonces) assert.match(nonce, /^BKPROBE-[0-9a-f]{12}$/);
    assert.doesNotMatch(await on.sh('nft list tables'), /bridgekeeper_probe/);
  });

  test('a ring that shows it once, and has it no more at the next look', async (t) => {
    const on = await situation(t);
    await debian12(on, 'ReadKMsg=no'); // it looks for as long as it may
    await on.sh('printf %s "$1" >/usr/local/sbin/dmesg; chmod 755 /usr/local/sbin/dmesg', forgetful);
    const { stdout } = await on.doctor('--probe', '-o', 'json');
    await on.sh('[ -e /run/shown ] && [ -e /run/forgotten ]');
    assert.equal(JSON.parse(stdout).probe.seen.dmesg, 1);
    assert.equal(verdictsOf(stdout).find(([path]) => path === 'ring')?.[1], 'works');
  });

  test('by ssh: the same answers, the same fix, the same way back', async (t) => {
    const on = await situation(t);
    await debian12(on, 'Storage=none');
    await otherMachine(on);
    const here = await on.doctor('--probe', '-o', 'json');
    const there = await on.doctor('--access', 'ssh:other', '--probe', '-o', 'json');
    assert.equal(there.code, 3, there.stderr);
    assert.deepEqual(verdictsOf(there.stdout), verdictsOf(here.stdout));
    assert.equal(JSON.parse(there.stdout).host, 'other');
    const before = await on.sh('find /etc/systemd -type f -exec sha256sum {} +');
    const fixed = await on.doctor('--access', 'ssh:other', '--fix', 'journald-storage', '--yes');
    assert.equal(fixed.code, 0, fixed.stderr);
    assert.equal((await on.doctor('--access', 'ssh:other', '--probe')).code, 0);
    assert.equal((await on.doctor('--undo')).code, 2, 'the change was made on another machine');
    assert.equal((await on.doctor('--access', 'ssh:other', '--undo')).code, 0);
    assert.equal(await on.sh('find /etc/systemd -type f -exec sha256sum {} +'), before);
    assert.doesNotMatch(await on.sh('nft list tables'), /bridgekeeper_probe/);
  });

  test('by ssh: a machine that does not answer is no diagnosis', async (t) => {
    const on = await situation(t);
    await otherMachine(on);
    const { code, stdout, stderr } = await on.doctor('--access', 'ssh:broken', '--probe');
    assert.deepEqual([code, stdout], [2, '']);
    assert.match(stderr, /broken: .*Connection refused/);
  });

  test('asked by nobody in particular: what only root sees is unknown, and no rule is added', async (t) => {
    const on = await situation(t);
    await withoutRsyslog(on);
    await on.sh(nftLog());
    const words = [process.execPath, program, 'doctor', '--probe', '-o', 'json'];
    const { code, stdout } = await on.run(
      'setpriv',
      '--reuid=65534',
      '--clear-groups',
      '--bounding-set=-all',
      ...words,
    );
    assert.equal(code, 0, stdout);
    const states = new Map(verdictsOf(stdout).map(([path, state]) => [path, state]));
    assert.equal(states.get('ring'), 'unknown');
    assert.match(JSON.parse(stdout).probe.unsent, /only root/);
  });
});

/** A dmesg that shows the line of a probe to who asks first. */
const forgetful = `#!/bin/sh
digits=$(nft list tables | sed -n s/.*bridgekeeper_probe_//p)
/usr/bin/dmesg "$@" >/run/all || exit
if [ -n "$digits" ] && [ -e /run/shown ]; then : >/run/forgotten; grep -v "$digits" /run/all; exit 0; fi
if [ -n "$digits" ] && grep -q "$digits" /run/all; then : >/run/shown; fi
cat /run/all
`;

/** The lowest 16 bits of the clock. */
function stamp(seconds: number): string {
  return (seconds % 0x10000).toString(16).padStart(4, '0');
}

/** Other words than those of the shell that asks. */
const watchdogs = 'pgrep -f [b]ridgekeeper-probe';

async function situation(t: { readonly after: (action: () => Promise<void>) => void }): Promise<Situation> {
  const on = await Situation.start();
  t.after(() => on.end());
  return on;
}

/** The stand-in for ssh, put where the situation finds it. */
async function otherMachine(on: Situation): Promise<void> {
  const ssh = new FakeSsh();
  const script = readFileSync(join(process.env.PATH?.split(delimiter)[0] ?? '', 'ssh'), 'utf8');
  ssh.end();
  await on.sh('mkdir /run/ssh; printf %s "$1" >/usr/local/sbin/ssh; chmod 755 /usr/local/sbin/ssh', script);
}

function verdictsOf(stdout: string): readonly (readonly [string, string, string | undefined])[] {
  return JSON.parse(stdout).paths.map(({ path, state, cause }: Verdict) => [path, state, cause]);
}
