// What `ip monitor` prints -> which devices are to be asked about. It only says whom to ask: what it says of them is not
// believed, and whatever is not understood means that all are to be asked.

/** Undefined: nobody knows which. */
export type Names = ReadonlySet<string> | undefined;

/** A line that begins what is said of a device; what follows is set in. */
const devicePattern = /^(?:Deleted )?\d+: ([A-Za-z0-9_.-]{1,15})(?:@\S+)?:? /;

/** Where nobody takes them. */
const mostNames = 1_000;

export class ChangedLinks {
  #names: Set<string> | undefined;
  #rest = '';

  /** Nothing is known of what was before. */
  forget(): void {
    this.#names = undefined;
    this.#rest = '';
  }

  heard(text: string): void {
    const lines = `${this.#rest}${text}`.split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#line(line);
  }

  /** Since the last call. */
  take(): Names {
    const names = this.#names;
    this.#names = new Set();
    return names;
  }

  #line(line: string): void {
    if (line === '' || /^\s/.test(line)) return;
    const [, name] = devicePattern.exec(line) ?? [];
    if (name === undefined || this.#names?.size === mostNames) this.#names = undefined;
    else this.#names?.add(name);
  }
}
