// ulogd.conf -> the groups it listens to and the files it writes. A file whose output is not `sync` keeps its last lines in
// a buffer, so that what is not in it may still come.

export type UlogdConfig = {
  readonly groups: readonly number[];
  readonly files: readonly UlogdFile[];
};

export type UlogdFile = { readonly path: string; readonly sync: boolean };

/** Outputs of packets that are files, by the plugin's name in a stack, with the files they have without a word. */
const fileOutputs: ReadonlyMap<string, string | undefined> = new Map([
  ['LOGEMU', '/var/log/ulogd.syslogemu'],
  ['JSON', '/var/log/ulogd.json'],
  ['OPRINT', '/var/log/ulogd.oprint'],
  ['GPRINT', '/var/log/ulogd.gprint'],
]);

export function ulogdConfig(text: string): UlogdConfig {
  const sections = sectionsOf(text);
  const stacks = sections.get('global')?.get('stack') ?? [];
  const instances = stacks.flatMap((stack) => stack.split(',').map((part) => part.trim().split(':')));
  const groups = instances.filter(([, plugin]) => plugin === 'NFLOG').map(([name = '']) => groupOf(sections.get(name)));
  const files = instances
    .filter(([, plugin = '']) => fileOutputs.has(plugin))
    .flatMap(([name = '', plugin = '']) => fileOf(sections.get(name), fileOutputs.get(plugin)));
  return {
    groups: [...new Set(groups)],
    files: files.filter((file, at) => files.findIndex(({ path }) => path === file.path) === at),
  };
}

type Section = ReadonlyMap<string, readonly string[]>;

function sectionsOf(text: string): ReadonlyMap<string, Section> {
  const sections = new Map<string, Map<string, string[]>>();
  let current = new Map<string, string[]>();
  for (const line of text.split('\n').map((one) => one.replace(/#.*/, '').trim())) {
    const name = /^\[([^\]]+)\]$/.exec(line)?.[1];
    if (name !== undefined) {
      current = sections.get(name) ?? new Map();
      sections.set(name, current);
    }
    const [, key, value] = /^([A-Za-z_]+)\s*=\s*"?([^"]*)"?$/.exec(line) ?? [];
    if (key !== undefined && value !== undefined) current.set(key, [...(current.get(key) ?? []), value.trim()]);
  }
  return sections;
}

/** Without a word it is group 0 (ulogd_inppkt_NFLOG.c, NFLOG_GROUP_DEFAULT). */
function groupOf(section: Section | undefined): number {
  return Number(section?.get('group')?.at(-1) ?? 0);
}

function fileOf(section: Section | undefined, usual: string | undefined): readonly UlogdFile[] {
  const path = section?.get('file')?.at(-1) ?? usual;
  return path?.startsWith('/') ? [{ path, sync: section?.get('sync')?.at(-1) === '1' }] : [];
}
