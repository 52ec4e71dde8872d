// What the doctor asks of a machine, as plain data. Nothing here is a judgement.
import type { JournaldSettings } from './journald-settings.ts';
import type { EarlyDrop, LogRule } from './log-rules.ts';
import type { MachineClues } from './machine-kind.ts';
import type { RsyslogConfig } from './rsyslog-config.ts';
import type { UlogdConfig } from './ulogd-config.ts';

export type Facts = {
  readonly uid: number;
  readonly machine: MachineClues;
  readonly ring: RingFacts;
  readonly network: NetworkFacts;
  readonly rules: RuleFacts;
  readonly journal: JournalFacts;
  readonly syslog: SyslogFacts;
  readonly nflog: NflogFacts;
  readonly services: ServiceFacts;
};

/** How a file of the kernel answers. */
export type Answer = 'readable' | 'absent' | 'refused' | 'invalid' | 'odd';

export type RingFacts = {
  /** A read of 8 KiB from /dev/kmsg. */
  readonly kmsg: Answer;
  readonly kmsgSaid: string;
  /** syslog(2), asked by dmesg; `absent`: there is no such program. */
  readonly dmesg: Answer;
  readonly dmesgSaid: string;
  /** Opening /proc/kmsg; it is never read, since that takes the lines from others. */
  readonly procKmsg: Answer;
  /** kernel.dmesg_restrict */
  readonly restricted: boolean;
  /** CAP_SYSLOG is among the effective capabilities. */
  readonly mayAsk: boolean;
  /** Not the machine's first user namespace: CAP_SYSLOG of another one opens no door of the ring (kernel/printk/printk.c). */
  readonly ownUsers: boolean;
  /** Processes of this pid namespace that have /proc/kmsg open. */
  readonly consumers: readonly Process[];
  /** Daemons that have /dev/kmsg open for reading. */
  readonly kmsgReaders: readonly Process[];
  /** The newest records of the kernel's own facility. */
  readonly records: readonly RingRecord[];
};

export type Process = { readonly pid: number; readonly name: string };

export type RingRecord = {
  /** Since boot. */
  readonly us: number;
  readonly level: number;
  readonly text: string;
  /** Seconds. */
  readonly age: number;
};

export type NetworkFacts = {
  /** The machine's first network namespace; only there net.netfilter.nf_log_all_netns exists. */
  readonly isFirst: boolean | undefined;
  readonly allNamespaces: boolean | undefined;
  /** How many other network namespaces processes are in. */
  readonly others: number;
  readonly interfaces: readonly string[];
  /** The interface `lo` is up; `undefined` where no program tells it. */
  readonly loopbackUp: boolean | undefined;
  /** Number of a family (2 IPv4, 7 bridge, 10 IPv6) -> the logger that is bound, and those that could be. */
  readonly loggers: ReadonlyMap<number, Logger>;
};

export type Logger = { readonly bound: string; readonly known: readonly string[] };

export type RuleFacts = {
  readonly log: readonly LogRule[];
  /** Chains that see locally made packets and can drop them. */
  readonly drops: readonly EarlyDrop[];
  readonly tools: { readonly nft: boolean; readonly iptables: boolean };
};

export type JournalFacts = {
  readonly running: boolean;
  /** It began before its configuration was last written. */
  readonly outdated: boolean;
  /** systemd is this machine's init. */
  readonly expected: boolean;
  readonly settings: JournaldSettings;
  /** Microseconds since boot of the newest kernel record of this boot. */
  readonly newestUs: number | undefined;
  readonly missed: { readonly text: string; readonly secondsAgo: number } | undefined;
};

export type SyslogFacts = {
  /** Running syslog daemons by name: rsyslogd, syslog-ng, syslogd. */
  readonly daemons: readonly Process[];
  /** rsyslogd began before its configuration was last written. */
  readonly outdated: boolean;
  /** Programs of syslog daemons that are installed. */
  readonly installed: readonly string[];
  readonly rsyslog: RsyslogConfig;
  /** What rsyslog said about its kernel input. */
  readonly complaints: readonly string[];
  readonly files: readonly LogFile[];
  /** Our dmesg-to-file collector runs. */
  readonly collector: boolean;
};

export type LogFile = {
  readonly path: string;
  readonly size: number;
  /** Seconds since the last write. */
  readonly age: number;
  readonly uid: number;
};

export type NflogFacts = {
  /** Group numbers that a process of this network namespace listens to. */
  readonly heard: readonly number[];
  readonly ulogd: boolean;
  readonly config: UlogdConfig;
};

export type ServiceFacts = {
  readonly manager: 'systemd' | 'init' | 'none';
  /** Of systemctl, service, update-rc.d and chkconfig those that are there. */
  readonly programs: readonly string[];
  readonly ufw: { readonly enabled: boolean; readonly level: string } | undefined;
};
