// Who a process is, so that a number that was given to another one since is not taken for it.
import { readFileSync } from 'node:fs';

/** proc_pid_stat(5): field 22, in ticks since boot; undefined when there is no such process, or only its corpse. */
export function startTime(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // the name in parentheses may hold anything
    const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return state === 'Z' || state === 'X' ? undefined : Number(fields[18]);
  } catch {
    return undefined;
  }
}

/** Of this boot of the machine; random(4). */
export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

export function isAlive(pid: number, started: number): boolean {
  return startTime(pid) === started;
}
