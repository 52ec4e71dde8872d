// Errands of the daemon. On a large host each is done by a process of its own, which is asked once, answers once, and ends; on a
// small one that would take longer than the errand.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { currentId } from '../apply/live/facts.ts';
import { LoadRefused } from '../apply/live/load-refused.ts';
import { readPending } from '../apply/live/pending.ts';
import type { Site } from '../apply/live/site.ts';
import { generationBytes } from '../apply/live/state.ts';
import type { Refusal } from '../apply/refusal.ts';
import { HostError } from '../model/host-error.ts';
import { type Answer, type Errand, type Question, work } from './aside-work.ts';
import type { OwnProcesses } from './own-processes.ts';

export type Asked = {
  readonly errand: Errand;
  readonly state: string;
  readonly command: string;
  readonly question: unknown;
};

export type Told =
  /** A program that it runs. */
  | { readonly kind: 'started'; readonly pid: number }
  | { readonly kind: 'ended'; readonly pid: number }
  | { readonly kind: 'answer'; readonly answer: unknown }
  | Complaint;

type Complaint =
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  | { readonly kind: 'trouble'; readonly code: string; readonly message: string }
  /** Of our own. */
  | { readonly kind: 'fault'; readonly message: string };

/** As `work` in aside-work.ts, elsewhere. */
export type Aside = <E extends Errand>(errand: E, question: Question<E>) => Promise<Answer<E>>;

const program = new URL(import.meta.url.endsWith('.ts') ? './aside-process.ts' : './aside-process.js', import.meta.url);

/** @returns what throws as the work itself does, and HostError 'aside' when the process died */
export function asideOf(site: Site, processes: OwnProcesses): Aside {
  const here = { ...site, access: processes.remembering(site.access) };
  return <E extends Errand>(errand: E, question: Question<E>) => {
    if (isLarge(site.state)) return doneElsewhere(site, processes, errand, question);
    const act = work[errand] as (place: Site, asked: Question<E>) => Promise<Answer<E>>;
    return act(here, question);
  };
}

/** Bytes of a generation. */
const mostOfSmall = 200_000;

/** What should be loaded, as it was written. */
function isLarge(state: string): boolean {
  const id = currentId(state, readPending(state));
  return id !== undefined && generationBytes(state, id) > mostOfSmall;
}

function doneElsewhere<E extends Errand>(
  { state, command }: Site,
  processes: OwnProcesses,
  errand: E,
  question: Question<E>,
): Promise<Answer<E>> {
  return new Promise((resolve, reject) => {
    const trouble = (how: string): void =>
      reject(new HostError('aside', `the process that was to read or compile everything (${errand}) ${how}`));
    // the daemon's limits of memory are none of its
    const child = fork(program, {
      execArgv: [],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    child.on('message', (told: Told) => {
      if (told.kind === 'started') processes.add(told.pid);
      else if (told.kind === 'ended') processes.forget(told.pid);
      else if (told.kind === 'answer') resolve(told.answer as Answer<E>);
      else reject(errorOf(told));
    });
    child.on('error', ({ message }) => trouble(`could not be started: ${message}`));
    // what it said may come after its end, and before the end of the channel
    Promise.all([once(child, 'exit'), once(child, 'disconnect')]).then(
      ([[code, signal]]) => trouble(signal === null ? `ended with ${code}` : `was ended by ${signal}`),
      () => undefined,
    );
    child.send({ errand, state, command, question } satisfies Asked, () => undefined);
  });
}

function errorOf(told: Complaint): Error {
  if (told.kind === 'refused') return new LoadRefused(told.refusal);
  return told.kind === 'trouble' ? new HostError(told.code, told.message) : new Error(told.message);
}
