// What a person reads, as golden texts: the user's own case, a guest where all is well, a host with several faults.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decide } from '../../src/doctor/decide.ts';
import type { Facts } from '../../src/doctor/facts.ts';
import { decidedFix } from '../../src/doctor/fixes.ts';
import { machineWords } from '../../src/doctor/machine-kind.ts';
import type { Sightings } from '../../src/doctor/sightings.ts';
import type { FixName } from '../../src/doctor/verdict.ts';
import { verdictLine } from '../../src/doctor/words.ts';
import { assertGolden } from '../yaml/golden.ts';
import { container, healthy, seen, ufwRule, withRsyslog } from './machine-facts.ts';

const openVz: Facts = {
  ...healthy,
  machine: container('openvz'),
  ring: { ...healthy.ring, kmsg: 'invalid', kmsgReaders: [], records: [] },
  network: { ...healthy.network, isFirst: false, allNamespaces: undefined, interfaces: ['lo', 'venet0'] },
  rules: { ...healthy.rules, log: [ufwRule] },
};

const unprivileged: Facts = {
  ...healthy,
  machine: container('lxc'),
  ring: {
    ...healthy.ring,
    kmsg: 'refused',
    kmsgSaid: "dd: failed to open '/dev/kmsg': Operation not permitted",
    dmesg: 'refused',
    dmesgSaid: 'dmesg: read kernel buffer failed: Operation not permitted',
    ownUsers: true,
    kmsgReaders: [],
    records: [],
  },
  network: { ...healthy.network, isFirst: false, allNamespaces: undefined },
};

/** Its dmesg is another ring than its /dev/kmsg. */
const twoRings: Facts = { ...healthy, machine: container('openvz') };

const faults: Facts = {
  ...withRsyslog,
  rules: { ...healthy.rules, log: [{ ...ufwRule, limit: '3/min burst 10', sample: { came: 412, logged: 19 } }] },
  journal: {
    ...healthy.journal,
    settings: { ...healthy.journal.settings, readKmsg: false, from: { ReadKMsg: '/etc/systemd/journald.conf' } },
  },
  syslog: {
    ...withRsyslog.syslog,
    rsyslog: { ...withRsyslog.syslog.rsyslog, kernelInputs: new Map() },
  },
};

const noPacket = seen({ dmesg: 0 }, { counter: 0, refusal: 'bash: connect: Network is unreachable' });

const rows: readonly (readonly [golden: string, facts: Facts, fixes: readonly FixName[], probe?: Sightings])[] = [
  ['healthy-guest.txt', healthy, [], seen({ dmesg: 1, kmsg: 1, journal: 1 })],
  ['openvz.txt', openVz, ['dmesg-collector'], seen({ dmesg: 1, journal: 0 })],
  ['unprivileged.txt', unprivileged, [], seen({})],
  ['two-rings.txt', twoRings, [], seen({ dmesg: 0, kmsg: 1, journal: 1 })],
  ['loopback-down.txt', { ...healthy, network: { ...healthy.network, loopbackUp: false } }, [], noPacket],
  ['several-faults.txt', faults, ['journald-read-kmsg', 'rsyslog-imklog']],
];

for (const [golden, facts, fixes, probe] of rows) {
  test(golden, () => {
    const { kind, verdicts } = decide(facts, probe);
    const lines = [`This is ${machineWords(kind)}.`, ...verdicts.map((one) => verdictLine(one, { kind, facts }))];
    assertGolden(`${lines.join('\n')}\n`, `doctor/${golden}`);
    assert.deepEqual(decidedFix({ kind, verdicts, facts }), fixes);
  });
}
