// Errors at ufw's start, and ufw's files -> the lines that cause them, as a change that can be shown, done and taken back.
// A line is touched only when its error was seen and what it asks for fails when it is tried.
import type { Access } from '../machine/access.ts';
import type { ChangeSet, FileChange } from '../machine/change.ts';
import { withoutModules } from './default-ufw.ts';
import { latin1File } from './read-machine.ts';
import type { Settings } from './settings.ts';
import type { FoundError, StartupError, SysctlKey } from './startup-errors.ts';
import { sysctlSettings, withoutSettings } from './sysctl-conf.ts';
import { failingModules, tryKeys } from './write-test.ts';

export type Repair = {
  readonly changes: ChangeSet;
  /** Errors that lead to no change, and why. */
  readonly notes: readonly string[];
};

const defaultsFile = '/etc/default/ufw';

/** @throws HostError when the machine cannot be asked */
export async function planRepair(access: Access, settings: Settings, found: readonly FoundError[]): Promise<Repair> {
  const errors = found.map(({ error }) => error);
  const parts = [await moduleRepair(access, settings, errors), await sysctlRepair(access, settings, errors)];
  const changes = parts.flatMap(({ change }) => (change === undefined ? [] : [change]));
  const title = "comment out what ufw's start complains of and cannot do here";
  return { changes: { name: 'ufw-start-errors', title, changes }, notes: parts.flatMap(({ notes }) => notes) };
}

type Part = { readonly change?: FileChange; readonly notes: readonly string[] };

async function moduleRepair(access: Access, { modules }: Settings, errors: readonly StartupError[]): Promise<Part> {
  const seen = errors.filter(
    ({ kind }) => kind === 'no-module-directory' || kind === 'module' || kind === 'no-modprobe',
  );
  if (seen.length === 0) return { notes: [] };
  if (modules.length === 0) return { notes: [`${defaultsFile} asks for no modules any more`] };
  const names = seen.map((error) => (error.kind === 'module' ? error.name : undefined));
  const meant = names.includes(undefined) ? modules : modules.filter((module) => names.includes(module));
  const failing = await failingModules(access, meant);
  if (failing.size === 0) return { notes: [`the modules of ${defaultsFile} can be loaded now`] };
  return { ...(await edited(access, defaultsFile, (text) => withoutModules(text, failing))), notes: [] };
}

async function sysctlRepair(access: Access, { sysctlFile }: Settings, errors: readonly StartupError[]): Promise<Part> {
  const seen = errors.filter((error) => error.kind === 'sysctl').filter(({ fault }) => fault !== 'value');
  if (seen.length === 0 || sysctlFile === '') return { notes: [] };
  const listed = [...new Set(sysctlSettings((await latin1File(access, sysctlFile)) ?? '').map(({ key }) => key))];
  const meant = seen.map(({ key }) => ({ key, keys: keysMeant(key, listed) }));
  const tried = await tryKeys(access, [...new Set(meant.flatMap(({ keys }) => (keys.length === 1 ? keys : [])))]);
  const failing = new Set(
    [...tried].flatMap(([key, answer]) => (answer === 'refused' || answer === 'absent' ? [key] : [])),
  );
  const notes = meant.flatMap(({ key, keys }) => noteOf(key, keys, failing, sysctlFile));
  if (failing.size === 0) return { notes };
  return { ...(await edited(access, sysctlFile, (text) => withoutSettings(text, failing))), notes };
}

/** A name that was cut may be the beginning of several. */
function keysMeant(key: SysctlKey | undefined, listed: readonly string[]): readonly string[] {
  if (key === undefined) return listed;
  const whole = listed.filter((name) => name === key.name);
  return whole.length > 0 || !key.cut ? whole : listed.filter((name) => name.startsWith(key.name));
}

function noteOf(
  key: SysctlKey | undefined,
  keys: readonly string[],
  failing: ReadonlySet<string>,
  file: string,
): readonly string[] {
  const [only] = keys;
  if (key === undefined) return ['a line is cut before the name of the kernel setting: it tells nothing'];
  if (only === undefined) return [`${key.name} is not set in ${file}`];
  if (keys.length > 1) return [`'${key.name}…' is cut and may be any of ${keys.join(', ')}`];
  return failing.has(only) ? [] : [`${only} can be written now, or cannot be tried`];
}

async function edited(
  access: Access,
  path: string,
  edit: (text: string) => string,
): Promise<{ readonly change?: FileChange }> {
  const before = await latin1File(access, path);
  if (before === undefined) return {};
  const after = edit(before);
  if (after === before) return {};
  return { change: { kind: 'file', path, before: Buffer.from(before, 'latin1'), after: Buffer.from(after, 'latin1') } };
}
