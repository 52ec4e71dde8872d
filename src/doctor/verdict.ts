// What the doctor says: of each path that a line of the firewall can take, whether it works, and if not, why.

export const paths = ['rules', 'ring', 'kmsg', 'journal', 'kern.log', 'ufw.log', 'syslog', 'nflog'] as const;

/** `rules` is where lines begin: the LOG rules and the kernel's logger behind them. `syslog` is also /var/log/messages. */
export type Path = (typeof paths)[number];

/** `absent`: not there, and that is normal here. `unknown`: it cannot be seen from here, or not without a probe. */
export type State = 'works' | 'broken' | 'absent' | 'unknown';

/** All that can be the matter. With `works` or `absent` it is a remark. */
export const causes = [
  'no-log-rules',
  'packet-not-seen',
  'loopback-down',
  'namespace-not-logged',
  'namespaces-not-logged',
  'no-logger',
  'sampled',
  'dmesg-refused',
  'dmesg-missing',
  'shared-ring',
  'kmsg-absent',
  'kmsg-refused',
  'kmsg-unreadable',
  'no-journald',
  'journald-down',
  'journald-reads-no-kmsg',
  'journald-stores-nothing',
  'journald-level',
  'journald-missed',
  'no-syslog-daemon',
  'syslog-daemon-down',
  'other-syslog-daemon',
  'no-collector',
  'not-configured',
  'no-kernel-input',
  'imklog-refused',
  'two-ring-readers',
  'doubled',
  'not-ufw',
  'ufw-only',
  'no-nflog',
  'nflog-unheard',
  'ulogd-silent',
  'not-arrived',
] as const;

export type Cause = (typeof causes)[number];

export const fixNames = [
  'dmesg-collector',
  'rsyslog-imklog',
  'rsyslog-one-reader',
  'journald-read-kmsg',
  'journald-storage',
  'journald-level',
  'nf-log-all-netns',
  'nf-log-logger',
] as const;

export type FixName = (typeof fixNames)[number];

export type Verdict = {
  readonly path: Path;
  readonly state: State;
  readonly cause?: Cause;
  /** What was seen, for people. */
  readonly evidence: string;
};
