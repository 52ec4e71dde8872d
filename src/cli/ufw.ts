// `ufw check`, `ufw enable`, `ufw confirm`: ufw's start looked at and mended, and ufw turned on without locking anybody out.
import { type Access, accessNamed } from '../machine/access.ts';
import { printChange } from '../machine/change.ts';
import { applyChanges } from '../machine/change-log.ts';
import { HostError } from '../model/host-error.ts';
import { printIp } from '../model/ip.ts';
import { addRules, confirmEnabling, type EnablePlan, enable, isLockedOut, isOn, planEnabling } from '../ufw/enable.ts';
import { meaningOf } from '../ufw/error-meaning.ts';
import type { Judged } from '../ufw/lockout.ts';
import { journalOfStart, type StartLog } from '../ufw/read-log.ts';
import { type BothLoaded, readLoaded, readUfwFiles, type UfwFiles } from '../ufw/read-machine.ts';
import { type LogRule, logRules, rulesOfLevel } from '../ufw/sampling.ts';
import { planRepair, type Repair } from '../ufw/start-repair.ts';
import { type FoundError, startupErrors } from '../ufw/startup-errors.ts';
import { agreed } from './ask.ts';
import { escaped } from './escaped.ts';
import { exitCodes } from './exit-codes.ts';
import { takeBack } from './mend.ts';
import { type Format, print, printJson, safeLines, tell } from './output.ts';
import { readInput } from './read-input.ts';
import { type StateOptions, stateDirectory } from './state-directory.ts';
import { commandText, enableLines, findingWords, kindsOf, logLines, stateLine, whereText } from './ufw-text.ts';

type AccessOptions = { readonly access?: string; readonly output: Format };

export type UfwCheckOptions = AccessOptions &
  StateOptions & { readonly fix?: boolean; readonly yes?: boolean; readonly undo?: string | true };

/** Exit code 3 when something is wrong that is not harmless. */
export async function ufwCheck(file: string | undefined, options: UfwCheckOptions): Promise<number> {
  const access = accessNamed(options.access);
  if (options.undo !== undefined) return undo(access, options.undo, options);
  const log = file === undefined ? await journalOfStart(access) : { text: readLog(file) };
  const found = 'text' in log ? startupErrors(log.text) : [];
  const files = await readUfwFiles(access);
  const loaded = await readLoaded(access);
  const repair = await planRepair(access, files.settings, found);
  const report: Report = { log, found, files, loaded, repair };
  if (options.output === 'json') printReport(report);
  else print(reportLines(report).join('\n'));
  if (options.fix === true) return fix(access, repair, options, isBad(report));
  return isBad(report) ? exitCodes.verificationFailed : exitCodes.fine;
}

type Report = {
  readonly log: StartLog;
  readonly found: readonly FoundError[];
  readonly files: UfwFiles;
  readonly loaded: BothLoaded;
  readonly repair: Repair;
};

const mostBytes = 64 * 1024 * 1024;

/** @throws HostError 'unreadable' */
function readLog(file: string): string {
  try {
    return readInput(file, mostBytes).toString('latin1');
  } catch (cause) {
    throw new HostError('unreadable', `cannot read ${file}: ${(cause as Error).message}`, cause);
  }
}

/** Turned on and not loaded, or an error that is not harmless. */
function isBad({ found, files: { settings }, loaded }: Report): boolean {
  const states = settings.ipv6 ? [loaded[4].state, loaded[6].state] : [loaded[4].state];
  const isOff = settings.enabled && states.some(({ kind }) => kind === 'absent' || kind === 'parts');
  return isOff || found.some(({ error }) => !meaningOf(error).harmless);
}

function reportLines({ log, found, files, loaded, repair }: Report): readonly string[] {
  const { settings } = files;
  return [
    ...startLines(log, found),
    stateLine(4, loaded[4].state, settings),
    stateLine(6, loaded[6].state, settings),
    ...logLines(settings.logLevel, rulesInForce(files, loaded), loaded[4].state.kind === 'loaded'),
    ...repair.notes.map(escaped),
    ...repairLines(repair),
  ];
}

function startLines(log: StartLog, found: readonly FoundError[]): readonly string[] {
  if ('missing' in log)
    return [`start       the journal cannot be read (${escaped(log.missing)}): give a file, or - for standard input`];
  return log.text.trim() === '' ? ['start       the log holds no line of it'] : kindsOf(found);
}

function repairLines({ changes: { changes } }: Repair): readonly string[] {
  if (changes.length === 0) return ['nothing is to be changed in the files of ufw'];
  return ['to be changed (--fix does it):', ...changes.map((change) => safeLines(printChange(change).trimEnd()))];
}

/** What logs: as loaded, else as it would be. */
function rulesInForce({ settings }: UfwFiles, loaded: Report['loaded']): readonly LogRule[] {
  if (loaded[4].state.kind !== 'loaded') return rulesOfLevel(settings.logLevel);
  return [...logRules(loaded[4].rules), ...logRules(loaded[6].rules)];
}

function printReport(report: Report): void {
  const { log, found, files, loaded, repair } = report;
  printJson('ufw-check', {
    log:
      'missing' in log
        ? { missing: log.missing }
        : { errors: found.map((one) => ({ ...one, ...meaningOf(one.error) })) },
    enabled: files.settings.enabled,
    filter: { ipv4: loaded[4].state, ipv6: loaded[6].state },
    logging: { level: files.settings.logLevel, rules: rulesInForce(files, loaded) },
    changes: repair.changes.changes.map(printChange),
    notes: repair.notes,
    bad: isBad(report),
  });
}

async function fix(access: Access, { changes }: Repair, options: UfwCheckOptions, bad: boolean): Promise<number> {
  const after = bad ? exitCodes.verificationFailed : exitCodes.fine;
  if (changes.changes.length === 0) return after;
  if (!(await agreed('Change these files?', options.yes))) return after;
  const record = await applyChanges(access, stateDirectory(options), changes);
  if (record !== undefined) tell(`changed; \`ufw check --undo ${record.id}\` puts it back`);
  return after;
}

async function undo(access: Access, id: string | true, options: UfwCheckOptions): Promise<number> {
  const record = await takeBack(access, stateDirectory(options), id, ['ufw-start-errors']);
  const paths = record.changes.flatMap((change) => (change.kind === 'file' ? [change.path] : []));
  if (options.output === 'json') printJson('ufw-undo', { id: record.id, files: paths });
  else print(`put back: ${escaped(paths.join(', '))} (${record.id})`);
  return exitCodes.fine;
}

export type UfwEnableOptions = AccessOptions & {
  readonly allowSsh?: boolean;
  readonly yes?: boolean;
  /** Seconds. */
  readonly confirm?: number;
};

/** Exit code 5 when SSH would be locked out, and nothing is changed then. */
export async function ufwEnable(options: UfwEnableOptions): Promise<number> {
  const access = accessNamed(options.access);
  const plan = await planEnabling(access);
  const isShort = isLockedOut(plan.judged);
  if (isShort && (options.allowSsh !== true || plan.missing.length === 0)) return refuse(plan, options);
  if (options.output === 'text') print(enableLines(plan).join('\n'));
  if (isShort) for (const command of plan.missing) tell(`to be added: ${commandText(command)}`);
  if (!isShort && isOn(plan)) return alreadyOn(plan, options);
  if (!(await agreed(`Turn ufw on${whereText(access.host)}?`, options.yes))) return exitCodes.refused;
  const ready = isShort ? await addRules(access, plan) : plan;
  if (isLockedOut(ready.judged)) return refuse(ready, options);
  return isOn(ready) ? alreadyOn(ready, options) : turnOn(access, ready, options);
}

function refuse(plan: EnablePlan, { output }: UfwEnableOptions): number {
  if (output === 'json') printEnabling(plan, 'refused');
  else print(enableLines(plan).join('\n'));
  tell('ufw was not turned on: it would lock you out');
  if (plan.missing.length > 0) tell(`missing${plan.missing.length === 1 ? '' : ' (in this order)'}:`);
  for (const command of plan.missing) tell(`  ${commandText(command)}`);
  return exitCodes.lockedOut;
}

function alreadyOn(plan: EnablePlan, { output }: UfwEnableOptions): number {
  if (output === 'json') printEnabling(plan, 'on already');
  tell(plan.ssh.pending ? 'ufw is on already, and waits for `ufw confirm`' : 'ufw is on already');
  return exitCodes.fine;
}

const usualSeconds = 60;

/** Who sits at the machine itself cannot be cut off, and needs no way back. */
async function turnOn(access: Access, plan: EnablePlan, options: UfwEnableOptions): Promise<number> {
  const isRemote = plan.ssh.sessions.length > 0 || access.host !== '';
  const seconds = options.confirm ?? (isRemote ? usualSeconds : undefined);
  try {
    const { families } = await enable(access, plan, seconds);
    if (options.output === 'json') printEnabling(plan, 'on', seconds);
    else print(`ufw is on; read back from the kernel: ${families.map((family) => `IPv${family}`).join(' and ')}`);
    if (seconds !== undefined) tell(confirmText(access, seconds));
    return exitCodes.fine;
  } catch (error) {
    if (!(error instanceof HostError) || (error.code !== 'not-kept' && error.code !== 'still-on')) throw error;
    tell(`bridgekeeper: ${error.message}`);
    return exitCodes.verificationFailed;
  }
}

function confirmText({ host }: Access, seconds: number): string {
  const command = `bridgekeeper ufw confirm${host === '' ? '' : ` --access ssh:${host}`}`;
  return `open a second connection, and say within ${seconds} seconds: ${command}\nelse ufw is turned off again`;
}

function printEnabling(plan: EnablePlan, result: string, confirmSeconds?: number): void {
  printJson('ufw-enable', {
    result,
    ...(confirmSeconds !== undefined && { confirmSeconds }),
    ways: plan.judged.map(wayData),
    missing: plan.missing.map(commandText),
  });
}

function wayData({ way, finding, open }: Judged): object {
  const { client, server, ...rest } = way;
  return {
    ...rest,
    ...(client !== undefined && { client: printIp(client) }),
    ...(server !== undefined && { server: printIp(server) }),
    open,
    finding: finding.kind,
    words: findingWords(way, finding),
  };
}

export async function ufwConfirm(options: AccessOptions): Promise<number> {
  const access = accessNamed(options.access);
  await confirmEnabling(access);
  if (options.output === 'json') printJson('ufw-confirm', { result: 'confirmed' });
  else print(`ufw stays on${whereText(access.host)}`);
  return exitCodes.fine;
}
