// Asks a machine for all that ufw goes by: its files, and what of it is loaded now.
import type { Access } from '../machine/access.ts';
import { readFile } from '../machine/files.ts';
import { run } from '../machine/run.ts';
import { HostError } from '../model/host-error.ts';
import type { Family } from '../model/ip.ts';
import { type Rules, rulesOf } from './rules.ts';
import { type Settings, ufwSettings } from './settings.ts';
import type { RuleFiles } from './would-load.ts';

export type UfwFiles = {
  readonly settings: Settings;
  readonly 4: RuleFiles;
  readonly 6: RuleFiles;
};

const paths = {
  defaults: '/etc/default/ufw',
  configuration: '/etc/ufw/ufw.conf',
  shipped: ['/etc/ufw/before.rules', '/etc/ufw/after.rules', '/etc/ufw/before6.rules', '/etc/ufw/after6.rules'],
} as const;

/** Of the user's rules: of today, of Debian 8 and Ubuntu of that time, of Fedora. The first that has the file counts. */
const userFolders = ['/etc/ufw', '/lib/ufw', '/var/lib/ufw'] as const;

const userPaths = (['user.rules', 'user6.rules'] as const).map((name) =>
  userFolders.map((folder) => `${folder}/${name}`),
);

/** @throws HostError 'no-ufw', 'unreadable' */
export async function readUfwFiles(access: Access): Promise<UfwFiles> {
  const all = [paths.defaults, paths.configuration, ...paths.shipped, ...userPaths.flat()];
  const [defaults, configuration, before4, after4, before6, after6, ...users] = await latin1Files(access, all);
  if (defaults === undefined || configuration === undefined) {
    const where = access.host === '' ? 'here' : `on ${access.host}`;
    throw new HostError('no-ufw', `there is no ufw ${where}: ${paths.defaults} or ${paths.configuration} is missing`);
  }
  return {
    settings: ufwSettings(defaults, configuration),
    4: ruleFiles([before4, after4, firstOf(users.slice(0, userFolders.length))]),
    6: ruleFiles([before6, after6, firstOf(users.slice(userFolders.length))]),
  };
}

function firstOf(texts: readonly (string | undefined)[]): string | undefined {
  return texts.find((text) => text !== undefined);
}

/** In latin1: every byte stays as it is. */
export type UserFile = { readonly path: string; readonly text: string };

/** The files that ufw keeps the user's rules in, of each family one at most. @throws HostError 'unreadable' */
export async function readUserFiles(access: Access): Promise<readonly UserFile[]> {
  const texts = await latin1Files(access, userPaths.flat());
  const files = userPaths.flat().map((path, at) => ({ path, text: texts[at] }));
  return userPaths.flatMap((paths) =>
    files.flatMap(({ path, text }) => (text !== undefined && paths.includes(path) ? [{ path, text }] : [])).slice(0, 1),
  );
}

function ruleFiles([before = '', after = '', user = '']: readonly (string | undefined)[]): RuleFiles {
  return { before, after, user };
}

/** Every byte stays as it is. @throws HostError 'unreadable' */
export async function latin1File(access: Access, path: string): Promise<string | undefined> {
  return (await readFile(access, path))?.toString('latin1');
}

const filesScript =
  'for f; do if [ -e "$f" ]; then n=$(wc -c <"$f") && echo $n && cat "$f" || exit 1; else echo absent; fi; done';

/** By one connection: a firewall may count them. */
async function latin1Files(access: Access, names: readonly string[]): Promise<readonly (string | undefined)[]> {
  const { code, stdout, said } = await run(access, 'sh', ['-c', filesScript, 'sh', ...names]);
  if (code !== 0) throw new HostError('unreadable', `cannot read the files of ufw: ${said || `exit ${code}`}`);
  const text = stdout.toString('latin1');
  let at = 0;
  return names.map(() => {
    const end = text.indexOf('\n', at);
    const head = text.slice(at, end);
    at = end + 1;
    if (!/^\d{1,9}$/.test(head)) return undefined;
    at += Number(head);
    return text.slice(end + 1, at);
  });
}

/** `parts`: some of ufw's chains are there, but not all that makes a filter. */
export type LoadState =
  | { readonly kind: 'loaded' }
  | { readonly kind: 'parts'; readonly why: string }
  | { readonly kind: 'absent' }
  | { readonly kind: 'unknown'; readonly why: string };

export type Loaded = { readonly state: LoadState; readonly rules: Rules };

export type BothLoaded = { readonly 4: Loaded; readonly 6: Loaded };

const sixMark = '# bridgekeeper: IPv6';
const failedMark = '# bridgekeeper: failed';

/** What the kernel has, by the back end that ufw uses; a shell's words, for `loadedRules`. */
export const saveScript = `PATH=$PATH:/usr/sbin:/sbin; iptables-save || echo "${failedMark}"; echo "${sixMark}"; ip6tables-save || echo "${failedMark}"`;

export async function readLoaded(access: Access): Promise<BothLoaded> {
  const { stdout, said } = await run(access, 'sh', ['-c', `${saveScript}; exit 0`]);
  return loadedRules(stdout.toString('latin1'), said);
}

export function loadedRules(text: string, said: string): BothLoaded {
  const [four = '', six = failedMark] = text.split(`${sixMark}\n`);
  return { 4: loaded(four, 4, said), 6: loaded(six, 6, said) };
}

function loaded(text: string, family: Family, said: string): Loaded {
  if (text.includes(failedMark)) {
    const program = family === 4 ? 'iptables-save' : 'ip6tables-save';
    const why = said.split('\n').find((line) => line.includes(program)) ?? `${program} failed`;
    return { state: { kind: 'unknown', why }, rules: new Map() };
  }
  const rules = rulesOf(family, [text]);
  return { state: loadState(rules, family), rules };
}

/** What has to be there: the hooks in INPUT, the user's chain, and its place. */
function loadState(rules: Rules, family: Family): LoadState {
  const name = family === 4 ? 'ufw' : 'ufw6';
  const jumps = (from: string, to: string): boolean =>
    (rules.get(`filter:${from}`)?.rules ?? []).some(({ target }) => target?.name === `${name}-${to}`);
  if (!rules.has(`filter:${name}-user-input`)) return { kind: 'absent' };
  if (!jumps('INPUT', 'before-input')) return { kind: 'parts', why: `INPUT does not lead to ${name}-before-input` };
  if (!jumps(`${name}-before-input`, 'user-input')) {
    return { kind: 'parts', why: `${name}-before-input does not lead to ${name}-user-input` };
  }
  return { kind: 'loaded' };
}
