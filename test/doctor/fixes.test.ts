// Every named fix in a situation that calls for it: shown and not done without a yes, done, seen to help, done twice without
// effect, and taken back byte for byte.
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { type Cause, type FixName, fixNames, type Path, type Verdict } from '../../src/doctor/verdict.ts';
import { joinLabs, type Membership } from '../../src/lab/registry.ts';
import { lockRing, type RingLock } from '../watch-sources/ring.ts';
import { needsSituations, Situation, withJournald, withoutRsyslog, withRsyslog } from './situation.ts';
import { debian12, nftLog, oldContainer } from './situations.ts';

type Row = {
  readonly fix: FixName;
  readonly situation: string;
  readonly prepare: (on: Situation) => Promise<unknown>;
  /** What is broken for this cause before, and works afterwards. */
  readonly path: Path;
  readonly cause: Cause;
  /** In what is shown. */
  readonly shown: RegExp;
};

const rows: readonly Row[] = [
  {
    fix: 'journald-read-kmsg',
    situation: 'ReadKMsg=no',
    prepare: (on) => debian12(on, 'ReadKMsg=no'),
    path: 'journal',
    cause: 'journald-reads-no-kmsg',
    shown: /^\+ReadKMsg=yes\n[\s\S]*^\$ systemctl restart systemd-journald\.service$/m,
  },
  {
    fix: 'journald-storage',
    situation: 'Storage=none',
    prepare: (on) => debian12(on, 'Storage=none'),
    path: 'journal',
    cause: 'journald-stores-nothing',
    shown: /^\+Storage=auto$/m,
  },
  {
    fix: 'journald-level',
    situation: 'MaxLevelStore=err',
    prepare: (on) => debian12(on, 'MaxLevelStore=err'),
    path: 'journal',
    cause: 'journald-level',
    shown: /^\+MaxLevelStore=warning$/m,
  },
  {
    fix: 'rsyslog-imklog',
    situation: 'imuxsock only',
    prepare: async (on) => {
      await withJournald(on);
      await withRsyslog(on, ['imuxsock']);
      await on.sh(nftLog());
    },
    path: 'kern.log',
    cause: 'no-kernel-input',
    shown: /^\+module\(load="imklog"\)$/m,
  },
  {
    fix: 'rsyslog-one-reader',
    situation: 'imklog and imjournal',
    prepare: async (on) => {
      await withJournald(on);
      await withRsyslog(on, ['imuxsock', 'imklog', 'imjournal']);
      await on.sh(nftLog());
    },
    path: 'kern.log',
    cause: 'doubled',
    shown: /^-module\(load="imklog"\)\n\+#module\(load="imklog"\)/m,
  },
  {
    fix: 'nf-log-logger',
    situation: 'no logger bound',
    prepare: async (on) => {
      await debian12(on);
      await on.sh('for f in 2 10; do echo NONE >/proc/sys/net/netfilter/nf_log/$f; done');
    },
    path: 'rules',
    cause: 'no-logger',
    shown: /^\$ sysctl -w net\.netfilter\.nf_log\.2=nf_log_ipv4$/m,
  },
  {
    fix: 'dmesg-collector',
    situation: 'OpenVZ with systemd',
    prepare: oldContainer,
    path: 'kern.log',
    cause: 'no-collector',
    shown: /^\+ExecStart=.*\n[\s\S]*^\$ systemctl enable --now bridgekeeper-dmesg\.service$/m,
  },
  {
    fix: 'dmesg-collector',
    situation: 'OpenVZ with an init of the old kind',
    prepare: async (on) => {
      await withoutRsyslog(on);
      await on.sh(`mkdir -p /run/systemd; echo openvz >/run/systemd/container; ${nftLog()}`);
    },
    path: 'kern.log',
    cause: 'no-collector',
    shown:
      /^\+# Provides:.*\n[\s\S]*^\$ update-rc\.d bridgekeeper-dmesg defaults\n[\s\S]*^\$ .*\/bridgekeeper-dmesg start$/m,
  },
];

/** Everything that a fix may touch. */
const files =
  'cd /etc; set -- /etc/systemd /etc/rsyslog* /etc/sysctl* /etc/init.d /etc/rc*.d /usr/local/sbin; ' +
  'find "$@" -type f -exec sha256sum {} + | sort -k 2; find "$@" -type l -printf "%p %l\\n" | sort; ' +
  'cat /proc/sys/net/netfilter/nf_log/2 /proc/sys/net/netfilter/nf_log/10';

suite('every fix, and back', { skip: needsSituations }, () => {
  let labs: Membership;
  let lock: RingLock;
  before(async () => {
    labs = await joinLabs();
    lock = await lockRing();
  });
  after(async () => {
    await lock.release();
    await labs.leave();
  });

  for (const { fix, situation, prepare, path, cause, shown } of rows) {
    test(`${fix}: ${situation}`, async (t) => {
      const on = await Situation.start();
      t.after(() => on.end());
      await prepare(on);
      let exitCode = 0;
      const verdict = async (...args: readonly string[]): Promise<Verdict | undefined> => {
        const { stdout, code } = await on.doctor(...args, '-o', 'json');
        exitCode = code;
        return JSON.parse(stdout).paths.find((one: Verdict) => one.path === path);
      };
      const untouched = await on.sh(files);

      const unasked = await on.doctor('--fix', fix);
      assert.equal(unasked.code, 2, 'without a terminal and without --yes');
      assert.match(unasked.stdout, shown);
      assert.equal(await on.sh(files), untouched);
      const sick = await verdict();
      assert.deepEqual([sick?.state, sick?.cause], ['broken', cause]);

      const done = await on.doctor('--fix', fix, '--yes');
      assert.equal(done.code, 0, done.stderr);
      assert.match(done.stderr, /to take it back: bridgekeeper doctor --undo \S+/);
      const cured = await verdict('--probe');
      assert.equal(cured?.state, 'works', JSON.stringify(cured));
      assert.equal(exitCode, 0, 'nothing else is broken');
      assert.notEqual(await on.sh(files), untouched);

      const again = await on.doctor('--fix', fix, '--yes');
      assert.deepEqual([again.code, again.stderr], [0, `${fix}: nothing to do\n`]);

      const undone = await on.doctor('--undo');
      assert.equal(undone.code, 0, undone.stderr);
      assert.equal(await on.sh(files), untouched, 'byte for byte');
      const relapse = await verdict();
      assert.deepEqual([relapse?.state, relapse?.cause], ['broken', cause]);
      assert.equal((await on.doctor('--undo')).code, 2, 'nothing more to take back');
    });
  }

  test('a fix that nothing calls for is not made', async (t) => {
    const on = await Situation.start();
    t.after(() => on.end());
    await debian12(on);
    const { code, stderr } = await on.doctor('--fix', 'journald-storage', '--yes');
    assert.equal(code, 2);
    assert.match(stderr, /nothing that was found calls for journald-storage; no fix is called for/);
  });
});

test('every fix has a row here or in namespace-log.test.ts', () => {
  const seen = new Set<FixName>([...rows.map(({ fix }) => fix), 'nf-log-all-netns']);
  assert.deepEqual(
    fixNames.filter((name) => !seen.has(name)),
    [],
  );
});
