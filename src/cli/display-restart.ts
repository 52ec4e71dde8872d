// `display set --restart`: a guest shut down gently, started again with what was set, the rest done that only a new start
// makes possible, and the picture looked at.
import { setTimeout as pause } from 'node:timers/promises';
import { type LiveDisplay, readDisplay } from '../display/live/display-facts.ts';
import { performPlan } from '../display/live/perform.ts';
import { verifyPictures } from '../display/live/verify.ts';
import { shutDown, start } from '../display/live/virsh.ts';
import { type Aim, planDisplay, type Wish } from '../display/plan.ts';
import type { Size } from '../display/size.ts';
import { HostError } from '../model/host-error.ts';
import type { GuestOptions } from './display-inspect.ts';
import { shownSizes } from './display-verify.ts';
import { exitCodes } from './exit-codes.ts';
import { print, printJson, tell } from './output.ts';
import { type StateOptions, stateDirectory } from './state-directory.ts';

/** Emulated guests take minutes. */
const usualPatience = { shutdownSeconds: 180, answerMs: 300_000, sessionMs: 240_000, pictureMs: 240_000 };

type Unfinished = {
  readonly wish: Wish;
  readonly expected: readonly Size[];
  /** A session ran, and waits to be told. */
  readonly hasSession: boolean;
};

export type Patience = typeof usualPatience;

/** @returns an exit code. @throws HostError 'still-running', 'libvirt', 'agent', 'ssh', 'display-undone' */
export async function restarted(
  uuid: string,
  unfinished: Unfinished,
  options: GuestOptions & StateOptions,
  patience: Patience = usualPatience,
): Promise<number> {
  tell('shutting the guest down');
  await ended(uuid, patience);
  await start(uuid);
  tell('started; waiting for its display');
  const again = await answering(uuid, options, patience);
  const { outcome, sizes, notes } = await verified(again, unfinished, options, patience);
  const { expected } = unfinished;
  if (options.output === 'json') printJson('display-set', { outcome, pictures: sizes, expected, notes });
  else print(`${outcome.replaceAll('-', ' ')}: ${shownSizes(sizes)}`);
  if (options.output !== 'json') for (const note of notes) tell(`note: ${note}`);
  return outcome === 'as-expected' ? exitCodes.fine : exitCodes.verificationFailed;
}

/** What was set stays set, also where the guest has its reasons to go on. */
async function ended(uuid: string, { shutdownSeconds }: Patience): Promise<void> {
  try {
    await shutDown(uuid, shutdownSeconds);
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    const stays = 'what was set waits for its next cold start, and `display rollback` takes it back';
    throw new HostError(error.code, `${error.message}; ${stays}`, error);
  }
}

async function verified(
  live: LiveDisplay,
  { wish, expected, hasSession }: Unfinished,
  options: GuestOptions & StateOptions,
  patience: Patience,
): Promise<Awaited<ReturnType<typeof verifyPictures>> & { readonly notes: readonly string[] }> {
  if (!hasSession) return { ...(await verifyPictures(live, expected, patience.pictureMs)), notes: [] };
  // a driver that is there is what a session starts with
  await verifyPictures(live, expected, patience.pictureMs);
  const withSession = await sessionOf(live.uuid, options, patience);
  if (withSession === undefined) {
    const seen = await verifyPictures(live, expected, patience.pictureMs);
    return { ...seen, notes: ['no desktop session runs since the restart: what it shows was not looked at'] };
  }
  const rest = planDisplay(withSession.facts, { ...wish, aims: new Set<Aim>(['desktop']), via: 'guest' });
  await performPlan(stateDirectory(options), withSession, rest, expected);
  return { ...(await verifyPictures(withSession, expected, patience.pictureMs)), notes: rest.notes };
}

/**
 * An agent is there some time before everything else, sshd some time after; a guest without a way in is not waited for, and one
 * that never answers is looked at from outside.
 * @throws HostError 'ssh', 'agent' when the way that was asked for by name is not there in time
 */
async function answering(uuid: string, options: GuestOptions, { answerMs }: Patience): Promise<LiveDisplay> {
  const way = livingWay(options);
  for (const deadline = Date.now() + answerMs; ; await pause(betweenMs)) {
    const live = await readDisplay(uuid, way).catch((error: unknown) => late(error, deadline));
    if (live === undefined) continue;
    if (live.guest !== undefined || !live.facts.domain.agentChannel || Date.now() > deadline) return live;
  }
}

const betweenMs = 2_000;

/** Files of a guest that was off are no way into one that runs. */
function livingWay({ access }: GuestOptions): string {
  return access === 'agent' || access.startsWith('ssh:') ? access : 'auto';
}

/** Nobody answers as yet. */
function late(error: unknown, deadline: number): undefined {
  const isEarly = error instanceof HostError && ['ssh', 'agent'].includes(error.code) && Date.now() < deadline;
  if (!isEarly) throw error;
}

async function sessionOf(
  uuid: string,
  options: GuestOptions,
  { sessionMs }: Patience,
): Promise<LiveDisplay | undefined> {
  for (const deadline = Date.now() + sessionMs; Date.now() < deadline; await pause(betweenMs)) {
    const live = await readDisplay(uuid, livingWay(options)).catch((error: unknown) => late(error, deadline));
    // X answers xrandr some time after it runs
    if (live?.facts.guest?.sessions.some(({ kind, outputs }) => kind === 'wayland' || outputs.length > 0)) return live;
  }
  return undefined;
}
