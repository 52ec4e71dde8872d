// What `ip monitor` prints -> which devices are to be asked about. It only says whom to ask: what it says of them is not
// believed, and whatever is not understood means that all are to be asked.

/** Devices by what they are called, and by their numbers: after one was renamed `ip` still says its old name now and then. */
export type Changed = { readonly names: ReadonlySet<string>; readonly indices: ReadonlySet<number> };

/** A line that begins what is said of a device; what follows is set in. */
const devicePattern = /^(?:Deleted )?(\d+): ([A-Za-z0-9_.-]{1,15})(?:@\S+)?:? /;

/** Where nobody takes them. */
const mostNames = 1_000;

export class ChangedLinks {
  /** Undefined: nobody knows which. */
  #changed: { readonly names: Set<string>; readonly indices: Set<number> } | undefined;
  #rest = '';

  /** Nothing is known of what was before. */
  forget(): void {
    this.#changed = undefined;
    this.#rest = '';
  }

  heard(text: string): void {
    const lines = `${this.#rest}${text}`.split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#line(line);
  }

  /** Since the last call; undefined when it may be any. */
  take(): Changed | undefined {
    const changed = this.#changed;
    this.#changed = { names: new Set(), indices: new Set() };
    return changed;
  }

  #line(line: string): void {
    if (line === '' || /^\s/.test(line)) return;
    const [, index, name] = devicePattern.exec(line) ?? [];
    if (name === undefined || this.#changed?.names.size === mostNames) this.#changed = undefined;
    this.#changed?.names.add(name ?? '');
    this.#changed?.indices.add(Number(index));
  }
}
