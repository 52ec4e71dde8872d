// The shell's answers about kernel, ring, network and rules -> facts. What is missing or odd becomes 'not known'.
import { parseDmesgLine } from '../watch/sources/dmesg-line.ts';
import { type Answers, linesOf, ownNamespace } from './answers.ts';
import type { Answer, Logger, NetworkFacts, Process, RingFacts, RuleFacts, ServiceFacts } from './facts.ts';
import { iptablesLogRules, iptablesTables } from './iptables-log-rules.ts';
import type { Backend, RuleText } from './log-rules.ts';
import type { MachineClues } from './machine-kind.ts';
import { nftLogRules } from './nft-log-rules.ts';
import { processesOf } from './read-daemons.ts';

export function machineClues(all: Answers): MachineClues {
  const envId = field(all, 'envID');
  const pidNamespace = ownNamespace(all, 'pid');
  return {
    ...(envId !== undefined && { envId }),
    ...(pidNamespace !== undefined && { pidNamespace }),
    kernelThreads: linesOf(all, 'threads').includes('(kthreadd)'),
    named: linesOf(all, 'container').filter((line) => /^[a-z-]+$/.test(line)),
    marks: linesOf(all, 'marks'),
    controlGroups: all.get('groups') ?? '',
    hypervisor: linesOf(all, 'hypervisor').includes('hypervisor'),
    hardware: linesOf(all, 'hardware')
      .filter((line) => !/: (?:No such file|Permission denied|not found|can.t )/.test(line))
      .join('\n'),
  };
}

/** A line `Name: value` of /proc/self/status. */
function field(all: Answers, name: string): string | undefined {
  const line = linesOf(all, 'status').find((one) => one.startsWith(`${name}:`));
  return line?.slice(name.length + 1).trim();
}

const syslogCapability = 34n;

/** PROC_USER_INIT_INO of include/linux/proc_ns.h; kernels without user namespaces show none. */
function isOwn(users: string | undefined): boolean {
  return /^user:\[\d+\]$/.test(users ?? '') && users !== 'user:[4026531837]';
}

/** `uptime` in seconds. */
export function ringFacts(all: Answers, uptime: number): RingFacts {
  const kmsgSaid = linesOf(all, 'kmsg').join(' ');
  const dmesgSaid = linesOf(all, 'dmesg').join(' ');
  const own = ownNamespace(all, 'pid');
  const readers = (path: string): readonly Process[] =>
    linesOf(all, 'consumers').flatMap((line) => (line.endsWith(` ${path}`) ? inNamespace(line, own) : []));
  return {
    kmsg: answerOf(kmsgSaid),
    kmsgSaid,
    dmesg: answerOf(dmesgSaid),
    dmesgSaid,
    procKmsg: answerOf(linesOf(all, 'consumption').join(' ')),
    restricted: setting(all, 'kernel/dmesg_restrict') === '1',
    ownUsers: isOwn(ownNamespace(all, 'user')),
    mayAsk: ((BigInt(`0x${field(all, 'CapEff') ?? '0'}`) >> syslogCapability) & 1n) === 1n,
    consumers: readers('/proc/kmsg'),
    kmsgReaders: readers('/dev/kmsg').filter(({ pid }) => processesOf(all).some((daemon) => daemon.pid === pid)),
    records: linesOf(all, 'ring').flatMap((line) => recordOf(line, uptime)),
  };
}

function answerOf(said: string): Answer {
  if (/\breadable$/.test(said) || /Resource temporarily unavailable|Broken pipe/.test(said)) return 'readable';
  if (said === 'absent' || /No such (?:file|device)/.test(said)) return 'absent';
  if (/Operation not permitted|Permission denied/i.test(said)) return 'refused';
  return /Invalid argument/.test(said) ? 'invalid' : 'odd';
}

/** `PID NAME NAMESPACE ...`; containers on this machine have namespaces of their own. */
function inNamespace(line: string, own: string | undefined): readonly Process[] {
  const [pid = '', name = '', namespace = '-'] = line.split(' ');
  return own === undefined || namespace === '-' || namespace === own ? [{ pid: Number(pid), name }] : [];
}

function recordOf(line: string, uptime: number): RingFacts['records'] {
  const record = parseDmesgLine(Buffer.from(line));
  // a stamp of the future: an OpenVZ container counts from the node's boot, and its uptime from its own
  if (record === undefined || record.facility !== 0) return [];
  const level = Number(/^<(\d+)>/.exec(line)?.[1] ?? 0) & 7;
  return [{ us: record.us, level, text: record.text.toString('utf8'), age: uptime - record.us / 1e6 }];
}

function setting(all: Answers, name: string): string | undefined {
  const line = linesOf(all, 'settings').find((one) => one.startsWith(`${name} `));
  return line?.slice(name.length + 1) || undefined;
}

export function networkFacts(all: Answers, kernelThreads: boolean): NetworkFacts {
  const allNamespaces = setting(all, 'net/netfilter/nf_log_all_netns');
  const own = ownNamespace(all, 'net');
  const lines = linesOf(all, 'namespaces').filter((line) => !line.startsWith('self '));
  const first = lines.find((line) => line.startsWith('init '))?.slice(5);
  const loggers = new Map(linesOf(all, 'loggers').flatMap(loggerOf));
  return {
    // only the first namespace has the setting; a kernel that never had it shows its first process at least
    isFirst: allNamespaces !== undefined || (kernelThreads ? own === first : loggers.size > 0 ? false : undefined),
    allNamespaces: allNamespaces === undefined ? undefined : allNamespaces === '1',
    others: lines.filter((line) => line.startsWith('net:') && line !== own).length,
    loopbackUp: loopbackUp(linesOf(all, 'loopback').join(' ')),
    interfaces: linesOf(all, 'interfaces').flatMap((line) => /^\s*([^\s:|]+):/.exec(line)?.[1] ?? []),
    loggers,
  };
}

/** `1: lo: <LOOPBACK,UP,LOWER_UP> ...`, or ifconfig's `UP LOOPBACK RUNNING` and `flags=73<UP,LOOPBACK,RUNNING>`. */
function loopbackUp(said: string): boolean | undefined {
  return /\bLOOPBACK\b/.test(said) ? /\bUP\b/.test(said) : undefined;
}

/** ` 2 nf_log_ipv4 (nf_log_ipv4,nfnetlink_log)` */
function loggerOf(line: string): readonly (readonly [number, Logger])[] {
  const [, family, bound = '', known = ''] = /^\s*(\d+) (\S+) \(([^)]*)\)$/.exec(line) ?? [];
  return family === undefined ? [] : [[Number(family), { bound, known: known.split(',') }]];
}

export function ruleFacts(all: Answers): RuleFacts {
  const saved = (name: string): string => all.get(name) ?? '';
  const version = linesOf(all, 'tools').find((line) => line.startsWith('iptables v')) ?? '';
  const usual: Backend = version.includes('nf_tables') ? 'iptables' : 'iptables-legacy';
  const texts: readonly RuleText[] = [
    nftLogRules(saved('nft'), usual === 'iptables' ? foreignTables(all) : new Set()),
    iptablesLogRules(saved('iptables'), 'iptables', 'ip'),
    iptablesLogRules(saved('ip6tables'), 'iptables', 'ip6'),
    ...(usual === 'iptables'
      ? [
          iptablesLogRules(saved('iptables-legacy'), 'iptables-legacy', 'ip'),
          iptablesLogRules(saved('ip6tables-legacy'), 'iptables-legacy', 'ip6'),
        ]
      : []),
  ];
  const tools = linesOf(all, 'tools').map((path) => path.slice(path.lastIndexOf('/') + 1));
  return {
    // those of another doctor's probe are nobody's
    log: texts.flatMap(({ log }) => log).filter(({ prefix }) => !prefix.includes('BKPROBE-')),
    drops: texts.flatMap(({ drops }) => drops),
    tools: { nft: tools.includes('nft'), iptables: tools.includes('iptables') },
  };
}

/** iptables' own tables, which nft lists too. */
function foreignTables(all: Answers): ReadonlySet<string> {
  const named = (answer: string, family: string): readonly string[] =>
    iptablesTables(all.get(answer) ?? '').map((table) => `${family} ${table}`);
  return new Set([...named('iptables', 'ip'), ...named('ip6tables', 'ip6')]);
}

export function serviceFacts(all: Answers): ServiceFacts {
  const programs = linesOf(all, 'services').map((path) => path.slice(path.lastIndexOf('/') + 1));
  const ufw = all.get('ufw') ?? '';
  const level = /^LOGLEVEL=(\S+)/m.exec(ufw)?.[1];
  const systemd = linesOf(all, 'marks').includes('/run/systemd/system') && programs.includes('systemctl');
  return {
    manager: systemd ? 'systemd' : programs.includes('service') ? 'init' : 'none',
    programs,
    ufw: level === undefined ? undefined : { enabled: /^ENABLED=yes/m.test(ufw), level },
  };
}
