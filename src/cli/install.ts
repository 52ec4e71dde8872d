// `install` and `uninstall`: shown, asked about, done.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { assertNothingWaits, unloadRules } from '../apply/live/unload.ts';
import type { Command as Started } from '../install/commands.ts';
import type { Comparison, Put, Take } from '../install/comparison.ts';
import { type InstallPlan, install as installAll, planInstall } from '../install/install.ts';
import { daemonUnitName, policyDirectory, stateDirectory } from '../install/places.ts';
import { planUninstall, type UninstallPlan, uninstall as uninstallAll } from '../install/uninstall.ts';
import { local } from '../machine/access.ts';
import { printChange } from '../machine/change.ts';
import { HostError } from '../model/host-error.ts';
import { unreachable } from '../model/unreachable.ts';
import { agreed } from './ask.ts';
import { completionScript } from './completion.ts';
import { exitCodes } from './exit-codes.ts';
import { shells } from './options.ts';
import { type Format, print, printJson, safeLines, tell } from './output.ts';

type Common = {
  readonly root?: string;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly output: Format;
};

export type InstallCommandOptions = Common & {
  readonly prefix?: string;
  readonly backend: 'nft' | 'iptables';
  readonly force?: boolean;
};

/** Of the program that runs: it is its own source. */
const checkout = join(import.meta.dirname, '..', '..');

export async function install(program: Command, options: InstallCommandOptions): Promise<number> {
  const { root, prefix, backend, force = false } = options;
  const plan = await planInstall({
    checkout,
    ...(root !== undefined && { root }),
    ...(prefix !== undefined && { prefix }),
    iptables: backend === 'iptables',
    completions: shells.map((shell) => ({ shell, text: completionScript(program, shell) })),
    force,
  });
  const lines = installLines(plan, options.dryRun === true && options.output === 'text');
  show('install', options, lines, plan.commands, plan.remarks);
  if (options.dryRun === true) return exitCodes.fine;
  if (lines.length + plan.commands.length === 0) {
    tell('everything is there already: nothing was changed');
    return exitCodes.fine;
  }
  // what is in the way is told at once, and not after a question
  if (plan.comparison.conflicts.length === 0 && !(await mayGoOn(options, plan.root))) return exitCodes.refused;
  const { backups, failed } = await installAll(plan);
  for (const copy of backups) tell(`what was edited is kept as ${copy}`);
  for (const said of failed) tell(`warning: ${said}`);
  tell(plan.root === '' ? nextSteps : `installed below ${plan.root}; nothing was started`);
  return exitCodes.fine;
}

const nextSteps = `installed; the policy belongs into ${policyDirectory}/policy.yaml: bridgekeeper init, check, plan, apply`;

export type UninstallCommandOptions = Common & { readonly keepRules?: boolean; readonly purge?: boolean };

export async function uninstall(options: UninstallCommandOptions): Promise<number> {
  const { root, purge = false, keepRules = false } = options;
  const plan = await planUninstall({ ...(root !== undefined && { root }), purge });
  if (plan === undefined) {
    tell('nothing is installed here');
    return exitCodes.fine;
  }
  const isLive = plan.root === '';
  if (isLive && options.dryRun !== true) assertNothingWaits(stateDirectory);
  const rules = isLive ? [rulesLine(keepRules)] : [];
  show('uninstall', options, [...rules, ...uninstallLines(plan)], [...plan.first, ...plan.last], []);
  if (options.dryRun === true) return exitCodes.fine;
  if (!(await mayGoOn(options, plan.root))) return exitCodes.refused;
  const site = { access: local, state: stateDirectory, command: 'uninstall' };
  const failed = await uninstallAll(plan, () => (isLive && !keepRules ? unloadRules(site) : Promise.resolve()));
  for (const said of failed) tell(`warning: ${said}`);
  const edited = plan.takes.filter(({ kind }) => kind === 'keep');
  for (const { known } of edited) tell(`${known.path} was edited, and stays: remove it, or give --purge`);
  const left = [policyDirectory, stateDirectory].filter((path) => existsSync(join(plan.root, path)));
  if (left.length > 0)
    tell(`what is in ${left.join(' and ')} stays: ${purge ? 'it was there before' : '--purge removes it'}`);
  return exitCodes.fine;
}

async function mayGoOn({ yes }: Common, root: string): Promise<boolean> {
  if (root === '' && process.getuid?.() !== 0) {
    throw new HostError('needs-root', 'that needs root: run it with sudo; --dry-run only shows it');
  }
  if (root !== '' || (await agreed('Do this?', yes))) return true;
  tell('nothing was changed');
  return false;
}

type Line = { readonly what: string; readonly path: string; readonly text?: string };

function show(
  kind: string,
  { output }: Common,
  lines: readonly Line[],
  commands: readonly Started[],
  remarks: readonly string[],
): void {
  if (output === 'json') {
    const files = lines.map(({ what, path }) => ({ what, path }));
    printJson(kind, { files, commands: commands.map(({ argv }) => argv), remarks });
    return;
  }
  for (const { what, path, text } of lines) print(safeLines(`${what.padEnd(width)}  ${path}${text ?? ''}`));
  for (const { argv } of commands) print(safeLines(printChange({ kind: 'command', argv })));
  for (const remark of remarks) tell(remark);
}

const width = 'overwritten'.length;

function installLines({ comparison }: InstallPlan, withTexts: boolean): readonly Line[] {
  const { directories, puts, takes, conflicts } = comparison;
  return withoutProgram([
    ...directories.map((path) => ({ what: 'directory', path })),
    ...puts.map((put) => ({ what: putWords[put.kind], path: put.entry.path, text: putText(put, withTexts) })),
    ...takes.map(takeLine),
    ...conflicts.map(({ path, why }) => ({ what: conflictWords[why], path })),
  ]);
}

/** The files of the program itself are many, and told by their number. */
function withoutProgram(lines: readonly Line[]): readonly Line[] {
  const home = /^.*\/lib\/bridgekeeper(?=\/)/;
  const isProgram = ({ path }: Line): boolean => home.test(path) && !path.startsWith(stateDirectory);
  const counts = new Map<string, number>();
  for (const { what, path } of lines.filter(isProgram)) {
    const key = `${what} ${home.exec(path)?.[0] ?? ''}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const program = [...counts].map(([key, count]) => {
    const [what = '', path = ''] = key.split(' ');
    return { what, path, text: `: ${count} of the program` };
  });
  return [...program, ...lines.filter((line) => !isProgram(line))];
}

const putWords: Readonly<Record<Put['kind'], string>> = {
  create: 'new',
  replace: 'replaced',
  overwrite: 'overwritten',
};

const conflictWords: Readonly<Record<Comparison['conflicts'][number]['why'], string>> = {
  foreign: 'in the way',
  edited: 'edited',
  'no file': 'in the way',
};

function putText({ entry, found }: Put, withTexts: boolean): string {
  if (entry.kind === 'link') return ` -> ${entry.target}`;
  if (!withTexts || found.kind !== 'nothing' || !isShown(entry.path)) return '';
  const after = entry.bytes;
  return `\n${printChange({ kind: 'file', path: entry.path, before: undefined, after })}`;
}

/** Neither the program nor its man pages are what one wants to read before an installation. */
function isShown(path: string): boolean {
  return !/\/lib\/bridgekeeper\/|\/man\//.test(path);
}

function uninstallLines({ takes, purge, ledger }: UninstallPlan): readonly Line[] {
  const purged = purge ? [policyDirectory, stateDirectory].map((path) => ({ what: 'purged', path })) : [];
  const directories = ledger.directories.map((path) => ({ what: 'if empty', path }));
  return withoutProgram([...takes.map(takeLine), ...purged, ...directories.toReversed()]);
}

function takeLine({ kind, known: { path } }: Take): Line {
  switch (kind) {
    case 'remove':
      return { what: 'removed', path };
    case 'restore':
      return { what: 'put back', path };
    case 'keep':
      return { what: 'edited', path, text: ' stays' };
    case 'gone':
      return { what: 'gone', path };
    default:
      return unreachable(kind);
  }
}

function rulesLine(keep: boolean): Line {
  const path = 'the loaded rules, tables bridge bk and ip bk, and the chains bk-* of iptables';
  if (!keep) return { what: 'unloaded', path, text: ': guests are no longer held to their addresses (--keep-rules)' };
  return { what: 'kept', path, text: ` until the next boot: without ${daemonUnitName} new guests stay closed` };
}
