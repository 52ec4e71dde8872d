// What `virsh event` prints -> which domains are to be asked about. Names are their owners' choice, and stand in its lines as
// they are: a line counts for a domain that is known by exactly this name, and anything else means that all are to be asked.

/** Of the kinds that can make a card another one's, and what virsh may say there (virsh-domain-event.c). */
const endings = [
  ['lifecycle', '[A-Za-z]+(?: [A-Za-z -]+)?'],
  ['device-added|device-removed', '[A-Za-z0-9_-]+'],
  ['agent-lifecycle', "state: '[a-z]+' reason: '[a-z ]+'"],
] as const;

const patterns = endings.map(([kinds, ending]) => new RegExp(`^event '(?:${kinds})' for domain (.*): ${ending}$`));

const concerned = /^event '(?:lifecycle|device-added|device-removed|agent-lifecycle)' /;

/** Where nobody takes them. */
const mostLines = 1_000;

const longestLine = 65_536;

export class ChangedDomains {
  /** Names as virsh printed them; undefined: nobody knows which. */
  #named: Set<string> | undefined;
  #rest = '';

  /** Nothing is known of what was before. */
  forget(): void {
    this.#named = undefined;
    this.#rest = '';
  }

  /** Whether there is a reason to look. */
  heard(text: string): boolean {
    const lines = `${this.#rest}${text}`.split('\n');
    this.#rest = lines.pop() ?? '';
    if (this.#rest.length > longestLine) this.forget();
    return lines.map((line) => this.#line(line)).includes(true);
  }

  /**
   * UUIDs of those that changed since the last call; undefined when it may be any.
   * @param known names of all domains -> their UUIDs
   */
  take(known: ReadonlyMap<string, string>): ReadonlySet<string> | undefined {
    const named = this.#named;
    this.#named = new Set();
    const uuids = [...(named ?? [])].map((name) => uuidOf(name, known));
    return named === undefined || uuids.includes(undefined) ? undefined : new Set(uuids.flatMap((uuid) => uuid ?? []));
  }

  #line(line: string): boolean {
    if (line === '' || (/^event '[a-z-]+' /.test(line) && !concerned.test(line))) return false;
    const [name] = patterns.flatMap((pattern) => pattern.exec(line)?.[1] ?? []);
    if (name === undefined || this.#named?.size === mostLines) this.#named = undefined;
    else this.#named?.add(name);
    return true;
  }
}

/** Older ones of virsh print no quotes, and a name may have some of its own. */
function uuidOf(printed: string, known: ReadonlyMap<string, string>): string | undefined {
  // what a program prints is heard octet by octet
  const bare = Buffer.from(printed, 'latin1').toString('utf8');
  const quoted = /^'(.*)'$/s.exec(bare)?.[1];
  const found = [bare, quoted].flatMap((name) => (name === undefined ? [] : (known.get(name) ?? [])));
  return found.length === 1 ? found[0] : undefined;
}
