// The texts of /etc/default/ufw and /etc/ufw/ufw.conf, which ufw's start script sources -> what ufw goes by. Only plain
// assignments count: what a shell would have to work out is not known here.
export type Policy = 'ACCEPT' | 'DROP' | 'REJECT';

export type Settings = {
  readonly enabled: boolean;
  /** As ufw's start script reads it: `yes` or `YES`. */
  readonly ipv6: boolean;
  readonly inputPolicy: Policy;
  readonly logLevel: string;
  readonly modules: readonly string[];
  /** The file of kernel settings; '' is none. */
  readonly sysctlFile: string;
};

export type Assignment = {
  readonly name: string;
  readonly value: string;
  /** The lines of it, from 0: more than one when the quotes hold line ends. */
  readonly first: number;
  readonly last: number;
};

/** ufw's defaults file sets what its configuration file may set anew. */
export function ufwSettings(defaults: string, configuration: string): Settings {
  const values = new Map(
    [...assignments(defaults), ...assignments(configuration)].map(({ name, value }) => [name, value]),
  );
  const policy = values.get('DEFAULT_INPUT_POLICY')?.toUpperCase();
  return {
    enabled: isYes(values.get('ENABLED')),
    ipv6: isYes(values.get('IPV6')),
    inputPolicy: policy === 'ACCEPT' || policy === 'REJECT' ? policy : 'DROP',
    logLevel: values.get('LOGLEVEL')?.toLowerCase() ?? 'low',
    modules: wordsOf(values.get('IPT_MODULES') ?? ''),
    sysctlFile: values.get('IPT_SYSCTL') ?? '',
  };
}

function isYes(value: string | undefined): boolean {
  return value === 'yes' || value === 'YES';
}

export function wordsOf(value: string): readonly string[] {
  return value.split(/[\s\\]+/).filter((word) => word !== '');
}

export function assignments(text: string): readonly Assignment[] {
  const lines = text.split('\n');
  const found: Assignment[] = [];
  for (let first = 0; first < lines.length; first++) {
    const match = /^[ \t]*(?:export[ \t]+)?([A-Za-z_]\w{0,63})=(.*)$/s.exec(lines[first] ?? '');
    if (match === null) continue;
    const { value, last } = assignedValue(lines, first, match[2] ?? '');
    found.push({ name: match[1] ?? '', value, first, last });
    first = last;
  }
  return found;
}

/** In quotes a value may go on for some lines; without an end of the quotes it is the rest of its line. */
function assignedValue(
  lines: readonly string[],
  first: number,
  rest: string,
): { readonly value: string; readonly last: number } {
  const quote = rest[0];
  if (quote !== '"' && quote !== "'") return { value: /^\S*/.exec(rest)?.[0] ?? '', last: first };
  let value = rest.slice(1);
  for (let last = first; last < Math.min(lines.length, first + 20); last++) {
    if (last > first) value = `${value}\n${lines[last]}`;
    const end = value.indexOf(quote);
    if (end >= 0) return { value: value.slice(0, end), last };
  }
  return { value: rest.slice(1), last: first };
}
