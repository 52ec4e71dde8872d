// The decision table in rows: one fact of a healthy machine is changed, and one path must be blamed for the right cause.
// What the real daemons do is in situations.test.ts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decide } from '../../src/doctor/decide.ts';
import type { Facts } from '../../src/doctor/facts.ts';
import type { Sightings } from '../../src/doctor/sightings.ts';
import { type Cause, causes, type Path, type State } from '../../src/doctor/verdict.ts';
import { explain } from '../../src/doctor/words.ts';
import { container, healthy, logRule, seen, ufwRule, withRsyslog } from './machine-facts.ts';

type Row = readonly [path: Path, state: State, cause: Cause | undefined, what: string, facts: Facts, probe?: Sightings];

const ring = (changes: Partial<Facts['ring']>, facts = healthy): Facts => ({
  ...facts,
  ring: { ...facts.ring, ...changes },
});
const network = (changes: Partial<Facts['network']>): Facts => ({
  ...healthy,
  network: { ...healthy.network, ...changes },
});
const journal = (changes: Partial<Facts['journal']>): Facts => ({
  ...healthy,
  journal: { ...healthy.journal, ...changes },
});
const settings = (changes: Partial<Facts['journal']['settings']>): Facts =>
  journal({ settings: { ...healthy.journal.settings, ...changes } });
const syslog = (changes: Partial<Facts['syslog']>, facts = withRsyslog): Facts => ({
  ...facts,
  syslog: { ...facts.syslog, ...changes },
});
const rsyslog = (changes: Partial<Facts['syslog']['rsyslog']>): Facts =>
  syslog({ rsyslog: { ...withRsyslog.syslog.rsyslog, ...changes } });
const rules = (log: Facts['rules']['log'], facts = healthy): Facts => ({ ...facts, rules: { ...facts.rules, log } });
const nflog = (changes: Partial<Facts['nflog']>): Facts => ({
  ...rules([{ ...logRule, group: 3 }]),
  nflog: { ...healthy.nflog, ...changes },
});
const openVz: Facts = { ...ring({ kmsg: 'invalid' }), machine: container('openvz') };
const unbound = new Map([[2, { bound: 'NONE', known: ['nf_log_ipv4', 'nfnetlink_log'] }]]);
const file = '/var/log/ulog/json';
const written = { heard: [3], ulogd: true, config: { groups: [3], files: [{ path: file, sync: true }] } };
const inContainer = network({ isFirst: false, allNamespaces: undefined });

const rows: readonly Row[] = [
  ['rules', 'works', undefined, 'one rule logs', healthy],
  ['rules', 'works', undefined, 'and the probe arrives', healthy, seen({ dmesg: 1 })],
  ['rules', 'absent', 'no-log-rules', 'no rule logs', rules([])],
  ['rules', 'broken', 'packet-not-seen', 'row 1', healthy, seen({ dmesg: 0 }, { counter: 0 })],
  [
    'rules',
    'broken',
    'loopback-down',
    'row 1, and lo is down',
    network({ loopbackUp: false }),
    seen({ dmesg: 0 }, { counter: 0 }),
  ],
  [
    'rules',
    'broken',
    'packet-not-seen',
    'row 1, and nobody tells whether lo is up',
    network({ loopbackUp: undefined }),
    seen({ dmesg: 0 }, { counter: 0 }),
  ],
  ['rules', 'works', undefined, 'lo is down, and nothing was asked of it', network({ loopbackUp: false })],
  ['rules', 'broken', 'namespace-not-logged', 'row 2a', inContainer, seen({ dmesg: 0 })],
  ['rules', 'unknown', undefined, 'row 2a without a probe', inContainer],
  [
    'rules',
    'unknown',
    undefined,
    'row 2a, and no ring can be read',
    { ...inContainer, ring: { ...healthy.ring, dmesg: 'refused', kmsg: 'absent' } },
    seen({}),
  ],
  ['rules', 'unknown', undefined, 'the ring went round', inContainer, seen({ dmesg: 0 }, { overrun: true })],
  ['rules', 'works', 'namespaces-not-logged', 'row 2a as the host sees it', network({ others: 3 })],
  ['rules', 'broken', 'no-logger', 'row 2b', network({ loggers: unbound })],
  ['rules', 'broken', 'not-arrived', 'counted, and in no ring', healthy, seen({ dmesg: 0, kmsg: 0 })],
  [
    'rules',
    'unknown',
    undefined,
    'no packet was sent',
    healthy,
    seen({}, { unsent: 'no program', counter: undefined }),
  ],
  ['rules', 'works', 'sampled', 'row 8: a limit', rules([{ ...ufwRule, limit: '3/min burst 10' }])],
  [
    'rules',
    'broken',
    'sampled',
    'row 8: and it hides something',
    rules([{ ...ufwRule, limit: '3/min burst 10', sample: { came: 40, logged: 12 } }]),
  ],
  ['ring', 'works', undefined, 'dmesg answers', healthy],
  ['ring', 'broken', 'dmesg-refused', 'row 3', ring({ dmesg: 'refused', mayAsk: false })],
  ['ring', 'unknown', 'dmesg-refused', 'row 3, asked by a user', { ...ring({ dmesg: 'refused' }), uid: 1000 }],
  ['ring', 'unknown', 'dmesg-missing', 'no such program', ring({ dmesg: 'absent' })],
  ['ring', 'broken', 'not-arrived', 'the probe is in /dev/kmsg only', healthy, seen({ dmesg: 0, kmsg: 1 })],
  [
    'ring',
    'works',
    'shared-ring',
    'row 10',
    { ...network({ isFirst: false, interfaces: ['lo'] }), machine: container('lxc') },
  ],
  ['kmsg', 'broken', 'kmsg-absent', 'row 4a', ring({ kmsg: 'absent' })],
  [
    'kmsg',
    'absent',
    'kmsg-absent',
    'row 4a in a container',
    { ...ring({ kmsg: 'absent' }), machine: container('lxc') },
  ],
  ['kmsg', 'broken', 'kmsg-refused', 'row 4a by a device group', ring({ kmsg: 'refused' })],
  ['kmsg', 'broken', 'kmsg-unreadable', 'row 4b', openVz],
  ['kmsg', 'absent', 'kmsg-unreadable', 'row 4b with our collector', syslog({ collector: true, daemons: [] }, openVz)],
  ['kmsg', 'unknown', undefined, 'an error of another kind', ring({ kmsg: 'odd', kmsgSaid: 'Input/output error' })],
  ['kmsg', 'broken', 'not-arrived', 'the probe is in dmesg only', healthy, seen({ dmesg: 1, kmsg: 0 })],
  ['journal', 'works', undefined, 'it reads', healthy],
  [
    'journal',
    'works',
    undefined,
    'the probe proves it, whatever is configured',
    settings({ readKmsg: false }),
    seen({ journal: 1 }),
  ],
  ['journal', 'absent', 'no-journald', 'init is not systemd', journal({ running: false, expected: false })],
  ['journal', 'broken', 'journald-down', 'row 5a', journal({ running: false })],
  ['journal', 'broken', 'journald-reads-no-kmsg', 'row 5b', settings({ readKmsg: false })],
  ['journal', 'broken', 'journald-stores-nothing', 'row 5b', settings({ storage: 'none' })],
  ['journal', 'broken', 'journald-level', 'row 5b', settings({ maxLevelStore: 3 })],
  ['journal', 'works', undefined, 'a level that is enough', settings({ maxLevelStore: 4 })],
  [
    'journal',
    'broken',
    'journald-missed',
    'row 5c',
    journal({ missed: { text: 'Missed 812 kernel messages', secondsAgo: 60 } }),
  ],
  ['journal', 'works', undefined, 'row 5c last week', journal({ missed: { text: 'Missed 2', secondsAgo: 6e5 } })],
  ['journal', 'broken', 'kmsg-unreadable', 'row 4b, as the user meets it', openVz],
  [
    'journal',
    'absent',
    'kmsg-unreadable',
    'row 4b with our collector',
    syslog({ collector: true, daemons: [] }, openVz),
  ],
  ['journal', 'broken', 'not-arrived', 'the probe is in the ring only', healthy, seen({ dmesg: 1, journal: 0 })],
  ['journal', 'broken', 'not-arrived', 'older than the ring', journal({ newestUs: 80_000_000 })],
  [
    'journal',
    'works',
    undefined,
    'what came just now may be on its way',
    ring({ records: [{ us: 99e6, level: 4, text: '', age: 1 }] }),
  ],
  ['kern.log', 'absent', 'no-syslog-daemon', 'row 6a', healthy],
  ['kern.log', 'broken', 'syslog-daemon-down', 'installed and stopped', syslog({ installed: ['rsyslogd'] }, healthy)],
  ['kern.log', 'broken', 'no-collector', 'nothing keeps the lines', openVz],
  ['kern.log', 'works', undefined, 'our collector keeps them', syslog({ collector: true, daemons: [] }, openVz)],
  ['kern.log', 'works', undefined, 'imklog', withRsyslog],
  ['kern.log', 'works', undefined, 'and the probe is in it', withRsyslog, seen({ dmesg: 1, '/var/log/kern.log': 1 })],
  ['kern.log', 'broken', 'no-kernel-input', 'row 6b', rsyslog({ kernelInputs: new Map() })],
  ['kern.log', 'broken', 'imklog-refused', 'row 6c', ring({ consumers: [] }, withRsyslog)],
  [
    'kern.log',
    'broken',
    'two-ring-readers',
    'row 6c',
    ring({ consumers: [...withRsyslog.ring.consumers, { pid: 7, name: 'klogd' }] }, withRsyslog),
    seen({ '/var/log/kern.log': 1 }),
  ],
  ['kern.log', 'broken', 'doubled', 'row 9', withRsyslog, seen({ '/var/log/kern.log': 2 })],
  ['kern.log', 'absent', 'not-configured', 'no rule writes it', rsyslog({ targets: ['/var/log/messages'] })],
  ['kern.log', 'absent', 'ufw-only', 'row 7b', rules([ufwRule], rsyslog({ ufwStops: true }))],
  [
    'kern.log',
    'broken',
    'not-arrived',
    'the probe is in the ring only',
    withRsyslog,
    seen({ dmesg: 1, '/var/log/kern.log': 0 }),
  ],
  ['kern.log', 'unknown', 'other-syslog-daemon', 'syslog-ng', syslog({ daemons: [{ pid: 9, name: 'syslog-ng' }] })],
  ['ufw.log', 'absent', 'not-ufw', 'row 7a', withRsyslog],
  ['ufw.log', 'works', undefined, "ufw's own", rules([ufwRule], withRsyslog), seen({ '/var/log/ufw.log': 1 })],
  ['nflog', 'absent', 'no-nflog', 'no rule uses it', healthy],
  ['nflog', 'broken', 'nflog-unheard', 'no ulogd', nflog({})],
  ['nflog', 'works', undefined, 'somebody listens', nflog({ heard: [3] })],
  ['nflog', 'works', undefined, 'and writes', nflog(written), seen({ [file]: 1 })],
  ['nflog', 'broken', 'ulogd-silent', 'and does not write', nflog(written), seen({ [file]: 0 })],
];

for (const [path, state, cause, what, facts, probe] of rows) {
  test(`${path} ${state}${cause === undefined ? '' : ` ${cause}`}: ${what}`, () => {
    const { verdicts } = decide(facts, probe);
    const found = verdicts.find((verdict) => verdict.path === path);
    assert.deepEqual([found?.state, found?.cause], [state, cause], JSON.stringify(found));
    assert.notEqual(found?.evidence ?? '', '');
  });
}

test('every cause occurs, and each broken one says what to do', () => {
  const seenCauses = new Set(rows.map(([, , cause]) => cause));
  assert.deepEqual(
    causes.filter((cause) => !seenCauses.has(cause)),
    [],
  );
  for (const [path, state, , , facts, probe] of rows) {
    const { kind, verdicts } = decide(facts, probe);
    const found = verdicts.find((verdict) => verdict.path === path);
    assert.ok(found);
    if (state !== 'broken') continue;
    const words = explain(found, kind, facts);
    assert.ok(words?.because !== undefined && words.remedy !== undefined, JSON.stringify(found));
  }
});

test('a healthy machine has nothing broken, with a probe and without', () => {
  const everywhere = { dmesg: 1, kmsg: 1, journal: 1, '/var/log/kern.log': 1, '/var/log/syslog': 1 };
  for (const facts of [healthy, withRsyslog]) {
    for (const probe of [undefined, seen(everywhere)]) {
      const { verdicts } = decide(facts, probe);
      assert.deepEqual(
        verdicts.filter(({ state }) => state === 'broken' || state === 'unknown'),
        [],
      );
    }
  }
});
