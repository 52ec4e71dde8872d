// Every named fix in a situation that calls for it: shown and not done without a yes, done, seen to help, done twice without
// effect, and taken back byte for byte.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { decide } from '../../src/doctor/decide.ts';
import type { Facts } from '../../src/doctor/facts.ts';
import { decidedFix, fixPlan } from '../../src/doctor/fixes.ts';
import { gather } from '../../src/doctor/gather.ts';
import { probe } from '../../src/doctor/probe.ts';
import { type FixName, fixNames, type Path, type Verdict } from '../../src/doctor/verdict.ts';
import type { Access } from '../../src/machine/access.ts';
import { type ChangeSet, printChange } from '../../src/machine/change.ts';
import { applyChanges, openChanges, undoChanges } from '../../src/machine/change-log.ts';
import { assertDiagnosed } from './diagnosed.ts';
import { ringSuite, Situation, withJournald, withoutRsyslog, withRsyslog } from './situation.ts';
import { type Case, cases, debian12, nftLog } from './situations.ts';

type Row = {
  readonly fix: FixName;
  /** In it the path is broken before, and works afterwards. */
  readonly situation: Case;
  readonly path: Path;
  /** In what is shown. */
  readonly shown: RegExp;
  /** What makes the fix lose its effect while its files stay. */
  readonly undoing: string;
  /** It reads /proc/kmsg. */
  readonly alone?: true;
  /** By the program itself, and not by its modules: it comes to the same. */
  readonly byProgram?: true;
  /** It is mended in the way of another row, which has shown what does not depend on the fix. */
  readonly like?: FixName;
};

/** As if the daemon had not been restarted since: it began before. */
const written = (path: string): string => `touch -d '5 seconds' ${path}`;

function caseNamed(name: string): Case {
  return cases.find((one) => one.name === name) ?? assert.fail(name);
}

const oldInit: Case = {
  name: 'OpenVZ with an init of the old kind, and no journald',
  health: 'broken',
  prepare: async (on) => {
    await withoutRsyslog(on);
    await on.sh(`mkdir -p /run/systemd; echo openvz >/run/systemd/container; ${nftLog()}`);
  },
  rows: [['kern.log', 'broken', 'no-collector']],
};

const rows: readonly Row[] = [
  {
    fix: 'journald-read-kmsg',
    situation: caseNamed('journald: ReadKMsg=no'),
    like: 'journald-storage',
    path: 'journal',
    shown: /^\+ReadKMsg=yes\n[\s\S]*^\$ systemctl restart systemd-journald\.service$/m,
    undoing: written('/etc/systemd/journald.conf.d/zz-bridgekeeper-read-kmsg.conf'),
  },
  {
    fix: 'journald-storage',
    situation: caseNamed('journald: Storage=none'),
    path: 'journal',
    shown: /^\+Storage=auto$/m,
    undoing: written('/etc/systemd/journald.conf.d/zz-bridgekeeper-storage.conf'),
  },
  {
    fix: 'journald-level',
    situation: caseNamed('journald: MaxLevelStore=err, and rules that log as warnings'),
    like: 'journald-storage',
    path: 'journal',
    shown: /^\+MaxLevelStore=warning$/m,
    undoing: written('/etc/systemd/journald.conf.d/zz-bridgekeeper-level.conf'),
  },
  {
    fix: 'rsyslog-imklog',
    situation: caseNamed('rsyslog with imuxsock only'),
    path: 'kern.log',
    shown: /^\+module\(load="imklog"\)$/m,
    undoing: written('/etc/rsyslog.d/10-bridgekeeper-imklog.conf'),
    alone: true,
  },
  {
    fix: 'rsyslog-one-reader',
    situation: caseNamed('imklog and imjournal: every line twice'),
    path: 'kern.log',
    shown: /^-module\(load="imklog"\)\n\+#module\(load="imklog"\)/m,
    undoing: written('/etc/rsyslog.conf'),
    alone: true,
  },
  {
    fix: 'nf-log-logger',
    situation: caseNamed('no logger is bound in this network namespace'),
    path: 'rules',
    shown: /^\$ sysctl -w net\.netfilter\.nf_log\.2=nf_log_ipv4$/m,
    undoing: 'for f in 2 10; do echo NONE >/proc/sys/net/netfilter/nf_log/$f; done',
  },
  {
    fix: 'dmesg-collector',
    situation: caseNamed('OpenVZ: /dev/kmsg can be opened and not read'),
    byProgram: true,
    path: 'kern.log',
    shown: /^\+ExecStart=.*\n[\s\S]*^\$ systemctl enable --now bridgekeeper-dmesg\.service$/m,
    undoing: 'kill $(cat /run/bridgekeeper-dmesg.pid); while [ -e /run/bridgekeeper-dmesg.pid ]; do sleep 0.1; done',
  },
  {
    fix: 'dmesg-collector',
    situation: oldInit,
    path: 'kern.log',
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
      test(`${row.fix}: ${row.situation.name}`, (t) => fixAndBack(t, row));
    }
  });
}

/** Every row to its end, whatever another one has shown: BRIDGEKEEPER_FULL=1. */
const isFull = process.env.BRIDGEKEEPER_FULL === '1';

async function fixAndBack(t: TestContext, row: Row): Promise<void> {
  const { fix, situation, path, shown, like } = row;
  const on = await Situation.start();
  t.after(() => on.end());
  await situation.prepare(on);
  const facts = await assertDiagnosed(on, situation, t);
  const doctor = row.byProgram ? new Program(on) : new Modules(on, facts);
  const assertWorks = async (): Promise<void> => {
    const verdicts = await doctor.look(true);
    const found = verdicts.find((one) => one.path === path);
    assert.equal(found?.state, 'works', JSON.stringify(found));
    assert.deepEqual(brokenOf(verdicts), [], 'nothing else is broken');
  };
  const untouched = await on.sh(files);

  assert.match(await doctor.show(fix), shown);
  assert.equal(await on.sh(files), untouched);

  assert.notEqual(await doctor.mend(fix), 'nothing to do');
  await assertWorks();
  assert.notEqual(await on.sh(files), untouched);

  if (isFull || !like) {
    assert.equal(await doctor.mend(fix), 'nothing to do');
    await on.sh(row.undoing);
    const commands = await doctor.mend(fix);
    assert.match(commands, /^\$ /m);
    assert.doesNotMatch(commands, /^(?:\+\+\+|---) /m, 'nothing but commands is shown and done');
    await assertWorks();
    await doctor.undo();
  }

  await doctor.undo();
  assert.equal(await on.sh(files), untouched, 'byte for byte');
  if (isFull || !like) assert.deepEqual(brokenOf(await doctor.look(false)), brokenOf(decide(facts).verdicts));
  assert.equal(await doctor.undo(), 'nothing more to take back');
}

function brokenOf(verdicts: readonly Verdict[]): readonly unknown[] {
  return verdicts.filter(({ state }) => state === 'broken').map(({ path, cause }) => [path, cause]);
}

interface Doctor {
  look(probe: boolean): Promise<readonly Verdict[]>;
  /** What a fix would do, which is not done. */
  show(fix: FixName): Promise<string>;
  /** What was shown and done. */
  mend(fix: FixName): Promise<string>;
  undo(): Promise<string>;
}

/** As users start it. */
class Program implements Doctor {
  readonly #on: Situation;

  constructor(on: Situation) {
    this.#on = on;
  }

  async look(probe: boolean): Promise<readonly Verdict[]> {
    const { code, stdout } = await this.#on.doctor(...(probe ? ['--probe'] : []), '-o', 'json');
    const verdicts: readonly Verdict[] = JSON.parse(stdout).paths;
    assert.equal(code, verdicts.some(({ state }) => state === 'broken') ? 3 : 0);
    return verdicts;
  }

  async show(fix: FixName): Promise<string> {
    const { code, stdout } = await this.#on.doctor('--fix', fix);
    assert.equal(code, 2, 'without a terminal and without --yes');
    return stdout;
  }

  async mend(fix: FixName): Promise<string> {
    const { code, stdout, stderr } = await this.#on.doctor('--fix', fix, '--yes');
    assert.equal(code, 0, stderr);
    if (stderr === `${fix}: nothing to do\n`) return 'nothing to do';
    assert.match(stderr, /to take it back: bridgekeeper doctor --undo \S+/);
    return stdout;
  }

  async undo(): Promise<string> {
    const { code, stderr } = await this.#on.doctor('--undo');
    if (code === 0) return stderr;
    assert.equal(code, 2);
    assert.match(stderr, /no change to take back: there is none/);
    return 'nothing more to take back';
  }
}

/** The same by what the program does it with; what it has looked at is known until something changes. */
class Modules implements Doctor {
  readonly #access: Access;
  readonly #state: string;
  #facts: Facts | undefined;

  constructor(on: Situation, facts: Facts) {
    this.#facts = facts;
    this.#access = on.access();
    this.#state = on.path('/var/lib/bridgekeeper');
  }

  async look(withProbe: boolean): Promise<readonly Verdict[]> {
    this.#facts = await gather(this.#access);
    const sightings = withProbe ? await probe(this.#access, this.#facts) : undefined;
    return decide(this.#facts, sightings).verdicts;
  }

  async show(fix: FixName): Promise<string> {
    return shownOf(await this.#plan(fix));
  }

  async mend(fix: FixName): Promise<string> {
    const plan = await this.#plan(fix);
    this.#facts = undefined;
    if (plan !== undefined) await applyChanges(this.#access, this.#state, plan);
    return shownOf(plan);
  }

  async #plan(fix: FixName): Promise<ChangeSet | undefined> {
    const facts = this.#facts ?? (await gather(this.#access));
    return fixPlan(this.#access, fix, facts, decidedFix({ ...decide(facts), facts }).includes(fix));
  }

  async undo(): Promise<string> {
    const [latest] = openChanges(this.#state, '');
    if (latest === undefined) return 'nothing more to take back';
    await undoChanges(this.#access, this.#state, latest);
    return latest.title;
  }
}

function shownOf(plan: ChangeSet | undefined): string {
  return plan === undefined ? 'nothing to do' : plan.changes.map(printChange).join('');
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
    const fix = 'rsyslog-one-reader';
    const facts = await gather(on.access());
    const plan = (): Promise<ChangeSet | undefined> => fixPlan(on.access(), fix, facts, true);
    assert.deepEqual(decidedFix({ ...decide(facts), facts }), [fix]);
    assert.match(shownOf(await plan()), /^\+#module\(load="imklog"\)/m, 'where only root may write it is offered');
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
      const said = new RegExp(`others than root may write ${named}:`);
      await assert.rejects(plan(), { code: 'unsafe-place', message: said }, open);
      await on.sh(close);
    }
    await on.sh('chmod 777 /etc/own');
    const { code, stderr } = await on.doctor('--fix', fix, '--yes');
    assert.equal(code, 2, stderr);
    assert.match(stderr, /others than root may write \/etc\/own:/);
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

test('the situations that are mended are looked at here, and the others in situations.test.ts', () => {
  const here = new Set(rows.map(({ situation }) => situation.name));
  for (const { name, isMended } of cases) assert.equal(here.has(name), isMended ?? false, name);
});
