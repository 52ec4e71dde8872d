// One instance at a time: a file that names its owner. A dead owner's lock is taken over.
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { HostError } from '../../model/host-error.ts';
import { isAlive, startTime } from './process-id.ts';
import { writing } from './state.ts';

const ownerFile = z.object({ pid: z.int(), started: z.number(), command: z.string() });

export type Owner = z.output<typeof ownerFile>;

/** Milliseconds. */
const patience = 10_000;
const pause = 25;

/**
 * Runs the action while nobody else changes anything; waits for another one for some seconds.
 * @param command for the message that others get to see
 * @throws HostError 'locked' with the owner's name, 'unwritable', and whatever the action throws
 */
export async function withLock<T>(
  state: string,
  command: string,
  action: () => Promise<T>,
  waitMs: number = patience,
): Promise<T> {
  const file = join(state, 'lock');
  await take(file, command, waitMs);
  try {
    return await action();
  } finally {
    rmSync(file, { force: true });
  }
}

/** Whether somebody who lives has the lock of this directory. */
export function isLocked(directory: string): boolean {
  const holder = lockOwner(join(directory, 'lock'));
  return holder !== undefined && isAlive(holder.pid, holder.started);
}

let taken = 0;

async function take(file: string, command: string, waitMs: number): Promise<void> {
  const own = `${file}.${process.pid}.${++taken}`;
  const owner: Owner = { pid: process.pid, started: startTime(process.pid) ?? 0, command };
  writing(own, () => writeFileSync(own, JSON.stringify(owner)));
  const deadline = Date.now() + waitMs;
  try {
    while (!linked(own, file)) {
      const holder = lockOwner(file);
      if (holder !== undefined && !isAlive(holder.pid, holder.started)) putAside(file, holder);
      else if (Date.now() >= deadline) throw lockedBy(holder);
      else await sleep(pause);
    }
  } finally {
    rmSync(own, { force: true });
  }
}

/** A second name for a file that is whole: made by one only. */
function linked(own: string, file: string): boolean {
  try {
    linkSync(own, file);
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw new HostError('unwritable', `cannot write ${file}: ${(cause as Error).message}`, cause);
  }
}

/** Undefined when there is none, or one that is just vanishing. */
function lockOwner(file: string): Owner | undefined {
  try {
    return ownerFile.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return undefined;
  }
}

/** Two may see the same corpse: what was renamed must be the dead one's, else it goes back to who took it meanwhile. */
function putAside(file: string, dead: Owner): void {
  const aside = `${file}.dead.${process.pid}`;
  try {
    renameSync(file, aside);
    const found = lockOwner(aside);
    if (found?.pid !== dead.pid || found.started !== dead.started) linked(aside, file);
    rmSync(aside, { force: true });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause;
  }
}

function lockedBy(holder: Owner | undefined): HostError {
  const who = holder === undefined ? 'somebody' : `process ${holder.pid} (${holder.command})`;
  return new HostError('locked', `another bridgekeeper is at work: ${who}`);
}
