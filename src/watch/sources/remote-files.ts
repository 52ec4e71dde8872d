// Log files of another machine: a shell over there answers questions about them, one a line, over one connection. Paths
// and numbers are data on its standard input; the program is a fixed text of POSIX words.

import type { Access } from '../../machine/access.ts';
import { Output } from '../../machine/output.ts';
import { HostError } from '../../model/host-error.ts';
import { timeWithoutYear } from './calendar.ts';
import { type LogFiles, type OpenFile, ownerOf } from './log-files.ts';
import { copiesOf } from './older-copies.ts';

/** Each answer ends with a line that holds a dot. `od` alone can begin and end at a byte, and its output is text. */
const script =
  'date +%z; echo .; while read -r v o n p; do case $v in ' +
  'l) ls -lnid "$p" "$p".[0-9]* "$p"-[0-9]* 2>/dev/null;; ' +
  's) ls -lnid "$p" 2>/dev/null;; ' +
  'r) ls -id "$p" 2>/dev/null; od -An -v -tx1 -j "$o" -N "$n" "$p" 2>/dev/null; ls -id "$p" 2>/dev/null;; ' +
  'esac; echo .; done';

/** No blank, no quote, no dots that lead up. @throws HostError 'bad-path' */
export function checkedPath(path: string): string {
  if (!/^(?:\/[A-Za-z0-9_+@,:-][A-Za-z0-9._+@,:-]*)+$/.test(path)) {
    throw new HostError('bad-path', `'${path}' is no path that can be asked for on another machine`);
  }
  return path;
}

/** One connection for all files of a machine, made when it is needed and again when it broke. */
export function remoteFiles(access: Access): (signal: AbortSignal) => LogFiles {
  let shell: RemoteShell | undefined;
  return (signal) => {
    const ask = async (question: string): Promise<readonly string[]> => {
      if (shell === undefined || shell.ended) shell = new RemoteShell(access, signal);
      return shell.ask(question);
    };
    return {
      zone: async () => {
        await ask('z 0 0 /');
        return shell?.zone;
      },
      copies: (path) => copies(checkedPath(path), ask),
      facts: async (path) => {
        const [line] = await ask(`s 0 0 ${checkedPath(path)}`);
        return line === undefined ? undefined : factsOf(line);
      },
    };
  };
}

type Ask = (question: string) => Promise<readonly string[]>;

class RemoteShell {
  readonly #output: Output;
  readonly #waiting: {
    readonly resolve: (lines: readonly string[]) => void;
    readonly reject: (error: Error) => void;
  }[] = [];
  ended = false;
  zone: number | undefined;

  constructor(access: Access, signal: AbortSignal) {
    this.#output = new Output(access, 'sh', ['-c', script], signal, 'read');
    this.#waiting.push({ resolve: ([zone]) => this.#setZone(zone), reject: () => undefined });
    void this.#read(access.host);
  }

  #setZone(zone: string | undefined): void {
    this.zone = minutesOf(zone);
  }

  ask(question: string): Promise<readonly string[]> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#output.write(`${question}\n`);
    });
  }

  async #read(host: string): Promise<void> {
    let lines: string[] = [];
    let rest = '';
    for await (const chunk of this.#output) {
      const parts = `${rest}${chunk.toString('latin1')}`.split('\n');
      rest = parts.pop() ?? '';
      for (const line of parts) {
        if (line !== '.') lines.push(line);
        else {
          this.#waiting.shift()?.resolve(lines);
          lines = [];
        }
      }
    }
    this.ended = true;
    const { code, said } = await this.#output.ending();
    const error = new Error(`${host}: the connection ended with ${code}${said === '' ? '' : `: ${said}`}`);
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }
}

/** `+0130` -> 90. */
function minutesOf(zone = ''): number | undefined {
  const match = /^([+-])(\d\d)(\d\d)$/.exec(zone);
  if (match === null) return undefined;
  return (match[1] === '-' ? -1 : 1) * (Number(match[2]) * 60 + Number(match[3]));
}

type Facts = {
  readonly id: string;
  readonly size: number;
  readonly path: string;
  readonly modified: number;
  readonly owner: OpenFile['owner'];
};

/** `131 -rw-r----- 1 0 4 12345 Nov 24 00:15 /var/log/kern.log`, as POSIX has it. */
function factsOf(line: string): Facts | undefined {
  const match = /^ *(\d+) -(\S{9})\S* +\d+ +(\d+) +\d+ +(\d+) +([A-Z][a-z]{2}) +(\d+) +(\d\d:\d\d|\d{4}) (\/.*)$/.exec(
    line,
  );
  if (match === null) return undefined;
  const [, inode, mode = '', uid, size, month = '', day, time = '', path = ''] = match;
  const writable = mode[4] === 'w' || mode[7] === 'w';
  const modified = modifiedAt(month, Number(day), time);
  const owner = ownerOf({ uid: Number(uid), mode: writable ? 0o022 : 0 });
  return { id: `${inode}`, size: Number(size), path, modified, owner };
}

function modifiedAt(month: string, day: number, time: string): number {
  if (!time.includes(':')) return Date.parse(`${day} ${month} ${time} 23:59 UTC`);
  const [hour = 0, minute = 0] = time.split(':').map(Number);
  const number = new Date(`1 ${month} 2000`).getMonth();
  return timeWithoutYear({ month: number, day, hour, minute }, { notAfter: Date.now() }) ?? Date.now();
}

async function copies(path: string, ask: Ask): Promise<readonly OpenFile[]> {
  const lines = await ask(`l 0 0 ${path}`);
  const found = lines.map(factsOf).filter((facts) => facts !== undefined);
  if (lines.some((line) => / [a-z]\S{9}/.test(line) && line.endsWith(` ${path}`)))
    throw new Error(`${path} is no file`);
  const base = path.slice(path.lastIndexOf('/') + 1);
  const directory = path.slice(0, path.length - base.length);
  const byName = new Map(found.map((facts) => [facts.path.slice(directory.length), facts]));
  return copiesOf(base, [...byName.keys()]).flatMap(({ name, packing }) => {
    const facts = byName.get(name);
    return facts === undefined ? [] : [{ ...openRemote(path, facts, ask), ...(packing !== undefined && { packing }) }];
  });
}

/** Nothing is held open over there: before and after each look the file must be the same, else it is searched for. */
function openRemote(base: string, { id, path, modified, owner }: Facts, ask: Ask): OpenFile {
  let name = path;
  const found = async (): Promise<Facts> => {
    const lines = await ask(`l 0 0 ${base}`);
    const facts = lines.map(factsOf).find((one) => one?.id === id);
    if (facts === undefined) throw new Error(`${name} has gone`);
    name = checkedPath(facts.path);
    return facts;
  };
  return {
    id,
    modified,
    owner,
    size: async () => {
      const [line] = await ask(`s 0 0 ${name}`);
      const facts = line === undefined ? undefined : factsOf(line);
      return facts?.id === id ? facts.size : (await found()).size;
    },
    read: async (offset, length) => {
      if (length === 0) return Buffer.alloc(0);
      for (let attempt = 0; attempt < 3; attempt++) {
        const bytes = bytesOf(id, await ask(`r ${offset} ${length} ${name}`));
        if (bytes !== undefined) return bytes;
        await found();
      }
      throw new Error(`${name} is another file at every look`);
    },
    close: async () => undefined,
  };
}

function bytesOf(id: string, lines: readonly string[]): Buffer | undefined {
  const inodeOf = (line: string | undefined): string | undefined => /^ *(\d+) /.exec(line ?? '')?.[1];
  if (lines.length < 2 || inodeOf(lines[0]) !== id || inodeOf(lines.at(-1)) !== id) return undefined;
  return Buffer.from(lines.slice(1, -1).join('').replaceAll(' ', ''), 'hex');
}
