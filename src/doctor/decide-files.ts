// From the ring into the files of a syslog daemon: kern.log, ufw.log, syslog or messages.
import { unreachable } from '../model/unreachable.ts';
import type { Facts } from './facts.ts';
import type { MachineKind } from './machine-kind.ts';
import type { KernelInput } from './rsyslog-config.ts';
import { type Sightings, sightingsAt } from './sightings.ts';
import type { Cause, Path, State, Verdict } from './verdict.ts';

type Earlier = { readonly ring: Verdict; readonly kmsg: Verdict; readonly journal: Verdict };

type FilePath = Extract<Path, 'kern.log' | 'ufw.log' | 'syslog'>;

const filesOfPath: Readonly<Record<FilePath, readonly string[]>> = {
  'kern.log': ['/var/log/kern.log'],
  'ufw.log': ['/var/log/ufw.log'],
  syslog: ['/var/log/syslog', '/var/log/messages', '/var/log/firewall'],
};

export function decideFiles(
  facts: Facts,
  kind: MachineKind,
  earlier: Earlier,
  probe: Sightings | undefined,
): readonly Verdict[] {
  const common = commonFault(facts, earlier);
  return (['kern.log', 'ufw.log', 'syslog'] as const).map((path) => {
    if (path === 'ufw.log' && !hasUfwRules(facts)) {
      return { path, state: 'absent', cause: 'not-ufw', evidence: 'no prefix of the rules begins with [UFW' };
    }
    if (facts.syslog.daemons.length === 0) return { path, ...withoutDaemon(facts, kind, path, earlier) };
    return decideFile(facts, path, common, probe);
  });
}

function hasUfwRules({ rules }: Facts): boolean {
  return rules.log.some(({ prefix }) => prefix.includes('[UFW '));
}

type Fault = { readonly state: State; readonly cause: Cause; readonly evidence: string };

function decideFile(facts: Facts, path: FilePath, common: Fault | undefined, probe: Sightings | undefined): Verdict {
  const { syslog } = facts;
  if (!runsRsyslog(facts)) return { path, ...ofOtherDaemon(facts, path, probe) };
  const file = filesOfPath[path].find((one) => syslog.rsyslog.targets.includes(one));
  if (file === undefined)
    return { path, state: 'absent', cause: 'not-configured', evidence: 'no rule of rsyslog writes it' };
  const seen = sightingsAt(probe, file);
  // one line that came through once is luck
  if (common?.cause === 'two-ring-readers' || common?.cause === 'doubled') return { path, ...common };
  if (seen !== undefined && seen > 1) return { path, ...doubled(`${file} has the probe ${seen} times`) };
  if (seen === 1) return { path, state: 'works', evidence: `${file} has the probe` };
  if (common !== undefined) return { path, ...common };
  if (path !== 'ufw.log' && syslog.rsyslog.ufwStops && hasUfwRules(facts)) {
    return { path, state: 'absent', cause: 'ufw-only', evidence: "'& stop' behind the filter for [UFW" };
  }
  if (seen === 0)
    return { path, state: 'broken', cause: 'not-arrived', evidence: `rsyslogd runs, ${file} lacks the probe` };
  return { path, state: 'works', evidence: `${inputsText(facts)}; ${writtenText(facts, file)}` };
}

function runsRsyslog({ syslog }: Facts): boolean {
  return syslog.daemons.some(({ name }) => name === 'rsyslogd');
}

// Without a daemon.

function withoutDaemon(
  facts: Facts,
  kind: MachineKind,
  path: FilePath,
  { ring, journal }: Earlier,
): Fault | Omit<Verdict, 'path'> {
  const { syslog } = facts;
  if (path === 'kern.log' && syslog.collector) return { state: 'works', evidence: 'our dmesg collector runs' };
  const [installed] = syslog.installed;
  if (installed !== undefined && !syslog.collector) {
    return { state: 'broken', cause: 'syslog-daemon-down', evidence: `${installed} is installed, and does not run` };
  }
  if (path === 'kern.log' && ring.state === 'works' && isUnkept(journal, kind)) {
    return { state: 'broken', cause: 'no-collector', evidence: 'dmesg shows the lines, and nothing keeps them' };
  }
  return { state: 'absent', cause: 'no-syslog-daemon', evidence: 'no syslog daemon is installed' };
}

/** No journal has the lines, and none can be made to; containers of one program never keep anything. */
function isUnkept({ cause }: Verdict, kind: MachineKind): boolean {
  if (cause === 'no-journald') return !['docker', 'podman', 'kubernetes', 'container'].includes(kind);
  return isKmsgFault(cause);
}

function isKmsgFault(cause: Cause | undefined): boolean {
  return cause === 'kmsg-absent' || cause === 'kmsg-refused' || cause === 'kmsg-unreadable';
}

/** Of syslog-ng and others the configuration is not read: a probe tells, or a file that is written. */
function ofOtherDaemon({ syslog }: Facts, path: FilePath, probe: Sightings | undefined): Omit<Verdict, 'path'> {
  const name = syslog.daemons[0]?.name ?? '';
  const file = syslog.files.find((one) => filesOfPath[path].includes(one.path));
  const seen = file === undefined ? undefined : sightingsAt(probe, file.path);
  if (file === undefined) return { state: 'absent', cause: 'not-configured', evidence: `${name} has not written it` };
  if (seen !== undefined && seen > 0) return { state: 'works', evidence: `${file.path} has the probe` };
  if (seen === 0)
    return { state: 'broken', cause: 'not-arrived', evidence: `${name} runs, ${file.path} lacks the probe` };
  return { state: 'unknown', cause: 'other-syslog-daemon', evidence: `${name} runs` };
}

// rsyslog's ways to the kernel's lines.

function commonFault(facts: Facts, { journal }: Earlier): Fault | undefined {
  const inputs = [...facts.syslog.rsyslog.kernelInputs.keys()];
  if (inputs.length === 0) {
    return { state: 'broken', cause: 'no-kernel-input', evidence: 'rsyslog loads none of imklog, imkmsg, imjournal' };
  }
  const faults = inputs.map((input) => inputFault(facts, input, journal));
  const [first] = faults;
  if (first !== undefined && faults.every((fault) => fault !== undefined)) return first;
  return faults.filter((fault) => fault === undefined).length > 1 ? doubled(inputsText(facts)) : undefined;
}

function inputFault(facts: Facts, input: KernelInput, journal: Verdict): Fault | undefined {
  switch (input) {
    case 'imklog':
      return imklogFault(facts);
    case 'imkmsg':
      return facts.ring.kmsg === 'readable'
        ? undefined
        : { state: 'broken', cause: 'kmsg-refused', evidence: `rsyslog loads imkmsg; ${facts.ring.kmsgSaid}` };
    case 'imjournal':
      return journal.state === 'broken' && journal.cause !== undefined && journal.cause !== 'journald-missed'
        ? { state: 'broken', cause: journal.cause, evidence: `rsyslog loads imjournal only; ${journal.evidence}` }
        : undefined;
    default:
      return unreachable(input);
  }
}

/** Each line of /proc/kmsg goes to one of its readers. */
function imklogFault({ syslog, ring, uid }: Facts): Fault | undefined {
  // who is not root does not see what others have open
  if (uid !== 0) return undefined;
  const pids = syslog.daemons.map(({ pid }) => pid);
  const others = ring.consumers.filter(({ pid }) => !pids.includes(pid));
  const reads = ring.consumers.length > others.length;
  const rivals = others.map(({ name, pid }) => `${name} (${pid})`).join(', ');
  if (reads && others.length > 0) {
    return { state: 'broken', cause: 'two-ring-readers', evidence: `rsyslogd and ${rivals} have /proc/kmsg open` };
  }
  if (reads) return undefined;
  const said = syslog.complaints.find((line) => /imklog/.test(line)) ?? '';
  const heard = /imklog.*$/.exec(said)?.[0].slice(0, 160);
  const text = `imklog is loaded, and rsyslogd does not have /proc/kmsg open${heard === undefined ? '' : ` ('${heard}')`}`;
  if (others.length > 0) return { state: 'broken', cause: 'two-ring-readers', evidence: `${text}; ${rivals} has` };
  return { state: 'broken', cause: 'imklog-refused', evidence: text };
}

function doubled(evidence: string): Fault {
  return { state: 'broken', cause: 'doubled', evidence };
}

function inputsText({ syslog }: Facts): string {
  const inputs = [...syslog.rsyslog.kernelInputs].map(([input, file]) => `${input} (${file})`);
  return `rsyslogd runs with ${inputs.join(' and ')}`;
}

function writtenText({ syslog }: Facts, path: string): string {
  const file = syslog.files.find((one) => one.path === path);
  return file === undefined ? `${path} is not written yet` : `${path} was last written ${Math.round(file.age)} s ago`;
}
