// A change that waits for its confirmation: STATE/pending, made whole before anything is loaded, and the process that puts
// the previous rules back. Who renames `armed` decides what becomes of it: the timer, a confirmation, or a rollback.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readlinkSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Access } from '../../machine/access.ts';
import { run } from '../../machine/run.ts';
import { writeDurably } from '../../machine/write-durably.ts';
import { HostError } from '../../model/host-error.ts';
import {
  type Journal,
  parseJournal,
  printJournal,
  type Stage,
  stageNames,
  stepFiles,
  timerScript,
} from '../journal.ts';
import { type Step, stepTools } from '../loaded.ts';
import { readText } from './sockets.ts';
import { generationName, pendingDirectory, syncDirectory, writing } from './state.ts';

export type Pending = { readonly journal: Journal; readonly stage: Stage };

/** Undefined when nothing waits and nothing that waited is left to be told. */
export function readPending(state: string): Pending | undefined {
  const directory = pendingDirectory(state);
  const journal = parseJournal(readText(join(directory, 'journal.json')) ?? '');
  const stage = stageNames.find((name) => existsSync(join(directory, name)));
  return journal === undefined || stage === undefined ? undefined : { journal, stage };
}

export type WaysBack = { readonly exact: readonly Step[]; readonly anywhere: readonly Step[] };

/** All of it is on the disk when this comes back. @throws HostError 'unwritable' */
export function writePending(state: string, journal: Journal, ways: WaysBack): void {
  const directory = pendingDirectory(state);
  const fresh = `${directory}.new`;
  writing(directory, () => {
    rmSync(fresh, { recursive: true, force: true });
    mkdirSync(fresh, { recursive: true, mode: 0o750 });
    writeDurably(join(fresh, 'journal.json'), printJournal(journal));
    writeDurably(join(fresh, 'timer.sh'), timerScript);
    // for sh, which reads no JSON
    writeDurably(join(fresh, 'generation'), `${generationName(journal.generation)}\n`);
    for (const way of ['exact', 'anywhere'] as const) {
      for (const [name, text] of stepFiles(way, ways[way])) writeDurably(join(fresh, name), text);
    }
    writeDurably(join(fresh, 'armed'), '');
    rmSync(directory, { recursive: true, force: true });
    renameSync(fresh, directory);
    syncDirectory(state);
  });
}

/**
 * The way back from rules that were loaded since, as for a guest that came meanwhile. The old steps are refused by then
 * and those from anywhere hold, so no moment is without a way back.
 */
export function replaceWayBack(state: string, ways: WaysBack): void {
  const directory = pendingDirectory(state);
  writing(directory, () => {
    for (const way of ['anywhere', 'exact'] as const) {
      for (const [name, text] of stepFiles(way, ways[way])) writeDurably(join(directory, name), text);
      for (const step of readWayBack(state, way).slice(ways[way].length).keys()) {
        for (const tool of stepTools)
          rmSync(join(directory, `${way}.${ways[way].length + step}.${tool}`), { force: true });
      }
    }
  });
}

/** False when somebody else was quicker. */
export function moveStage(state: string, from: Stage, to: Stage): boolean {
  const directory = pendingDirectory(state);
  try {
    renameSync(join(directory, from), join(directory, to));
    syncDirectory(directory);
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw new HostError('unwritable', `cannot write ${directory}: ${(cause as Error).message}`, cause);
  }
}

/** Says that the rules that wait are in the kernel, all of them: before that nobody can confirm them. */
export function markLoaded(state: string): void {
  const file = join(pendingDirectory(state), 'loaded');
  writing(file, () => writeDurably(file, ''));
}

/** Asked under the lock, a false means that the command was broken off before it had read the rules back. */
export function isLoaded(state: string): boolean {
  return existsSync(join(pendingDirectory(state), 'loaded'));
}

/** Says that somebody who asked for the way back knows that it was gone. */
export function markTold(state: string): void {
  const file = join(pendingDirectory(state), 'told');
  writing(file, () => writeDurably(file, ''));
}

export function isTold(state: string): boolean {
  return existsSync(join(pendingDirectory(state), 'told'));
}

export function removePending(state: string): void {
  rmSync(pendingDirectory(state), { recursive: true, force: true });
}

const armedWithinMs = 5_000;

/**
 * Comes back when the process that will put the old rules back says that it runs, in a session of its own and, where
 * systemd is the one that ends the processes of a session, in a unit of its own.
 * @throws HostError 'no-timer'
 */
export async function armTimer(access: Access, state: string, { generation, begun, deadline }: Journal): Promise<void> {
  const directory = pendingDirectory(state);
  // a clock that is set back meanwhile gives nobody more time
  const ms = Math.min(deadline - begun, deadline - Date.now());
  const seconds = Math.max(0.05, ms / 1000).toFixed(2);
  const argv = ['sh', join(directory, 'timer.sh'), directory, seconds] as const;
  if (ownsThisNetwork() && (await startUnit(access, generation, argv)) && (await timerRuns(state))) return;
  const [program, ...args] = argv;
  const child = spawn(program, args, { cwd: '/', detached: true, stdio: 'ignore' });
  child.on('error', () => undefined);
  child.unref();
  if (!(await timerRuns(state)))
    throw new HostError('no-timer', 'the timer that would take the change back does not run');
}

/** A unit of systemd runs in the network namespace of systemd. */
function ownsThisNetwork(): boolean {
  if (!existsSync('/run/systemd/system')) return false;
  try {
    return readlinkSync('/proc/self/ns/net') === readlinkSync('/proc/1/ns/net');
  } catch {
    return false;
  }
}

async function startUnit(access: Access, generation: number, argv: readonly string[]): Promise<boolean> {
  const unit = `bridgekeeper-rollback-${generation}-${process.pid}`;
  const { code } = await run(access, 'systemd-run', ['--quiet', '--collect', `--unit=${unit}`, ...argv]);
  return code === 0;
}

async function timerRuns(state: string): Promise<boolean> {
  for (const end = Date.now() + armedWithinMs; Date.now() < end; await sleep(5)) {
    if (timerPid(state) !== undefined) return true;
  }
  return false;
}

/** Undefined when it does not run, or another process has its number by now. */
export function timerPid(state: string): number | undefined {
  const directory = pendingDirectory(state);
  const pid = Number(readText(join(directory, 'timer.pid')) ?? Number.NaN);
  const command = Number.isInteger(pid) ? readText(`/proc/${pid}/cmdline`) : undefined;
  return command?.split('\0').includes(join(directory, 'timer.sh')) === true ? pid : undefined;
}

/** After the stage has been moved on: the process has nothing left to do. */
export function stopTimer(state: string): void {
  const pid = timerPid(state);
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // it ended by itself
  }
}

/** The steps of a way back as they lie there. */
export function readWayBack(state: string, way: keyof WaysBack): readonly Step[] {
  const directory = pendingDirectory(state);
  const steps: Step[] = [];
  for (let index = 0; ; index++) {
    const tool = stepTools.find((name) => existsSync(join(directory, `${way}.${index}.${name}`)));
    if (tool === undefined) return steps;
    steps.push({ tool, text: readFileSync(join(directory, `${way}.${index}.${tool}`), 'utf8') });
  }
}
