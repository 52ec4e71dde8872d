// An `ssh` for tests that comes first on the PATH: the other machine is this one, and its login shell is sh. What it was
// asked to run is written down.
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

/** As ssh does it: options, `--`, the host, the command. The host `broken` cannot be reached. */
const script = `#!/bin/sh
for word; do shift; [ "$word" = -- ] && break; done
host=$1; shift
[ "$host" = broken ] && { echo "ssh: connect to host broken port 22: Connection refused" >&2; exit 255; }
printf '%s\\t%s\\t%s\\n' "$$" "$host" "$*" >>"\${0%/*}/log"
exec sh -c "$*"
`;

export class FakeSsh {
  readonly #directory = mkdtempSync(join(tmpdir(), 'bridgekeeper-ssh-'));
  readonly #path = process.env.PATH;

  constructor() {
    writeFileSync(join(this.#directory, 'ssh'), script);
    chmodSync(join(this.#directory, 'ssh'), 0o755);
    process.env.PATH = `${this.#directory}${delimiter}${this.#path}`;
  }

  /** Pid, host and command of every connection. */
  get connections(): readonly { readonly pid: number; readonly host: string; readonly command: string }[] {
    const log = join(this.#directory, 'log');
    if (!existsSync(log)) return [];
    return readFileSync(log, 'utf8')
      .trim()
      .split('\n')
      .map((line) => {
        const [pid = '', host = '', command = ''] = line.split('\t');
        return { pid: Number(pid), host, command };
      });
  }

  end(): void {
    process.env.PATH = this.#path;
    rmSync(this.#directory, { recursive: true });
  }
}
