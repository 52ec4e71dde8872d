// The situations that the doctor has to tell apart, and what it must say in each: the path that matters, its state, its
// cause. All paths that are not named must not be broken.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cause, Path, State } from '../../src/doctor/verdict.ts';
import { turnRingOver } from '../watch-sources/ring.ts';
import {
  type Situation,
  withJournald,
  withoutRsyslog,
  withRsyslog,
  withSystemd,
  withUfwFilter,
  withUlogd,
} from './situation.ts';

export type Row = readonly [path: Path, state: State, cause?: Cause];

export type Case = {
  readonly name: string;
  /** `broken` ones end with exit code 3. */
  readonly health: 'healthy' | 'broken';
  readonly prepare: (on: Situation) => Promise<unknown>;
  readonly rows: readonly Row[];
  /** Who asks: a program that runs the doctor, as `capsh --drop=...`. */
  readonly asker?: readonly string[];
  /** The program itself is asked, as users start it, and not its modules: it comes to the same. */
  readonly byProgram?: true;
  /** What a person must read, of the program itself. */
  readonly says?: readonly RegExp[];
  /** It reads /proc/kmsg, or makes the ring go round. */
  readonly alone?: true;
  /** fixes.test.ts looks at it and then mends it. */
  readonly isMended?: true;
  /** Why something in it is no real thing. */
  readonly stub?: string;
  /** No fact shows it: without a probe nothing is broken. */
  readonly byProbeOnly?: true;
};

export const nftLog = (prefix = 'RULE 5 -- DENY ', more = ''): string =>
  `nft 'add table inet fw; add chain inet fw in { type filter hook input priority 0; }; add rule inet fw in tcp dport 23 ${more} log prefix "${prefix}" drop'`;

const ufwRules = [
  'iptables -N ufw-logging-deny; iptables -A INPUT -p udp --dport 7000:7999 -j ufw-logging-deny',
  'iptables -A ufw-logging-deny -m limit --limit 3/min --limit-burst 10 -j LOG --log-prefix "[UFW BLOCK] "',
].join('; ');

export const debian12 = async (on: Situation, settings = ''): Promise<void> => {
  await withoutRsyslog(on);
  await withJournald(on, settings);
  await on.sh(nftLog());
};

/** Real systems' journald gets nothing from such a device, and neither does anybody else. */
const noKmsg = 'rm /dev/kmsg';

/**
 * As in Linux before 3.5: it can be opened, and each read gives EINVAL, since the driver has no such operation. Here that is
 * the device loop-control, whose driver has none either.
 */
const oldKmsg = 'rm /dev/kmsg; mknod -m 644 /dev/kmsg c 10 237';

const openVz = 'mkdir -p /run/systemd; echo openvz >/run/systemd/container';

/** Another network namespace on the same kernel, with a device that is only there. */
const neighbour =
  "unshare -n sh -c 'ip link add far0 type veth peer name far1; ip addr add 192.0.2.1/24 dev far0; ip link set far0 up; " +
  'ip link set far1 up; nft "add table ip t; add chain ip t o { type filter hook output priority 0; }; ' +
  'add rule ip t o log prefix \\"neighbour \\""; bash -c "echo >/dev/udp/192.0.2.9/9"\'';

/** The user's case: a container of a node with an old kernel, Debian 8 with systemd and no syslog daemon. */
const oldContainer = async (on: Situation): Promise<void> => {
  await on.sh(`${oldKmsg}; ${openVz}`);
  await debian12(on);
};

/** It would have imklog and imjournal. */
const impostor = [
  'mkdir -m 777 /var/lib/user; printf "#!/bin/sh\\nsleep 600\\n" >/var/lib/user/rsyslogd; chmod 755 /var/lib/user/rsyslogd',
  'printf "module(load=\\"imklog\\")\\nmodule(load=\\"imjournal\\")\\nkern.* /var/log/kern.log\\n" >/var/lib/user/evil.conf',
  'setsid setpriv --reuid=65534 --clear-groups /var/lib/user/rsyslogd -f /var/lib/user/evil.conf </dev/null >/dev/null 2>&1 &',
  'until pgrep -u 65534 rsyslogd >/dev/null; do sleep 0.1; done',
].join('\n');

const ulogd = (group: number): string =>
  [
    '[global]',
    'logfile="/var/log/ulogd.log"',
    ...['inppkt_NFLOG', 'raw2packet_BASE', 'filter_IFINDEX', 'filter_IP2STR', 'filter_PRINTPKT', 'output_LOGEMU'].map(
      (name) => `plugin="/usr/lib/x86_64-linux-gnu/ulogd/ulogd_${name}.so"`,
    ),
    'stack=log1:NFLOG,base1:BASE,ifi1:IFINDEX,ip2str1:IP2STR,print1:PRINTPKT,emu1:LOGEMU',
    '[log1]',
    `group=${group}`,
    '[emu1]',
    'file="/var/log/ulog/syslogemu.log"',
    'sync=1',
    '',
  ].join('\n');

const nflogRule =
  'nft \'add table ip fw; add chain ip fw in { type filter hook input priority 0; }; add rule ip fw in udp dport 7000 log prefix "seen " group 3\'';

export const cases: readonly Case[] = [
  {
    name: 'Debian 12: journald and no syslog daemon',
    health: 'healthy',
    byProgram: true,
    prepare: (on) => debian12(on),
    rows: [
      ['rules', 'works'],
      ['kmsg', 'works'],
      ['journal', 'works'],
      ['kern.log', 'absent', 'no-syslog-daemon'],
    ],
  },
  {
    name: "journald and rsyslog with imklog, ufw's rules by iptables",
    health: 'healthy',
    alone: true,
    prepare: async (on) => {
      await withJournald(on);
      await withUfwFilter(on, false);
      await withRsyslog(on, ['imuxsock', 'imklog']);
      await on.sh(ufwRules);
    },
    rows: [
      ['rules', 'works', 'sampled'],
      ['journal', 'works'],
      ['kern.log', 'works'],
      ['ufw.log', 'works'],
      ['syslog', 'works'],
    ],
  },
  {
    name: 'a container with dmesg alone: no journald, no /dev/kmsg',
    health: 'healthy',
    prepare: async (on) => {
      await withoutRsyslog(on);
      await on.sh(`${noKmsg}; mkdir -p /run/systemd; echo docker >/run/systemd/container`);
      await on.sh(nftLog());
    },
    rows: [
      ['rules', 'works'],
      ['kmsg', 'absent', 'kmsg-absent'],
      ['journal', 'absent', 'no-journald'],
    ],
  },
  {
    name: 'NFLOG to ulogd2',
    health: 'healthy',
    prepare: async (on) => {
      await debian12(on);
      await withUlogd(on, ulogd(3));
      await on.sh(nflogRule);
    },
    rows: [
      ['nflog', 'works'],
      ['journal', 'works'],
    ],
  },
  {
    name: 'iptables of the old kind, with a debug level',
    health: 'healthy',
    prepare: async (on) => {
      await withoutRsyslog(on);
      await withJournald(on);
      await on.sh('iptables-legacy -A INPUT -p tcp --dport 23 -j LOG --log-level debug --log-prefix "telnet: "');
    },
    rows: [
      ['rules', 'works'],
      ['journal', 'works'],
    ],
  },
  {
    name: 'a container that sees the lines of another one',
    health: 'healthy',
    prepare: async (on) => {
      await on.sh('mkdir -p /run/systemd; echo lxc >/run/systemd/container');
      await debian12(on);
      await on.sh(neighbour);
    },
    rows: [
      ['ring', 'works', 'shared-ring'],
      ['journal', 'works'],
    ],
  },
  {
    name: 'journald is stopped',
    health: 'broken',
    prepare: async (on) => {
      await withoutRsyslog(on);
      await withSystemd(on);
      await on.sh(nftLog());
    },
    rows: [['journal', 'broken', 'journald-down']],
  },
  {
    name: 'journald: ReadKMsg=no',
    health: 'broken',
    isMended: true,
    prepare: (on) => debian12(on, 'ReadKMsg=no'),
    rows: [['journal', 'broken', 'journald-reads-no-kmsg']],
  },
  {
    name: 'journald: Storage=none',
    health: 'broken',
    isMended: true,
    prepare: (on) => debian12(on, 'Storage=none'),
    rows: [['journal', 'broken', 'journald-stores-nothing']],
  },
  {
    name: 'journald: MaxLevelStore=err, and rules that log as warnings',
    health: 'broken',
    isMended: true,
    prepare: (on) => debian12(on, 'MaxLevelStore=err'),
    rows: [['journal', 'broken', 'journald-level']],
  },
  {
    name: 'journald was stopped while the ring went round',
    health: 'broken',
    alone: true,
    prepare: async (on) => {
      await debian12(on);
      await on.sh('kill -STOP $(pidof systemd-journald)');
      await sleep(3_500); // what it misses in its first seconds is not its fault
      await turnRingOver();
      await on.sh('kill -CONT $(pidof systemd-journald)');
      await on.until('journalctl -n 5 --no-pager -o cat MESSAGE_ID=e9bf28e6e834481bb6f48f548ad13606 | grep -c Missed');
      await sleep(1_000);
    },
    rows: [['journal', 'broken', 'journald-missed']],
  },
  {
    name: 'rsyslog with imuxsock only',
    health: 'broken',
    isMended: true,
    prepare: async (on) => {
      await withJournald(on);
      await withRsyslog(on, ['imuxsock']);
      await on.sh(nftLog());
    },
    rows: [
      ['journal', 'works'],
      ['kern.log', 'broken', 'no-kernel-input'],
      ['syslog', 'broken', 'no-kernel-input'],
    ],
  },
  {
    name: 'rsyslogd without CAP_SYSLOG: imklog is refused',
    health: 'broken',
    prepare: async (on) => {
      await withJournald(on);
      await withRsyslog(on, ['imuxsock', 'imklog'], { dropped: 'cap_syslog' });
      await on.sh(nftLog());
    },
    rows: [
      ['kern.log', 'broken', 'imklog-refused'],
      ['syslog', 'broken', 'imklog-refused'],
    ],
  },
  {
    name: 'a second reader of /proc/kmsg beside imklog',
    health: 'broken',
    alone: true,
    prepare: async (on) => {
      await withJournald(on);
      await withRsyslog(on, ['imuxsock', 'imklog']);
      await on.sh(`setsid cat /proc/kmsg </dev/null >/dev/null 2>&1 & ${nftLog()}`);
    },
    rows: [
      ['kern.log', 'broken', 'two-ring-readers'],
      ['syslog', 'broken', 'two-ring-readers'],
    ],
  },
  {
    name: 'imklog and imjournal: every line twice',
    health: 'broken',
    isMended: true,
    alone: true,
    prepare: async (on) => {
      await withJournald(on);
      await withRsyslog(on, ['imuxsock', 'imklog', 'imjournal']);
      await on.sh(nftLog());
    },
    rows: [
      ['kern.log', 'broken', 'doubled'],
      ['syslog', 'broken', 'doubled'],
    ],
  },
  {
    name: 'rsyslog is installed, and stopped',
    health: 'broken',
    prepare: async (on) => {
      await withJournald(on);
      await on.sh(nftLog());
    },
    rows: [
      ['kern.log', 'broken', 'syslog-daemon-down'],
      ['syslog', 'broken', 'syslog-daemon-down'],
    ],
  },
  {
    name: "a user's program with rsyslogd's name, and a configuration of the user's",
    health: 'broken',
    prepare: async (on) => {
      await withJournald(on);
      await on.sh(`${impostor}; ${nftLog()}`);
    },
    rows: [
      ['kern.log', 'broken', 'syslog-daemon-down'],
      ['syslog', 'broken', 'syslog-daemon-down'],
    ],
  },
  {
    name: 'a container with journald and no /dev/kmsg',
    health: 'broken',
    prepare: async (on) => {
      await on.sh(`${noKmsg}; mkdir -p /run/systemd; echo lxc >/run/systemd/container`);
      await debian12(on);
    },
    rows: [
      ['kmsg', 'absent', 'kmsg-absent'],
      ['journal', 'broken', 'kmsg-absent'],
      ['kern.log', 'broken', 'no-collector'],
    ],
  },
  {
    name: 'OpenVZ: /dev/kmsg can be opened and not read',
    health: 'broken',
    isMended: true,
    stub: 'no such kernel runs here: a device whose driver has no read operation either stands for it',
    prepare: oldContainer,
    rows: [
      ['kmsg', 'broken', 'kmsg-unreadable'],
      ['journal', 'broken', 'kmsg-unreadable'],
      ['kern.log', 'broken', 'no-collector'],
    ],
  },
  {
    name: 'the doctor, and what runs beside it, without CAP_SYSLOG',
    health: 'broken',
    byProgram: true,
    asker: ['capsh', '--drop=cap_syslog', '--', '-c', 'exec "$@"', 'sh'],
    prepare: (on) => debian12(on),
    rows: [
      ['ring', 'broken', 'dmesg-refused'],
      ['kmsg', 'absent', 'kmsg-refused'],
    ],
  },
  {
    name: 'no logger is bound in this network namespace',
    health: 'broken',
    isMended: true,
    prepare: async (on) => {
      await debian12(on);
      await on.sh('for f in 2 10; do echo NONE >/proc/sys/net/netfilter/nf_log/$f; done');
    },
    rows: [['rules', 'broken', 'no-logger']],
  },
  {
    name: 'an early chain of nft drops the packet',
    health: 'broken',
    byProbeOnly: true,
    prepare: async (on) => {
      await debian12(on);
      await on.sh(
        "nft 'add table ip early; add chain ip early out { type filter hook output priority -400; policy drop; }'",
      );
    },
    rows: [['rules', 'broken', 'packet-not-seen']],
  },
  {
    name: 'lo is down, so that no packet of the probe goes anywhere',
    health: 'broken',
    byProbeOnly: true,
    prepare: async (on) => {
      await debian12(on);
      await on.sh('ip link set lo down; ip addr flush dev lo'); // as in a network namespace that was just made
    },
    rows: [['rules', 'broken', 'loopback-down']],
    says: [/the interface lo is down/, /fix: ip link set lo up/],
  },
  {
    name: "root of a container's own user namespace, who may not read the ring",
    health: 'broken',
    asker: ['unshare', '-U', '-r', '-n', 'sh', '-c', 'ip link set lo up; exec "$@"', 'sh'],
    prepare: async (on) => {
      await withoutRsyslog(on);
      await on.sh('mkdir -p /run/systemd; echo lxc >/run/systemd/container');
    },
    rows: [
      ['ring', 'broken', 'dmesg-refused'],
      ['kmsg', 'absent', 'kmsg-refused'],
    ],
    says: [/user namespace: root in here may not read it/, /read the lines on the host/, /NFLOG with ulogd2 in here/],
  },
  {
    name: "rules of the old iptables, and its own table 'raw' drops the packet",
    health: 'broken',
    byProbeOnly: true,
    prepare: async (on) => {
      await withoutRsyslog(on);
      await withJournald(on);
      await on.sh('iptables-legacy -A INPUT -p tcp -j LOG; iptables-legacy -t raw -A OUTPUT -o lo -j DROP');
    },
    rows: [['rules', 'broken', 'packet-not-seen']],
  },
  {
    name: "ufw's limit hides most of a scan",
    health: 'broken',
    prepare: async (on) => {
      await withoutRsyslog(on);
      await withJournald(on);
      await on.sh(`${ufwRules}; bash -c 'for p in {7000..7040}; do echo >/dev/udp/127.0.0.1/$p; done' || true`);
    },
    rows: [
      ['rules', 'broken', 'sampled'],
      ['journal', 'works'],
    ],
  },
  {
    name: "ufw's filter, and rules of others: not broken",
    health: 'healthy',
    alone: true,
    prepare: async (on) => {
      await withJournald(on);
      await withUfwFilter(on, true);
      await withRsyslog(on, ['imuxsock', 'imklog']);
      await on.sh(nftLog());
    },
    rows: [
      ['ufw.log', 'absent', 'not-ufw'],
      ['kern.log', 'works'],
    ],
  },
  {
    name: "'& stop' behind ufw's filter: not broken, and explained",
    health: 'healthy',
    alone: true,
    prepare: async (on) => {
      await withJournald(on);
      await withUfwFilter(on, true);
      await withRsyslog(on, ['imuxsock', 'imklog']);
      await on.sh(ufwRules);
    },
    rows: [
      ['ufw.log', 'works'],
      ['kern.log', 'absent', 'ufw-only'],
      ['syslog', 'absent', 'ufw-only'],
    ],
  },
  {
    name: 'NFLOG to a group that nobody listens to',
    health: 'broken',
    prepare: async (on) => {
      await debian12(on);
      await withUlogd(on, ulogd(1));
      await on.sh(nflogRule);
    },
    rows: [['nflog', 'broken', 'nflog-unheard']],
  },
  {
    name: 'ulogd2 listens, and writes where nobody looks',
    health: 'broken',
    byProbeOnly: true,
    prepare: async (on) => {
      await debian12(on);
      await withUlogd(on, ulogd(3));
      // its open file is no longer the one that has the name, as after a rotation without a signal
      await on.sh(`mv /var/log/ulog/syslogemu.log /var/log/ulog/syslogemu.log.1; ${nflogRule}`);
    },
    rows: [['nflog', 'broken', 'ulogd-silent']],
  },
];
