// One instance at a time: a file that names its owner. A dead owner's lock is taken over.
import { linkSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { HostError } from '../../model/host-error.ts';
import { bootId, isAlive, startTime } from './process-id.ts';
import { readText } from './sockets.ts';
import { writing } from './state.ts';

const ownerFile = z.object({ pid: z.int(), started: z.number(), boot: z.string(), command: z.string() });

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

let taken = 0;

async function take(file: string, command: string, waitMs: number): Promise<void> {
  const own = `${file}.${process.pid}.${++taken}`;
  const owner: Owner = { pid: process.pid, started: startTime(process.pid) ?? 0, boot: bootId(), command };
  writing(own, () => writeFileSync(own, JSON.stringify(owner)));
  const deadline = Date.now() + waitMs;
  try {
    while (!linked(own, file)) {
      const holder = lockOwner(file);
      if (holder !== undefined && isGone(holder)) putAside(file);
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

/**
 * A lock is whole before it gets its name, so one that cannot be read was left by a machine that lost its power.
 * Undefined when there is none.
 */
function lockOwner(file: string): Owner | 'damaged' | undefined {
  const text = readText(file);
  if (text === undefined) return undefined;
  try {
    return ownerFile.parse(JSON.parse(text));
  } catch {
    return 'damaged';
  }
}

/** Numbers and start times of processes come again after a boot. */
function isGone(holder: Owner | 'damaged'): boolean {
  return holder === 'damaged' || holder.boot !== bootId() || !isAlive(holder.pid, holder.started);
}

/** Two may see the same corpse: what was renamed must be a dead one's, else it goes back to who took it meanwhile. */
function putAside(file: string): void {
  const aside = `${file}.dead.${process.pid}`;
  try {
    renameSync(file, aside);
    const found = lockOwner(aside);
    if (found !== undefined && !isGone(found)) linked(aside, file);
    rmSync(aside, { force: true });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause;
  }
}

function lockedBy(holder: Owner | 'damaged' | undefined): HostError {
  const who = holder === undefined || holder === 'damaged' ? 'somebody' : `process ${holder.pid} (${holder.command})`;
  return new HostError('locked', `another bridgekeeper is at work: ${who}`);
}
