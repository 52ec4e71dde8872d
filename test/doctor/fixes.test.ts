// Every named fix in a situation that calls for it: shown and not done without a yes, done, seen to help, done twice without
// effect, and taken back byte for byte.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type Cause, type FixName, fixNames, type Path, type Verdict } from '../../src/doctor/verdict.ts';
import { ringSuite, Situation, withJournald, withoutRsyslog, withRsyslog } from './situation.ts';
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
  /** What makes the fix lose its effect while its files stay. */
  readonly undoing: string;
  /** It reads /proc/kmsg. */
  readonly alone?: true;
};

/** As if the daemon had not been restarted since: it began before. */
const written = (path: string): string => `touch -d '5 seconds' ${path}`;

const rows: readonly Row[] = [
  {
    fix: 'journald-read-kmsg',
    situation: 'ReadKMsg=no',
    prepare: (on) => debian12(on, 'ReadKMsg=no'),
    path: 'journal',
    cause: 'journald-reads-no-kmsg',
    shown: /^\+ReadKMsg=yes\n[\s\S]*^\$ systemctl restart systemd-journald\.service$/m,
    undoing: written('/etc/systemd/journald.conf.d/zz-bridgekeeper-read-kmsg.conf'),
  },
  {
    fix: 'journald-storage',
    situation: 'Storage=none',
    prepare: (on) => debian12(on, 'Storage=none'),
    path: 'journal',
    cause: 'journald-stores-nothing',
    shown: /^\+Storage=auto$/m,
    undoing: written('/etc/systemd/journald.conf.d/zz-bridgekeeper-storage.conf'),
  },
  {
    fix: 'journald-level',
    situation: 'MaxLevelStore=err',
    prepare: (on) => debian12(on, 'MaxLevelStore=err'),
    path: 'journal',
    cause: 'journald-level',
    shown: /^\+MaxLevelStore=warning$/m,
    undoing: written('/etc/systemd/journald.conf.d/zz-bridgekeeper-level.conf'),
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
    undoing: written('/etc/rsyslog.d/10-bridgekeeper-imklog.conf'),
    alone: true,
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
    undoing: written('/etc/rsyslog.conf'),
    alone: true,
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
    undoing: 'for f in 2 10; do echo NONE >/proc/sys/net/netfilter/nf_log/$f; done',
  },
  {
    fix: 'dmesg-collector',
    situation: 'OpenVZ with systemd',
    prepare: oldContainer,
    path: 'kern.log',
    cause: 'no-collector',
    shown: /^\+ExecStart=.*\n[\s\S]*^\$ systemctl enable --now bridgekeeper-dmesg\.service$/m,
    undoing: 'kill $(cat /run/bridgekeeper-dmesg.pid); while [ -e /run/bridgekeeper-dmesg.pid ]; do sleep 0.1; done',
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
    undoing: 'kill $(cat /run/bridgekeeper-dmesg.pid); while [ -e /run/bridgekeeper-dmesg.pid ]; do sleep 0.1; done',
  },
];

/** Everything that a fix may touch. */
const files =
  'cd /etc; set -- /etc/systemd /etc/rsyslog* /etc/sysctl* /etc/init.d /etc/rc*.d /usr/local/sbin; ' +
  'find "$@" -type f -exec sha256sum {} + | sort -k 2; find "$@" -type l -printf "%p %l\\n" | sort; ' +
  'cat /proc/sys/net/netfilter/nf_log/2 /proc/sys/net/netfilter/nf_log/10';

for (const alone of [false, true]) {
  ringSuite(`every fix, and back${alone ? ', one at a time' : ''}`, !alone, () => {
    for (const row of rows.filter((one) => (one.alone ?? false) === alone)) {
      test(`${row.fix}: ${row.situation}`, (t) => fixAndBack(t, row));
    }
  });
}

/** Nothing but commands is shown and done. */
async function onlyCommands(on: Situation, { fix, undoing }: Row): Promise<void> {
  await on.sh(undoing);
  const { code, stdout, stderr } = await on.doctor('--fix', fix, '--yes');
  assert.equal(code, 0, stderr);
  assert.match(stderr, /to take it back: /);
  assert.match(stdout, /^\$ /m);
  assert.doesNotMatch(stdout, /^(?:\+\+\+|---) /m);
}

async function fixAndBack(t: TestContext, row: Row): Promise<void> {
  const { fix, prepare, path, cause, shown } = row;
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

  await onlyCommands(on, row);
  const recovered = await verdict('--probe');
  assert.equal(recovered?.state, 'works', JSON.stringify(recovered));

  for (const which of ['commands', 'files and commands']) {
    const undone = await on.doctor('--undo');
    assert.equal(undone.code, 0, `${which}: ${undone.stderr}`);
  }
  assert.equal(await on.sh(files), untouched, 'byte for byte');
  const relapse = await verdict();
  assert.deepEqual([relapse?.state, relapse?.cause], ['broken', cause]);
  assert.equal((await on.doctor('--undo')).code, 2, 'nothing more to take back');
}

ringSuite('fixes that are not made', false, () => {
  test('one that nothing calls for', async (t) => {
    const on = await Situation.start();
    t.after(() => on.end());
    await debian12(on);
    const { code, stderr } = await on.doctor('--fix', 'journald-storage', '--yes');
    assert.equal(code, 2);
    assert.match(stderr, /nothing that was found calls for journald-storage; no fix is called for/);
  });

  test('one of a file that others could exchange', async (t) => {
    const on = await Situation.start();
    t.after(() => on.end());
    await withJournald(on);
    await on.sh('mkdir -p /etc/own/rsyslog /srv/links; ln -s /etc/own/rsyslog /srv/links/rsyslog');
    const config = '/srv/links/rsyslog/rsyslog.conf';
    await withRsyslog(on, ['imuxsock', 'imklog', 'imjournal'], { config });
    await on.sh(nftLog());
    const shown = await on.doctor('--fix', 'rsyslog-one-reader');
    assert.match(
      shown.stdout,
      /^\+#module\(load="imklog"\)/m,
      `where only root may write it is offered: ${shown.stderr}`,
    );
    const rows: readonly (readonly [open: string, close: string, named: string])[] = [
      ['chmod 777 /etc/own', 'chmod 755 /etc/own', '/etc/own'],
      ['chmod 1777 /etc/own/rsyslog', 'chmod 755 /etc/own/rsyslog', '/etc/own/rsyslog'],
      ['chgrp 100 /etc/own; chmod 775 /etc/own', 'chgrp 0 /etc/own', '/etc/own'],
      ['chown 65534 /etc/own/rsyslog', 'chown 0 /etc/own/rsyslog', '/etc/own/rsyslog'],
      [`chmod 666 ${config}`, `chmod 644 ${config}`, config],
      [`chown 65534 ${config}`, `chown 0 ${config}`, config],
      ['chmod 777 /srv/links', 'chmod 755 /srv/links', '/srv/links'],
    ];
    for (const [open, close, named] of rows) {
      await on.sh(open);
      const { code, stderr } = await on.doctor('--fix', 'rsyslog-one-reader', '--yes');
      assert.equal(code, 2, `${open}: ${stderr}`);
      assert.match(stderr, new RegExp(`others than root may write ${named}:`), open);
      await on.sh(close);
    }
    assert.match(await on.sh(`cat ${config}`), /^module\(load="imklog"\)$/m);
  });
});

test('every fix has a row here or in namespace-log.alone.test.ts', () => {
  const seen = new Set<FixName>([...rows.map(({ fix }) => fix), 'nf-log-all-netns']);
  assert.deepEqual(
    fixNames.filter((name) => !seen.has(name)),
    [],
  );
});
