// Facts of a healthy Debian 12 in a KVM guest, to be changed in one point.
import type { Facts, Logger } from '../../src/doctor/facts.ts';
import type { LogRule } from '../../src/doctor/log-rules.ts';
import type { MachineClues } from '../../src/doctor/machine-kind.ts';
import type { Sightings } from '../../src/doctor/sightings.ts';

export const guest: MachineClues = {
  kernelThreads: true,
  pidNamespace: 'pid:[4026531836]',
  named: [],
  marks: [],
  controlGroups: '0::/init.scope\n',
  hypervisor: true,
  hardware: 'QEMU\nStandard PC (Q35 + ICH9, 2009)\nkvm-clock tsc\nkvm',
};

export const container = (named: string): MachineClues => ({
  ...guest,
  kernelThreads: false,
  pidNamespace: 'pid:[4026532300]',
  named: [named],
});

const logger = (bound: string): Logger => ({ bound, known: ['nf_log_ipv4', 'nfnetlink_log'] });

export const logRule: LogRule = {
  backend: 'nft',
  family: 'ip',
  table: 'fw',
  chain: 'in',
  prefix: 'RULE 5 -- DENY ',
  level: 4,
};

export const ufwRule: LogRule = { ...logRule, backend: 'iptables', table: 'filter', prefix: '[UFW BLOCK] ' };

export const healthy: Facts = {
  uid: 0,
  machine: guest,
  ring: {
    kmsg: 'readable',
    kmsgSaid: 'readable',
    dmesg: 'readable',
    dmesgSaid: 'readable',
    procKmsg: 'readable',
    restricted: true,
    mayAsk: true,
    ownUsers: false,
    consumers: [],
    kmsgReaders: [{ pid: 200, name: 'systemd-journal' }],
    records: [{ us: 90_000_000, level: 4, text: 'RULE 5 -- DENY IN=eth0 OUT= SRC=192.0.2.1', age: 10 }],
  },
  network: {
    isFirst: true,
    allNamespaces: false,
    others: 0,
    interfaces: ['lo', 'eth0'],
    loopbackUp: true,
    loggers: new Map([
      [2, logger('nf_log_ipv4')],
      [10, { bound: 'nf_log_ipv6', known: ['nf_log_ipv6', 'nfnetlink_log'] }],
    ]),
  },
  rules: { log: [logRule], drops: [], tools: { nft: true, iptables: true } },
  journal: {
    running: true,
    outdated: false,
    expected: true,
    settings: { readKmsg: true, storage: 'auto', maxLevelStore: 7, forwardToSyslog: false, from: {} },
    newestUs: 95_000_000,
    missed: undefined,
  },
  syslog: {
    daemons: [],
    outdated: false,
    installed: [],
    rsyslog: { kernelInputs: new Map(), targets: [], ufwStops: false, includes: [] },
    complaints: [],
    files: [],
    collector: false,
  },
  nflog: { heard: [], ulogd: false, config: { groups: [], files: [] } },
  services: { manager: 'systemd', programs: ['systemctl'], ufw: undefined },
};

/** Debian's rsyslog beside journald. */
export const withRsyslog: Facts = {
  ...healthy,
  ring: { ...healthy.ring, consumers: [{ pid: 300, name: 'rsyslogd' }] },
  syslog: {
    ...healthy.syslog,
    daemons: [{ pid: 300, name: 'rsyslogd' }],
    installed: ['rsyslogd'],
    rsyslog: {
      kernelInputs: new Map([['imklog', '/etc/rsyslog.conf']]),
      targets: ['/var/log/syslog', '/var/log/kern.log', '/var/log/ufw.log'],
      ufwStops: false,
      includes: [],
    },
    files: [{ path: '/var/log/kern.log', size: 100, age: 3, uid: 0 }],
  },
};

export const seen = (places: Readonly<Record<string, number>>, more: Partial<Sightings> = {}): Sightings => ({
  nonce: 'BKPROBE-0badcafe1d0f',
  unsent: undefined,
  refusal: undefined,
  counter: 1,
  overrun: false,
  priority: -310,
  seen: new Map(Object.entries(places)),
  ...more,
});
