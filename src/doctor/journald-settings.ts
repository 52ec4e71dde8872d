// journald.conf and its drop-ins -> what counts in the end (journald.conf(5), systemd.syntax(7)): one main file, then the
// drop-ins by name, where a name in /etc hides the same name elsewhere; the last word counts.

export type ConfigFile = { readonly path: string; readonly text: string };

export type JournaldSettings = {
  readonly readKmsg: boolean;
  readonly storage: 'volatile' | 'persistent' | 'auto' | 'none';
  /** 0 to 7: what is less important is not kept. */
  readonly maxLevelStore: number;
  readonly forwardToSyslog: boolean;
  /** Where each setting that is not the usual one stands. */
  readonly from: Readonly<Partial<Record<'ReadKMsg' | 'Storage' | 'MaxLevelStore', string>>>;
};

/** The more important places first. */
const places = ['/etc/systemd/', '/run/systemd/', '/usr/local/lib/systemd/', '/usr/lib/systemd/', '/lib/systemd/'];

export const levelNames: readonly string[] = ['emerg', 'alert', 'crit', 'err', 'warning', 'notice', 'info', 'debug'];

export function journaldSettings(files: readonly ConfigFile[]): JournaldSettings {
  const values = new Map<string, { readonly value: string; readonly path: string }>();
  for (const file of filesInOrder(files)) {
    for (const [key, value] of assignments(file.text)) values.set(key, { value, path: file.path });
  }
  const word = (key: string): string => values.get(key)?.value ?? '';
  return {
    readKmsg: truth(word('ReadKMsg')) ?? true,
    storage: storages.find((one) => one === word('Storage')) ?? 'auto',
    maxLevelStore: levelOf(word('MaxLevelStore')) ?? 7,
    forwardToSyslog: truth(word('ForwardToSyslog')) ?? false,
    from: Object.fromEntries([...values].map(([key, { path }]) => [key, path])),
  };
}

const storages = ['volatile', 'persistent', 'auto', 'none'] as const;

function filesInOrder(files: readonly ConfigFile[]): readonly ConfigFile[] {
  const main = places.flatMap((place) => files.filter(({ path }) => path === `${place}journald.conf`)).slice(0, 1);
  const dropIns = new Map<string, ConfigFile>();
  for (const place of places.toReversed()) {
    const folder = `${place}journald.conf.d/`;
    for (const file of files) if (file.path.startsWith(folder)) dropIns.set(file.path.slice(folder.length), file);
  }
  const sorted = [...dropIns].sort(([one], [other]) => (one < other ? -1 : 1));
  return [...main, ...sorted.map(([, file]) => file)];
}

/** Lines of the section [Journal]; an empty value takes back what was said before. */
function assignments(text: string): readonly (readonly [key: string, value: string])[] {
  let section = '';
  return text.split('\n').flatMap((line): readonly (readonly [string, string])[] => {
    const trimmed = line.trim();
    if (trimmed.startsWith('[')) section = trimmed;
    const at = trimmed.indexOf('=');
    if (section !== '[Journal]' || at < 0 || /^[#;]/.test(trimmed)) return [];
    return [[trimmed.slice(0, at).trim(), trimmed.slice(at + 1).trim()]];
  });
}

function truth(word: string): boolean | undefined {
  if (/^(?:1|yes|y|true|t|on)$/i.test(word)) return true;
  return /^(?:0|no|n|false|f|off)$/i.test(word) ? false : undefined;
}

function levelOf(word: string): number | undefined {
  if (/^[0-7]$/.test(word)) return Number(word);
  const level = levelNames.indexOf(word);
  return level < 0 ? undefined : level;
}
