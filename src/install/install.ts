// An installation, as a plan that can be shown, and as what is done.
import { existsSync, lstatSync, realpathSync } from 'node:fs';
import { isAbsolute, join, normalize } from 'node:path';
import { local } from '../machine/access.ts';
import { failureText, run } from '../machine/run.ts';
import { HostError } from '../model/host-error.ts';
import { type Command, restCommands, startCommands } from './commands.ts';
import { type Comparison, compare } from './comparison.ts';
import { type Completion, completionEntries } from './completions.ts';
import { below } from './disk.ts';
import { systemEntries } from './layout.ts';
import { emptyLedger, type Ledger, readLedger } from './ledger.ts';
import { manEntries } from './man-entries.ts';
import { bootUnitName, daemonUnitName, type Places, placesFor, stateDirectory } from './places.ts';
import { programEntries } from './program-files.ts';
import { putAll } from './put.ts';
import { assertSafeHome } from './safe-home.ts';
import type { Setting } from './settings.ts';
import { assumedMachine, readSurroundings, starter } from './surroundings.ts';

export type InstallOptions = {
  /** Of the program that runs: a checkout, or a copy that was installed. */
  readonly checkout: string;
  /** As a packager builds it: no command is run, and a machine with systemd and libvirt is assumed. */
  readonly root?: string;
  /** Where a built copy of the program goes. */
  readonly prefix?: string;
  readonly iptables: boolean;
  /** Scripts that let shells complete the program's commands. */
  readonly completions: readonly Completion[];
  readonly force: boolean;
};

export type InstallPlan = {
  readonly root: string;
  readonly places: Places;
  readonly ledger: Ledger;
  readonly comparison: Comparison;
  readonly commands: readonly Command[];
  readonly settings: Ledger['settings'];
  readonly remarks: readonly string[];
};

/** Reads only. @throws HostError 'usage', 'unsafe-place', 'bad-path', 'no-build', 'outside', 'unreadable' */
export async function planInstall(options: InstallOptions): Promise<InstallPlan> {
  const { checkout, force, completions } = options;
  const root = rootDirectory(options.root);
  const prefix = options.prefix === undefined ? ownPrefix(checkout) : absolute(options.prefix, '--prefix');
  const places = placesFor({ checkout, ...(prefix !== undefined && { prefix }) });
  assertSafe(places.home, root, prefix);
  const ledger = readLedger(below(root, stateDirectory)) ?? emptyLedger;
  const { machine, now, remarks } = await machineOf(options, root, ledger);
  const wanted = [
    ...systemEntries(places, machine),
    ...manEntries(checkout, places.man),
    ...completionEntries(places, completions),
    ...(prefix === undefined ? [] : await programEntries(checkout, places.home)),
  ];
  const comparison = compare(root, wanted, ledger, force);
  const running = { init: machine.init, now, starter: await starter(local) };
  const isStarted = isIdle(comparison) && (await isEnabled(machine.init));
  return {
    root,
    places,
    ledger,
    comparison,
    commands:
      root !== '' || isStarted
        ? []
        : [
            ...restCommands('unknown', dropped(ledger, machine.settings), now),
            ...startCommands(places, machine.settings, running),
          ],
    settings: root === '' ? remembered(ledger, machine.settings, now) : [],
    remarks,
  };
}

/** '' for the machine itself. @throws HostError 'usage' */
export function rootDirectory(root: string | undefined): string {
  if (root === undefined) return '';
  const path = absolute(root, '--root');
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined)
    throw new HostError('usage', `--root ${path}: there is no such directory`);
  const real = realpathSync(path);
  return real === '/' ? '' : real;
}

function absolute(path: string, option: string): string {
  if (!isAbsolute(path)) throw new HostError('usage', `${option} takes an absolute path, not '${path}'`);
  return normalize(path).replace(/(?<=.)\/+$/, '');
}

/** What is copied belongs to root; a package's owner is its builder's matter. */
function assertSafe(home: string, root: string, prefix: string | undefined): void {
  if (!/^\/[A-Za-z0-9_.+/-]*$/.test(home) || (root === '' && prefix === undefined)) assertSafeHome(home);
}

/** A copy that was installed stays where it is. */
function ownPrefix(checkout: string): string | undefined {
  return existsSync(join(checkout, 'src')) ? undefined : /^(.+)\/lib\/bridgekeeper$/.exec(checkout)?.[1];
}

function machineOf({ iptables }: InstallOptions, root: string, ledger: Ledger): ReturnType<typeof readSurroundings> {
  if (root !== '') return Promise.resolve({ machine: assumedMachine(iptables), now: new Map(), remarks: [] });
  return readSurroundings(
    local,
    ledger.settings.map(({ key }) => key),
    iptables,
  );
}

function isIdle({ puts, takes, conflicts }: Comparison): boolean {
  return puts.length + takes.length + conflicts.length === 0;
}

async function isEnabled(init: string): Promise<boolean> {
  if (init !== 'systemd') return true;
  return (await run(local, 'systemctl', ['--quiet', 'is-enabled', bootUnitName, daemonUnitName])).code === 0;
}

/** What an earlier installation has set, and this machine no longer bears. */
function dropped(ledger: Ledger, settings: readonly Setting[]): Ledger['settings'] {
  return ledger.settings.filter(({ key }) => !settings.some((one) => one.key === key));
}

/** What was before stays what it was at the first installation; '' where there was none. */
function remembered(
  ledger: Ledger,
  settings: readonly Setting[],
  now: ReadonlyMap<string, string>,
): Ledger['settings'] {
  return settings.map(({ key, value }) => ({
    key,
    value,
    before: ledger.settings.find((one) => one.key === key)?.before ?? now.get(key) ?? '',
  }));
}

export type Installed = {
  /** Copies of files that somebody had edited. */
  readonly backups: readonly string[];
  /** Commands that failed and need not have worked. */
  readonly failed: readonly string[];
};

/** @throws HostError 'in-the-way' and nothing was touched; 'command-failed': all files are there, `uninstall` works */
export async function install({ root, ledger, settings, comparison, commands }: InstallPlan): Promise<Installed> {
  const isNew = comparison.puts.length + comparison.takes.length + comparison.conflicts.length > 0;
  const backups = isNew ? putAll({ root, ledger, settings }, comparison) : [];
  return { backups, failed: await runCommands(commands) };
}

/** @returns what those said that may fail; @throws HostError 'command-failed' */
export async function runCommands(commands: readonly Command[]): Promise<readonly string[]> {
  const failed: string[] = [];
  for (const { argv, need } of commands) {
    const [program = '', ...args] = argv;
    const ran = await run(local, program, args, { timeoutMs: 120_000 });
    if (ran.code === 0) continue;
    const said = failureText(local, argv, ran);
    if (need === 'must') throw new HostError('command-failed', said);
    failed.push(said);
  }
  return failed;
}
