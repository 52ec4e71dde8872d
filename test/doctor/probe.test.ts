// The probe itself: what becomes of its rule when the doctor dies, what an earlier one left, the same by ssh, and the user's
// own rules beside it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { test } from 'node:test';
import { decide } from '../../src/doctor/decide.ts';
import { diagnose } from '../../src/doctor/diagnose.ts';
import { gather } from '../../src/doctor/gather.ts';
import { probe } from '../../src/doctor/probe.ts';
import { removeScript } from '../../src/doctor/probe-script.ts';
import type { State, Verdict } from '../../src/doctor/verdict.ts';
import { ended } from '../support/child.ts';
import { program } from '../support/run-cli.ts';
import { assertPrompt } from '../support/slowness.ts';
import { FakeSsh } from '../watch-sources/fake-ssh.ts';
import { ringSuite, Situation, withJournald, withoutRsyslog } from './situation.ts';
import { debian12, nftLog } from './situations.ts';

ringSuite('the probe', true, () => {
  test('where it looks for as long as it may', async (t) => {
    const on = await situation(t);
    await debian12(on, 'ReadKMsg=no');
    const facts = await gather(on.access());

    // where it waits with its rule loaded, until somebody has seen that
    await on.sh(
      'printf %s "$1" >/usr/local/sbin/dmesg; chmod 755 /usr/local/sbin/dmesg; : >/run/hold',
      '#!/bin/sh\nwhile [ -e /run/hold ] && nft list tables | grep -q bridgekeeper_probe; do sleep 0.1; done\nexec /usr/bin/dmesg "$@"\n',
    );

    await t.test('kill -9 of the doctor and its shell: the rule is gone within eleven seconds', async (t) => {
      const doctor = on.start(process.execPath, program, 'doctor', '--probe');
      const gone = ended(doctor);
      const begun = Date.now();
      const left = await on.sh(
        `${isProbing}; for p in $(pgrep -f "[d]octor --probe"); do kill -9 $(pgrep -P $p) $p; done; nft list tables; ${watchdogs}`,
      );
      assert.match(left, /bridgekeeper_probe_[\s\S]*^\d+$/m, 'it was killed in the middle');
      await gone;
      const killed = Date.now();
      await on.until('! nft list tables | grep -q bridgekeeper_probe');
      const tookMs = Date.now() - killed;
      assertPrompt(tookMs, 12_000, 'the watchdog');
      t.diagnostic(`${tookMs} ms, after ${killed - begun} ms`);
      await on.until(`[ -z "$(${watchdogs})" ]`);
      assert.match(await on.sh('nft list ruleset'), /RULE 5 -- DENY/, "the user's rule stays");
    });

    await t.test('a signal to the shell takes the rule away at once', async () => {
      const answer = assert.rejects(
        probe(on.access(), facts),
        { code: 'cannot-probe' },
        'the doctor has no answer then',
      );
      await on.sh(`${isProbing}; kill -TERM $(pgrep -f -o "[r]emove=.1; tool=.2"); rm /run/hold`);
      await answer;
      assert.doesNotMatch(await on.sh('nft list tables'), /bridgekeeper_probe/);
      const begun = Date.now();
      await on.until(`! ${watchdogs}`);
      // by itself it lives for ten seconds
      assertPrompt(Date.now() - begun, 3_000, 'the watchdog, told to end,');
    });

    await t.test('two doctors at once: neither takes away what the other needs', async () => {
      const both = await Promise.all([0, 1].map(() => probe(on.access(), facts)));
      for (const one of both) {
        assert.deepEqual(
          [one.unsent, one.counter, one.seen.get('dmesg'), one.seen.get('journal')],
          [undefined, 1, 1, 0],
        );
        assert.deepEqual(rowsOf(decide(facts, one).verdicts, 'broken'), [
          ['journal', 'broken', 'journald-reads-no-kmsg'],
        ]);
        assert.match(one.nonce, /^BKPROBE-[0-9a-f]{12}$/);
      }
      assert.equal(new Set(both.map(({ nonce }) => nonce)).size, 2);
      assert.doesNotMatch(await on.sh('nft list tables'), /bridgekeeper_probe/);
    });

    await t.test('a ring that shows it once, and has it no more at the next look', async () => {
      await on.sh('printf %s "$1" >/usr/local/sbin/dmesg; chmod 755 /usr/local/sbin/dmesg', forgetful);
      const seen = await probe(on.access(), facts);
      await on.sh('[ -e /run/shown ] && [ -e /run/forgotten ]');
      assert.equal(seen.seen.get('dmesg'), 1);
      assert.equal(decide(facts, seen).verdicts.find(({ path }) => path === 'ring')?.state, 'works');
    });
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
    const { verdicts } = await diagnose(on.access(), { probe: true });
    assert.deepEqual(rowsOf(verdicts, 'broken'), []);
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
    const tables = rows.filter(([digits]) => /^\w+$/.test(digits)).map(([digits]) => digits);
    await on.sh('for d; do echo "add table inet bridgekeeper_probe_$d"; done | nft -f -', ...tables);
    const prefixes = rows.map(([digits]) => digits.slice(0, 14));
    await on.sh(
      '{ echo "*filter"; for d; do echo "-I OUTPUT 1 -o lo -j LOG --log-prefix \\"[UFW BKPROBE-$d] \\""; done; echo COMMIT; } | iptables-legacy-restore -n',
      ...prefixes,
    );
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

  test('by ssh: the same answers, the same fix, the same way back', async (t) => {
    const on = await situation(t);
    await debian12(on, 'Storage=none');
    await otherMachine(on);
    const here = await diagnose(on.access(), { probe: true });
    const there = await on.doctor('--access', 'ssh:other', '--probe', '-o', 'json');
    assert.equal(there.code, 3, there.stderr);
    assert.deepEqual(verdictsOf(there.stdout), rowsOf(here.verdicts));
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

/** Until a rule of a probe is there. */
const isProbing = "timeout 60 sh -c 'until nft list tables | grep -q bridgekeeper_probe; do sleep 0.1; done'";

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

function verdictsOf(stdout: string): readonly Row[] {
  return rowsOf(JSON.parse(stdout).paths);
}

type Row = readonly [string, string, string | undefined];

function rowsOf(verdicts: readonly Verdict[], wanted?: State): readonly Row[] {
  return verdicts
    .filter(({ state }) => wanted === undefined || state === wanted)
    .map(({ path, state, cause }) => [path, state, cause]);
}
