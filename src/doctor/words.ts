// A verdict -> words for people: why it is so, and what to do about it. Every cause has its words here and nowhere else.
import { unreachable } from '../model/unreachable.ts';
import type { Facts } from './facts.ts';
import type { MachineKind } from './machine-kind.ts';
import { advice, type Explanation, fix, type Remedy } from './remedy.ts';
import { kmsgWords, notArrived, refusedRing } from './ring-words.ts';
import type { Verdict } from './verdict.ts';

/** Path, state, why, what was seen, what to do; not yet safe for a terminal, since names of files and interfaces are in it. */
export function verdictLine(verdict: Verdict, { kind, facts }: Seen): string {
  const { because, remedy } = explain(verdict, kind, facts) ?? {};
  const words = [because, verdict.evidence, verdict.state === 'absent' ? undefined : remedyText(verdict, remedy)];
  const text = words.filter((one) => one !== undefined).join('; ');
  return `${verdict.path.padEnd(9)} ${verdict.state.padEnd(8)} ${text}`;
}

type Seen = { readonly kind: MachineKind; readonly facts: Facts };

function remedyText({ state }: Verdict, remedy: Remedy | undefined): string | undefined {
  if (remedy === undefined) return undefined;
  const text = remedy.kind === 'fix' ? `bridgekeeper doctor --fix ${remedy.name}` : remedy.text;
  return `${state === 'broken' ? 'fix' : 'note'}: ${text}`;
}

/** `undefined`: there is nothing to explain. */
export function explain({ cause, path }: Verdict, kind: MachineKind, facts: Facts): Explanation | undefined {
  switch (cause) {
    case undefined:
      return undefined;
    case 'no-log-rules':
      return { because: 'no rule logs anything' };
    case 'packet-not-seen':
      return advice('the packet does not come to the rule', 'show the chain with: nft list ruleset, iptables-save');
    case 'loopback-down':
      return advice(
        'lo is down, so that no packet goes over loopback, neither a probe nor what programs here send each other',
        'ip link set lo up (at every start: auto lo and iface lo inet loopback in /etc/network/interfaces), and probe again',
      );
    case 'namespace-not-logged':
      return advice(
        'the kernel drops the LOG lines of network namespaces other than its first',
        'on the host: bridgekeeper doctor --fix nf-log-all-netns, or NFLOG with ulogd2 in here',
      );
    case 'namespaces-not-logged':
      return fix('LOG rules in containers on this host write nothing', 'nf-log-all-netns');
    case 'no-logger':
      return noLogger(facts);
    case 'sampled':
      return advice(
        'a limit lets only a sample through, shared by all senders',
        'ufw logging high (many lines), or a rule with NFLOG and no limit',
      );
    case 'dmesg-refused':
      return refusedRing(kind, facts);
    case 'dmesg-missing':
      return advice('there is no program that asks for the ring', 'install util-linux');
    case 'shared-ring':
      return advice(
        'the ring belongs to the whole machine, and others write into it',
        'believe only lines of own interfaces and addresses; ban nobody by others',
      );
    case 'kmsg-absent':
    case 'kmsg-refused':
    case 'kmsg-unreadable':
      return kmsgWords(cause, path, kind, facts);
    case 'no-journald':
      return { because: 'this machine keeps no journal' };
    case 'journald-down':
      return advice('journald does not run', 'systemctl unmask systemd-journald; systemctl start systemd-journald');
    case 'journald-reads-no-kmsg':
      return fix('journald was told not to read the kernel', 'journald-read-kmsg');
    case 'journald-stores-nothing':
      return fix('journald was told to keep nothing', 'journald-storage');
    case 'journald-level':
      return fix('journald keeps only what is more important than these lines', 'journald-level');
    case 'journald-missed':
      return advice('journald was slower than the kernel, and lost lines', 'log less, or log by NFLOG with ulogd2');
    case 'no-syslog-daemon':
      return { because: 'no syslog daemon is here, as is usual since Debian 12' };
    case 'syslog-daemon-down':
      return advice('the syslog daemon does not run', 'systemctl start rsyslog, or service rsyslog start');
    case 'other-syslog-daemon':
      return advice('this daemon keeps its own ways', 'doctor --probe shows whether lines arrive');
    case 'no-collector':
      return fix('nothing takes the lines from the ring before it goes round', 'dmesg-collector');
    case 'not-configured':
      return { because: 'the syslog daemon writes no such file' };
    case 'no-kernel-input':
      return fix('rsyslog listens to programs only, and journald passes no kernel lines on', 'rsyslog-imklog');
    case 'imklog-refused':
      return advice(
        'rsyslog may not open /proc/kmsg',
        'give rsyslogd CAP_SYSLOG; where the node refuses it, load imjournal instead of imklog',
      );
    case 'two-ring-readers':
      return advice('two programs read /proc/kmsg, and each line goes to one of them', 'stop the other reader');
    case 'doubled':
      return fix('rsyslog reads the kernel in two ways: every line comes twice', 'rsyslog-one-reader');
    case 'not-ufw':
      return { because: "only lines of ufw's go there" };
    case 'ufw-only':
      return { because: "ufw's lines go to ufw.log only" };
    case 'no-nflog':
      return { because: 'nothing is sent this way' };
    case 'nflog-unheard':
      return advice('nobody listens to the group of the rules', 'start ulogd2, with this group in /etc/ulogd.conf');
    case 'ulogd-silent':
      return advice('ulogd gets the packets and writes none', 'look at the stacks and files in /etc/ulogd.conf');
    case 'not-arrived':
      return notArrived(path, kind);
    default:
      return unreachable(cause);
  }
}

function noLogger({ network }: Facts): Explanation {
  const because = 'the kernel has no logger bound, so that LOG writes nothing';
  const known = [...network.loggers.values()].some((logger) => logger.known.some((name) => name.startsWith('nf_log_')));
  return known ? fix(because, 'nf-log-logger') : advice(because, 'on the host: modprobe nf_log_syslog (nf_log_ipv4)');
}
