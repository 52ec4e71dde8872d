// Which labs run on this machine: a directory with one file for each, changed only under an exclusive lock.
// The first lab turns on logging of network namespaces, the last to leave puts the earlier value back; labs that died
// are cleared away by their watcher, or by the next lab that comes or leaves.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { HostError } from '../model/host-error.ts';
import type { Mac } from '../model/mac.ts';

export const slotCount = 64;
const lockSeconds = 30;

export type RegistryPlace = {
  readonly directory: string;
  /** The file of the setting; exists only in the initial network namespace. */
  readonly setting: string;
};

const usualPlace: RegistryPlace = {
  directory: '/run/bridgekeeper/lab',
  setting: '/proc/sys/net/netfilter/nf_log_all_netns',
};

/** What a lab may use without meeting another one in the kernel log: ranges of 2^24 MACs, 1024 idents, 256 ports. */
export type Slot = {
  readonly number: number;
  readonly firstMac: Mac;
  /** ICMP identifiers. */
  readonly firstIdent: number;
  /** TCP and UDP ports, below the range from which kernels choose their own. */
  readonly firstPort: number;
};

export const identsPerSlot = 1024;
export const portsPerSlot = 256;

export function slotOf(number: number): Slot {
  return {
    number,
    firstMac: 0x02bc_0000_0000 + number * 2 ** 24,
    firstIdent: number * identsPerSlot,
    firstPort: 16_384 + number * portsPerSlot,
  };
}

export type Membership = { readonly slot: Slot; readonly leave: () => Promise<void> };

/** A process that cannot be taken for a later one with the same pid. */
export type ProcessIdentity = { readonly pid: number; readonly started: string };

/** @throws HostError 'no-namespace-log' outside the initial network namespace, 'labs-full', 'registry-locked' */
export async function joinLabs(options: Partial<RegistryPlace> = {}): Promise<Membership> {
  const place = { ...usualPlace, ...options };
  makeDirectory(place);
  const self = identityOf(process.pid);
  if (self === undefined) throw new HostError('no-proc', 'cannot read /proc/self/stat');
  const watcher = startWatcher(place, self);
  try {
    const number = await underLock(place, () => enter(place, self));
    return { slot: slotOf(number), leave: () => leave(place, self, number, watcher) };
  } catch (error) {
    await stopWatcher(watcher);
    throw error;
  }
}

async function leave(
  place: RegistryPlace,
  self: ProcessIdentity,
  number: number,
  watcher: ChildProcess,
): Promise<void> {
  await underLock(place, () => remove(place, (entry) => entry.number === number && sameProcess(entry, self)));
  await stopWatcher(watcher);
}

/** What the watcher does after the end of a lab that could not leave by itself. Harmless when it did. */
export async function leaveForDead(place: RegistryPlace, dead: ProcessIdentity): Promise<void> {
  await underLock(place, () => remove(place, (entry) => sameProcess(entry, dead)));
}

// The directory: entries `<slot>`, the setting's earlier value in `earlier`, `lock`.

type Entry = ProcessIdentity & { readonly number: number };

type Earlier = { readonly boot: string; readonly value: string };

function enter(place: RegistryPlace, self: ProcessIdentity): number {
  remove(place, () => false);
  const taken = new Set(entries(place).map(({ number }) => number));
  const number = Array.from({ length: slotCount }, (_, index) => index).find((index) => !taken.has(index));
  if (number === undefined) throw new HostError('labs-full', `${slotCount} labs run already (${place.directory})`);
  turnOn(place);
  writeWhole(join(place.directory, `${number}`), JSON.stringify(self));
  return number;
}

/** The ones that left and those that died; after the last one the setting goes back. */
function remove(place: RegistryPlace, leaves: (entry: Entry) => boolean): void {
  const all = entries(place);
  const gone = all.filter((entry) => leaves(entry) || !isAlive(entry));
  for (const { number } of gone) rmSync(join(place.directory, `${number}`), { force: true });
  if (gone.length === all.length) turnBack(place);
}

function entries(place: RegistryPlace): readonly Entry[] {
  return readdirSync(place.directory).flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    const entry = parseJson(join(place.directory, name)) as Partial<ProcessIdentity> | undefined;
    return [{ number: Number(name), pid: entry?.pid ?? 0, started: entry?.started ?? '' }];
  });
}

function turnOn(place: RegistryPlace): void {
  const file = join(place.directory, 'earlier');
  const value = setting(place);
  // The value is on disk before the setting changes: after a crash in between it is still known.
  if (earlier(place) === undefined) writeWhole(file, JSON.stringify({ boot: bootId(), value } satisfies Earlier));
  if (value !== '1') changeSetting(place, '1');
}

function turnBack(place: RegistryPlace): void {
  const before = earlier(place);
  // Somebody who changed it meanwhile knew why.
  if (before !== undefined && before.value !== '1' && setting(place) === '1') changeSetting(place, before.value);
  rmSync(join(place.directory, 'earlier'), { force: true });
}

/** A value of an earlier boot is void: booting has put the setting back. */
function earlier(place: RegistryPlace): Earlier | undefined {
  const value = parseJson(join(place.directory, 'earlier')) as Earlier | undefined;
  return value?.boot === bootId() ? value : undefined;
}

function setting(place: RegistryPlace): string {
  const value = readIfThere(place.setting);
  if (value !== undefined) return value.trim();
  const why = 'the kernel has no such log, or this is not the initial network namespace';
  throw new HostError('no-namespace-log', `${place.setting} is missing: ${why}`);
}

function changeSetting(place: RegistryPlace, value: string): void {
  try {
    writeFileSync(place.setting, value);
  } catch (cause) {
    throw new HostError('setting-refused', `cannot write ${place.setting}: ${(cause as Error).message}`, cause);
  }
}

function makeDirectory({ directory }: RegistryPlace): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new HostError('no-registry', `cannot make ${directory}: ${(cause as Error).message}`, cause);
  }
}

/** Never half a file: the process may die at any instruction. */
function writeWhole(file: string, text: string): void {
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
}

function parseJson(file: string): unknown {
  const text = readIfThere(file);
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return undefined;
  }
}

// Processes.

export function identityOf(pid: number): ProcessIdentity | undefined {
  const stat = readIfThere(`/proc/${pid}/stat`);
  // The name in parentheses may hold anything; the start time is the 20th field after it (proc(5)).
  const [state, ...fields] = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? [];
  const start = fields[18];
  if (start === undefined || state === 'Z' || state === 'X') return undefined;
  return { pid, started: `${bootId()} ${start}` };
}

function isAlive(entry: ProcessIdentity): boolean {
  const now = identityOf(entry.pid);
  return now !== undefined && sameProcess(now, entry);
}

function sameProcess(a: ProcessIdentity, b: ProcessIdentity): boolean {
  return a.pid === b.pid && a.started === b.started;
}

function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
}

/** It outlives us, holds none of our files, and learns of our end from the end of its stdin. */
function startWatcher(place: RegistryPlace, self: ProcessIdentity): ChildProcess {
  const script = fileURLToPath(
    new URL(import.meta.url.endsWith('.ts') ? './watcher.ts' : './watcher.js', import.meta.url),
  );
  const argv = [script, place.directory, place.setting, `${self.pid}`, self.started];
  const watcher = spawn(process.execPath, argv, { stdio: ['pipe', 'ignore', 'ignore'], detached: true, cwd: '/' });
  // Without it everything still works, but for the time after a SIGKILL: the next lab clears up then.
  watcher.on('error', () => undefined);
  watcher.stdin?.on('error', () => undefined);
  watcher.unref();
  return watcher;
}

async function stopWatcher(watcher: ChildProcess): Promise<void> {
  if (watcher.exitCode !== null || watcher.signalCode !== null || watcher.pid === undefined) return;
  watcher.ref();
  const ended = once(watcher, 'exit');
  // The end of its stdin would mean that we are dead, and another lab of this process may go on.
  watcher.kill('SIGKILL');
  await ended;
}

/**
 * util-linux `flock` holds the lock for us, as Node has no flock(2): it gets it, becomes `cat`, and our line comes
 * back. The kernel frees the lock when `cat` ends, and that it does with our end of the pipe, also when we are killed.
 */
async function underLock<T>(place: RegistryPlace, action: () => T): Promise<T> {
  const argv = ['--exclusive', '--no-fork', '--timeout', `${lockSeconds}`, join(place.directory, 'lock'), 'cat'];
  const holder = spawn('flock', argv, { stdio: ['pipe', 'pipe', 'ignore'], detached: true });
  const ended = once(holder, 'exit').catch(() => undefined);
  holder.stdin.on('error', () => undefined);
  holder.stdin.write('\n');
  try {
    const [line] = await Promise.race([once(holder.stdout, 'data'), ended.then(() => [])]);
    if (line === undefined) throw new HostError('registry-locked', `cannot lock ${place.directory} with flock(1)`);
    return action();
  } finally {
    holder.stdin.end();
    await ended;
  }
}
