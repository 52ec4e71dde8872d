// Lines that ufw, modprobe, sysctl and iptables print at a start, in the words of their versions, whole and cut.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { meaningOf } from '../../src/ufw/error-meaning.ts';
import { type StartupError, startupErrors, sysctlPath } from '../../src/ufw/startup-errors.ts';
import { assertPrompt } from '../support/slowness.ts';

const sack = (cut = false): StartupError => ({
  kind: 'sysctl',
  fault: 'denied',
  key: { name: 'net/ipv4/tcp_sack', cut },
});
const refused = (family: 4 | 6, said: string): StartupError => ({ kind: 'tables', family, said });

const rows: readonly (readonly [line: string, error: StartupError | undefined])[] = [
  // kmod 18 (Debian 8), whole and cut where a pager ends
  [
    "modprobe: ERROR: ../libkmod/libkmod.c:557 kmod_search_moddep() could not open moddep file '/lib/modules/2.6.32-042stab120.5/modules.dep.bin'",
    { kind: 'no-module-directory' },
  ],
  ['modprobe: ERROR: ../libkmod/libkmod.c:557 kmod_search_moddep() could not ope', { kind: 'no-module-directory' }],
  ['modprobe: ERROR: ../libkmod/libkm', { kind: 'module' }],
  [
    'Starting firewall: ufw...modprobe: FATAL: Module nf_nat_ftp not found in directory /lib/modules/6.1.0',
    { kind: 'module', name: 'nf_nat_ftp' },
  ],
  ['modprobe: FATAL: Module nf_nat', { kind: 'module', name: 'nf_nat' }],
  ['modprobe: FATAL: Module nf_conntrack_ftp not found.', { kind: 'module', name: 'nf_conntrack_ftp' }],
  ['FATAL: Module ip_tables not found.', { kind: 'module', name: 'ip_tables' }],
  ['FATAL: Could not load /lib/modules/2.6.32/modules.dep: No such file or directory', { kind: 'no-module-directory' }],
  ["modprobe: ERROR: could not insert 'nf_nat_ftp': Operation not permitted", { kind: 'module', name: 'nf_nat_ftp' }],
  ['/lib/ufw/ufw-init: 77: modprobe: not found', { kind: 'no-modprobe' }],
  // procps 3.2, 3.3, 4.0
  ["error: permission denied on key 'net.ipv4.tcp_sack'", sack()],
  ["sysctl: permission denied on key 'net.ipv4.tcp_sack'", sack()],
  ['sysctl: permission denied on key "net.ipv4.tcp_sack"', sack()],
  ['sysctl: permission denied on key "net.ipv4.tcp_sack", ignoring', sack()],
  ['sysctl: setting key "net.ipv4.tcp_sack": Read-only file system', sack()],
  ['sysctl: setting key "net.ipv4.tcp_sack", ignoring: Permission denied', sack()],
  ["sysctl: permission denied on key 'net.ipv4.tcp_sack", sack(true)],
  ["sysctl: permission denied on key 'net.ipv4.tcp_sack; reboot'", { kind: 'sysctl', fault: 'denied' }],
  ["sysctl: permission denied on key '$(reboot)'", { kind: 'sysctl', fault: 'denied' }],
  ['sysctl: permission denied on k', { kind: 'sysctl', fault: 'denied' }],
  [
    'sysctl: setting key "net.ipv4.tcp_sack": Invalid argument',
    { kind: 'sysctl', fault: 'value', key: { name: 'net/ipv4/tcp_sack', cut: false } },
  ],
  [
    'sysctl: cannot stat /proc/sys/net/ipv4/tcp_sack: No such file or directory',
    { kind: 'sysctl', fault: 'absent', key: { name: 'net/ipv4/tcp_sack', cut: false } },
  ],
  [
    'error: "net.ipv6.conf.all.accept_redirects" is an unknown key',
    { kind: 'sysctl', fault: 'absent', key: { name: 'net/ipv6/conf/all/accept_redirects', cut: false } },
  ],
  [
    "sysctl: permission denied on key 'net.ipv4.conf.eth0/10.rp_filter'",
    { kind: 'sysctl', fault: 'denied', key: { name: 'net/ipv4/conf/eth0.10/rp_filter', cut: false } },
  ],
  // not harmless
  ['ERROR: problem running ufw-init', { kind: 'not-started' }],
  ['ERROR: Could not load logging rules', { kind: 'logging-rules' }],
  ["Problem running '/etc/ufw/before.rules'", { kind: 'rules-file', path: '/etc/ufw/before.rules' }],
  ["Couldn't find '/etc/ufw/user6.rules'", { kind: 'rules-file', path: '/etc/ufw/user6.rules' }],
  ["'/etc/ufw/before.init start' exited with error", { kind: 'hook', path: '/etc/ufw/before.init' }],
  ['Could not find /etc/default/ufw (aborting)', { kind: 'missing-file', path: '/etc/default/ufw' }],
  ['Problem loading ipv6 (skipping)', { kind: 'ipv6-skipped' }],
  ['iptables-restore: line 77 failed', refused(4, 'line 77 failed')],
  ['ip6tables-restore: line 2 failed', refused(6, 'line 2 failed')],
  ['iptables-restore v1.8.9 (nf_tables): unknown option "--nonsense"', refused(4, 'unknown option "--nonsense"')],
  [
    "ip6tables v1.4.21: can't initialize ip6tables table `filter': Table does not exist (do you need to insmod?)",
    refused(6, "can't initialize ip6tables table `filter': Table does not exist (do you need to insmod?)"),
  ],
  ['Error occurred at line: 75', refused(4, 'Error occurred at line: 75')],
  // with a head; other programs say the same of their own affairs
  ["Apr 05 14:21:03 host ufw[147]: sysctl: permission denied on key 'net.ipv4.tcp_sack'", sack()],
  ["2024-04-05T14:21:03.123456+02:00 host ufw-init[147]: sysctl: permission denied on key 'net.ipv4.tcp_sack'", sack()],
  ["Apr 05 14:21:03 host systemd-sysctl[99]: sysctl: permission denied on key 'net.ipv4.tcp_sack'", undefined],
  ['Apr 05 14:21:03 host procps[99]: modprobe: FATAL: Module nf_nat_ftp not found.', undefined],
  ["Apr 05 14:21:03 host systemd[1]: ufw.service: Failed with result 'exit-code'.", { kind: 'not-started' }],
  ['Apr 05 14:21:03 host systemd[1]: Failed to start Uncomplicated firewall.', { kind: 'not-started' }],
  ["Apr 05 14:21:03 host systemd[1]: ssh.service: Failed with result 'exit-code'.", undefined],
  // no errors
  ['Setting kernel variables (/etc/ufw/sysctl.conf)...done.', undefined],
  ['Skip starting firewall: ufw (not enabled)', undefined],
  ["Firewall already started, use 'force-reload'", undefined],
  ['[UFW BLOCK] IN=eth0 OUT= MAC= SRC=10.0.0.1 DST=10.0.0.2 LEN=40', undefined],
  ['', undefined],
];

suite('one line', () => {
  for (const [line, wanted] of rows) {
    test(line === '' ? '(empty)' : line, () => {
      const [found, ...more] = startupErrors(line);
      assert.deepEqual([found?.error, more], [wanted, []]);
    });
  }
});

test('every kind occurred, and only those of modules and settings are harmless', () => {
  const kinds = new Map(rows.flatMap(([, error]) => (error ? [[error.kind, meaningOf(error).harmless] as const] : [])));
  assert.deepEqual(
    [...kinds].filter(([, harmless]) => harmless).map(([kind]) => kind),
    ['no-module-directory', 'module', 'no-modprobe', 'sysctl'],
  );
  assert.equal(kinds.size, 11);
});

test('the container: three times modprobe, once a kernel setting, nothing else', () => {
  const log = readFileSync(join(import.meta.dirname, '../golden/logs/container-ufw-startup.log'), 'latin1');
  assert.deepEqual(
    startupErrors(log).map(({ line, error }) => [line, error]),
    [
      [1, { kind: 'no-module-directory' }],
      [2, { kind: 'no-module-directory' }],
      [3, { kind: 'no-module-directory' }],
      [6, sack()],
    ],
  );
});

test('cut at any place a line gives the same error, a vaguer one, or none', () => {
  for (const [line, wanted] of rows) {
    for (let length = 0; length < line.length; length++) {
      const [found] = startupErrors(line.slice(0, length));
      if (found?.error.kind !== 'sysctl' || wanted?.kind !== 'sysctl' || wanted.key === undefined) continue;
      const { key } = found.error;
      if (key === undefined || key.name === wanted.key.name) continue;
      assert.ok(key.cut && wanted.key.name.startsWith(key.name), `${line.slice(0, length)}: ${key.name}`);
    }
  }
});

test('any bytes: no exception, and long lines take no longer than their length', () => {
  const pieces = [
    ...rows.map(([line]) => line),
    '\0',
    '\x1b[31m',
    '\xff\xfe',
    "'",
    '"',
    ' ',
    'sysctl: ',
    'modprobe: ',
    '\r',
  ];
  let seed = 7;
  const random = (below: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) & 0x7fffffff;
    return seed % below;
  };
  let errors = 0;
  for (let round = 0; round < 20_000; round++) {
    const parts = Array.from({ length: 1 + random(4) }, () => pieces[random(pieces.length)] ?? '');
    errors += startupErrors(parts.map((part) => part.slice(random(part.length + 1) >> 1)).join('')).length;
  }
  assert.ok(errors > 1_000, `${errors} lines were errors`);
  const begun = performance.now();
  for (const piece of ["'", ' ', 'a', 'iptables: ', 'sysctl: ', 'modprobe: ']) startupErrors(piece.repeat(200_000));
  assertPrompt(performance.now() - begun, 2_000);
});

test('the first separator of a name decides', () => {
  assert.equal(sysctlPath('net.ipv4.conf.eth0/10.rp_filter'), 'net/ipv4/conf/eth0.10/rp_filter');
  assert.equal(sysctlPath('net/ipv4/conf/eth0.10/rp_filter'), 'net/ipv4/conf/eth0.10/rp_filter');
  assert.equal(sysctlPath('kernel'), 'kernel');
});
