// What runs on this machine, as /proc tells (proc(5)).
import { readdirSync, readFileSync } from 'node:fs';

export type Process = { readonly pid: number; readonly parent: number; readonly command: string };

/** All processes that can be read; those that end meanwhile are left out. */
export function processes(): readonly Process[] {
  // by names alone: of one that ends right then /proc does not tell the type, and Node throws when it looks for it
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        // `pid (comm) state ppid ...`; comm may have any character
        const [, parent] = readFileSync(`/proc/${name}/stat`, 'latin1')
          .replace(/^.*\) /s, '')
          .split(' ');
        const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
        return [{ pid: Number(name), parent: Number(parent), command }];
      } catch {
        return [];
      }
    });
}

export function descendants(all: readonly Process[], of: number): readonly Process[] {
  return all.filter(({ parent }) => parent === of).flatMap((child) => [child, ...descendants(all, child.pid)]);
}

/** Gives those that were there to be ended. */
export function endAll(doomed: Iterable<Process>): readonly Process[] {
  return [...doomed].filter(({ pid }) => {
    try {
      return process.kill(pid, 'SIGKILL');
    } catch {
      return false;
    }
  });
}
