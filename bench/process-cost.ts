// What a process that goes on has cost so far, with everything that it has started: read from /proc (proc_pid_stat(5)).
import { readdirSync, readFileSync } from 'node:fs';

const msPerTick = 10;

/** Milliseconds of processor time. */
export type CpuTime = {
  /** Of the process itself. */
  readonly own: number;
  /** With its children, those that have ended and those that run. */
  readonly all: number;
};

export function cpuMs(pid: number): CpuTime {
  const { own, waited } = timesOf(pid);
  const running = childrenOf(pid).map((child) => cpuMs(child).all);
  return { own, all: running.reduce((sum, ms) => sum + ms, own + waited) };
}

/** A process that has just ended has cost nothing: its parent has waited for it, or will have. */
function timesOf(pid: number): { readonly own: number; readonly waited: number; readonly parent: number } {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
    const [user = 0, system = 0, childUser = 0, childSystem = 0] = fields.slice(11, 15);
    return { own: (user + system) * msPerTick, waited: (childUser + childSystem) * msPerTick, parent: fields[1] ?? 0 };
  } catch {
    return { own: 0, waited: 0, parent: 0 };
  }
}

function childrenOf(pid: number): readonly number[] {
  const pids = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
  return pids.filter((one) => one !== pid && timesOf(one).parent === pid);
}

/** Of the process and of what it keeps running, each counted by itself. */
export function familyMebibytes(pid: number): number {
  return childrenOf(pid).reduce((sum, child) => sum + familyMebibytes(child), mebibytes(pid, 'VmRSS'));
}

/** A process that has just ended has nothing. */
export function mebibytes(pid: number, what: 'VmRSS' | 'VmHWM'): number {
  let status = '';
  try {
    status = readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    // it is gone
  }
  return Math.round(Number(new RegExp(`^${what}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0) / 1024);
}
