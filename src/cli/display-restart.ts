// `display set --restart`: a guest shut down gently, started again with what was set, the rest done that only a new start
// makes possible, and the picture looked at.
import { type LiveDisplay, readDisplay } from '../display/live/display-facts.ts';
import { performPlan } from '../display/live/perform.ts';
import { verifyPictures } from '../display/live/verify.ts';
import { shutDown, start } from '../display/live/virsh.ts';
import { type Aim, planDisplay, type Wish } from '../display/plan.ts';
import type { Size } from '../display/size.ts';
import type { GuestOptions } from './display-inspect.ts';
import { shownSizes } from './display-verify.ts';
import { exitCodes } from './exit-codes.ts';
import { print, printJson, tell } from './output.ts';
import { type StateOptions, stateDirectory } from './state-directory.ts';

/** Emulated guests take minutes. */
const patience = { shutdownSeconds: 180, answerMs: 300_000, sessionMs: 120_000, pictureMs: 240_000 };

type Unfinished = {
  readonly wish: Wish;
  readonly expected: readonly Size[];
  /** A session ran, and waits to be told. */
  readonly hasSession: boolean;
};

/** @returns an exit code. @throws HostError 'still-running', 'libvirt', 'agent', 'display-undone' */
export async function restarted(
  uuid: string,
  { wish, expected, hasSession }: Unfinished,
  options: GuestOptions & StateOptions,
): Promise<number> {
  tell('shutting the guest down');
  await shutDown(uuid, patience.shutdownSeconds);
  await start(uuid);
  tell('started; waiting for its display');
  const again = await answering(uuid, options);
  const { outcome, sizes, notes } = await verified(again, { wish, expected, hasSession }, options);
  if (options.output === 'json') printJson('display-set', { outcome, pictures: sizes, expected, notes });
  else print(`${outcome.replaceAll('-', ' ')}: ${shownSizes(sizes)}`);
  if (options.output !== 'json') for (const note of notes) tell(`note: ${note}`);
  return outcome === 'as-expected' ? exitCodes.fine : exitCodes.verificationFailed;
}

async function verified(
  live: LiveDisplay,
  { wish, expected, hasSession }: Unfinished,
  options: GuestOptions & StateOptions,
): Promise<Awaited<ReturnType<typeof verifyPictures>> & { readonly notes: readonly string[] }> {
  if (!hasSession) return { ...(await verifyPictures(live, expected, patience.pictureMs)), notes: [] };
  // a driver that is there is what a session starts with
  await verifyPictures(live, expected, patience.pictureMs);
  const withSession = await sessionOf(live.uuid, options);
  if (withSession === undefined) {
    const seen = await verifyPictures(live, expected, patience.pictureMs);
    return { ...seen, notes: ['no desktop session runs since the restart: what it shows was not looked at'] };
  }
  const rest = planDisplay(withSession.facts, { ...wish, aims: new Set<Aim>(['desktop']), via: 'guest' });
  await performPlan(stateDirectory(options), withSession, rest, expected);
  return { ...(await verifyPictures(withSession, expected, patience.pictureMs)), notes: rest.notes };
}

/** An agent is there some time before everything else; a guest without one is not waited for. */
async function answering(uuid: string, options: GuestOptions): Promise<LiveDisplay> {
  for (const deadline = Date.now() + patience.answerMs; ; ) {
    const live = await readDisplay(uuid, 'auto');
    const hasAgent = live.facts.domain.agentChannel;
    if (live.guest !== undefined || !hasAgent || Date.now() > deadline)
      return options.access === 'auto' ? live : readDisplay(uuid, options.access);
    await new Promise((resolve) => setTimeout(resolve, 2000));
  }
}

async function sessionOf(uuid: string, options: GuestOptions): Promise<LiveDisplay | undefined> {
  for (const deadline = Date.now() + patience.sessionMs; Date.now() < deadline; ) {
    const live = await readDisplay(uuid, options.access);
    // X answers xrandr some time after it runs
    if (live.facts.guest?.sessions.some(({ kind, outputs }) => kind === 'wayland' || outputs.length > 0)) return live;
    await new Promise((resolve) => setTimeout(resolve, 2000));
  }
  return undefined;
}
