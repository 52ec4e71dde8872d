// A named fix -> the changes that it makes on this machine: files by their bytes, and the commands that make daemons see
// them. Only what the diagnosis calls for is offered; what is there already is nothing to do.
import type { Access } from '../machine/access.ts';
import { type Change, type ChangeSet, type Command, type FileChange, isIdle } from '../machine/change.ts';
import { readFile } from '../machine/files.ts';
import { unreachable } from '../model/unreachable.ts';
import type { Diagnosis } from './decide.ts';
import {
  collectorInit,
  collectorInitPath,
  collectorPath,
  collectorScript,
  collectorUnit,
  collectorUnitPath,
} from './dmesg-collector.ts';
import type { Facts } from './facts.ts';
import { levelNames } from './journald-settings.ts';
import { usualLevel } from './log-rules.ts';
import { loads } from './rsyslog-config.ts';
import { safePlace } from './safe-place.ts';
import type { FixName } from './verdict.ts';
import { explain } from './words.ts';

/** The fixes that the diagnosis names, each once. */
export function decidedFix({ kind, verdicts, facts }: Diagnosis & { readonly facts: Facts }): readonly FixName[] {
  const named = verdicts.flatMap((verdict) => {
    const remedy = verdict.state === 'absent' ? undefined : explain(verdict, kind, facts)?.remedy;
    return remedy?.kind === 'fix' ? [remedy.name] : [];
  });
  return [...new Set(named)];
}

/**
 * `isCalledFor`: the diagnosis names it. Then its commands are needed also where its files are there already, as when a value
 * was put back or a service was stopped. `undefined`: nothing would be different afterwards.
 * @throws HostError 'unreadable', and 'unsafe-place' for a file that others than root could exchange
 */
export async function fixPlan(
  access: Access,
  name: FixName,
  facts: Facts,
  isCalledFor: boolean,
): Promise<ChangeSet | undefined> {
  const { title, files, commands } = recipe(name, facts);
  const changes: Change[] = [];
  for (const file of files) changes.push(await fileChange(access, file));
  const pending = changes.filter((change) => !isIdle(change));
  const all = [...pending, ...commands];
  const isNeeded = pending.length > 0 || isCalledFor || isUnseen(name, facts);
  return isNeeded && all.length > 0 ? { name, title, changes: all } : undefined;
}

/** The daemon that reads the fix's files began before they were last written: only a restart is missing. */
function isUnseen(name: FixName, { journal, syslog }: Facts): boolean {
  if (name.startsWith('journald-')) return journal.outdated;
  return name.startsWith('rsyslog-') && syslog.outdated;
}

/** `edit` gives the file's new text from its old one, which is '' where there is none. `named`: a configuration names it. */
type FileRecipe = {
  readonly path: string;
  readonly named?: true;
  readonly mode?: string;
  readonly edit: (text: string) => string;
};

type Recipe = { readonly title: string; readonly files: readonly FileRecipe[]; readonly commands: readonly Command[] };

function recipe(name: FixName, facts: Facts): Recipe {
  switch (name) {
    case 'dmesg-collector':
      return collector(facts);
    case 'rsyslog-imklog':
      return {
        title: 'Let rsyslog read the kernel by imklog',
        files: [{ path: '/etc/rsyslog.d/10-bridgekeeper-imklog.conf', edit: () => `${note}\nmodule(load="imklog")\n` }],
        commands: restart(facts, 'rsyslog'),
      };
    case 'rsyslog-one-reader':
      return oneReader(facts);
    case 'journald-read-kmsg':
      return journaldDropIn(facts, name, 'Let journald read the kernel', 'ReadKMsg=yes');
    case 'journald-storage':
      return journaldDropIn(facts, name, 'Let journald keep what it reads', 'Storage=auto');
    case 'journald-level':
      return journaldDropIn(
        facts,
        name,
        "Let journald keep lines of the rules' level",
        `MaxLevelStore=${level(facts)}`,
      );
    case 'nf-log-all-netns':
      return sysctl('Write the LOG lines of all network namespaces', '60-bridgekeeper-nf-log.conf', [
        ['net.netfilter.nf_log_all_netns', '1', '0'],
      ]);
    case 'nf-log-logger':
      return sysctl('Bind the loggers that LOG needs', '60-bridgekeeper-nf-loggers.conf', unbound(facts));
    default:
      return unreachable(name);
  }
}

const note = '# Written by bridgekeeper doctor; bridgekeeper doctor --undo takes it back.';

async function fileChange(access: Access, { path: given, named, mode, edit }: FileRecipe): Promise<FileChange> {
  const path = named ? await safePlace(access, given) : given;
  const before = await readFile(access, path);
  // latin1: bytes that are no UTF-8 stay what they are
  const after = Buffer.from(edit(before?.toString('latin1') ?? ''), 'latin1');
  return { kind: 'file', path, before, after, ...(mode !== undefined && { mode }) };
}

function restart({ services }: Facts, name: string): readonly Command[] {
  const argv =
    services.manager === 'systemd' ? ['systemctl', 'restart', `${name}.service`] : ['service', name, 'restart'];
  return [{ kind: 'command', argv, undoLast: argv }];
}

function journaldDropIn(facts: Facts, name: FixName, title: string, setting: string): Recipe {
  const path = `/etc/systemd/journald.conf.d/zz-bridgekeeper-${name.slice('journald-'.length)}.conf`;
  return {
    title,
    // the last name counts (systemd.syntax(7))
    files: [{ path, edit: () => `${note}\n[Journal]\n${setting}\n` }],
    commands: restart(facts, 'systemd-journald'),
  };
}

/** As unimportant as the least important rule. */
function level({ rules }: Facts): string {
  const levels = rules.log.filter(({ group }) => group === undefined).map((rule) => rule.level);
  return levelNames[Math.max(usualLevel, ...levels)] ?? 'debug';
}

/** Of two inputs imjournal stays: it also has what imklog has. */
function oneReader(facts: Facts): Recipe {
  const { kernelInputs } = facts.syslog.rsyslog;
  const [input, path] = [...kernelInputs].find(([name]) => name === 'imklog') ?? [...kernelInputs][1] ?? [];
  const edit = (text: string): string =>
    text
      .split('\n')
      .map((line) =>
        input !== undefined && loads(line, input) ? `#${line} # bridgekeeper: read in another way too` : line,
      )
      .join('\n');
  return {
    title: 'Let rsyslog read the kernel in one way only',
    files: path === undefined ? [] : [{ path, named: true, edit }],
    // with one input in the files, and two in the daemon, only the restart is missing
    commands: path === undefined && !facts.syslog.outdated ? [] : restart(facts, 'rsyslog'),
  };
}

type Setting = readonly [key: string, value: string, before: string];

/** Now, and at each start. */
function sysctl(title: string, file: string, settings: readonly Setting[]): Recipe {
  const lines = settings.map(([key, value]) => `${key} = ${value}\n`).join('');
  return {
    title,
    files: settings.length === 0 ? [] : [{ path: `/etc/sysctl.d/${file}`, edit: () => `${note}\n${lines}` }],
    commands: settings.map(([key, value, before]) => ({
      kind: 'command',
      argv: ['sysctl', '-w', `${key}=${value}`],
      undoLast: ['sysctl', '-w', `${key}=${before}`],
    })),
  };
}

const loggerNames = new Map([
  [2, 'nf_log_ipv4'],
  [7, 'nf_log_bridge'],
  [10, 'nf_log_ipv6'],
]);

/** Families whose text logger is there and not bound. */
function unbound({ network }: Facts): readonly Setting[] {
  return [...loggerNames].flatMap(([number, name]): readonly Setting[] => {
    const logger = network.loggers.get(number);
    if (logger === undefined || logger.bound === name || !logger.known.includes(name)) return [];
    return [[`net.netfilter.nf_log.${number}`, name, logger.bound]];
  });
}

function collector({ services }: Facts): Recipe {
  const script = { path: collectorPath, mode: '755', edit: () => collectorScript };
  const title = "Keep the kernel's lines in /var/log/kern.log by a collector that asks dmesg";
  if (services.manager === 'systemd') {
    const unit = 'bridgekeeper-dmesg.service';
    const reload = ['systemctl', 'daemon-reload'];
    return {
      title,
      files: [script, { path: collectorUnitPath, edit: () => collectorUnit }],
      commands: [
        { kind: 'command', argv: reload, undoLast: reload },
        {
          kind: 'command',
          argv: ['systemctl', 'enable', '--now', unit],
          undoFirst: ['systemctl', 'disable', '--now', unit],
        },
      ],
    };
  }
  return {
    title,
    files: [script, { path: collectorInitPath, mode: '755', edit: () => collectorInit }],
    commands: [...bootLinks(services.programs), started],
  };
}

const started: Command = {
  kind: 'command',
  argv: [collectorInitPath, 'start'],
  undoFirst: [collectorInitPath, 'stop'],
};

function bootLinks(programs: readonly string[]): readonly Command[] {
  const name = 'bridgekeeper-dmesg';
  if (programs.includes('update-rc.d')) {
    return [
      {
        kind: 'command',
        argv: ['update-rc.d', name, 'defaults'],
        undoFirst: ['update-rc.d', '-f', name, 'remove'],
      },
    ];
  }
  if (!programs.includes('chkconfig')) return [];
  return [{ kind: 'command', argv: ['chkconfig', '--add', name], undoFirst: ['chkconfig', '--del', name] }];
}
