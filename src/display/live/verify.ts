// What a guest really shows, against what it should: only a screenshot counts, and only after the kernel's display driver has
// taken over and two pictures in a row are the same. Every size on the way is told, since a transient one explains a failure.
import { setTimeout as pause } from 'node:timers/promises';
import { HostError } from '../../model/host-error.ts';
import { isDisplayDriver } from '../early-picture.ts';
import type { GuestFacts } from '../guest-facts.ts';
import { isPending } from '../plan.ts';
import { isSameSize, type Size } from '../size.ts';
import { bootOf, startSizes } from '../stages.ts';
import { type LiveDisplay, screensOf } from './display-facts.ts';
import { askGuest } from './guest.ts';
import type { Shot } from './virsh.ts';

/** One for each screen, undefined where it is dark or has no picture. */
type Sizes = readonly (Size | undefined)[];
type Shots = readonly (Shot | undefined)[];

export type Sighting = { readonly afterMs: number; readonly sizes: Sizes };

export type Verified = {
  /** `restart-pending`: another picture, and the next start brings other devices. */
  readonly outcome: 'as-expected' | 'other-picture' | 'restart-pending' | 'no-driver-yet' | 'unsteady';
  readonly sizes: Sizes;
  readonly sightings: readonly Sighting[];
  /** The pictures that were compared. */
  readonly shots: Shots;
};

/** Pictures of a text console blink; in this time there are two that are the same. */
const usualPatienceMs = 60_000;
const betweenMs = 700;
/** The driver sets its mode after it has a name. */
const settleMs = 2_000;

/** @param patienceMs for the driver, and again for a steady picture. @throws HostError 'libvirt', 'agent' */
export async function verifyPictures(
  live: LiveDisplay,
  expected: readonly Size[],
  patienceMs: number = usualPatienceMs,
): Promise<Verified> {
  const begin = Date.now();
  const { state, inside } = await driverState(live, begin + patienceMs);
  if (state === 'absent') {
    const shots = await shotsOf(live, inside);
    return { outcome: 'no-driver-yet', sizes: sizesOf(shots), sightings: [], shots };
  }
  const sightings: Sighting[] = [];
  let before: Shots = [];
  for (const deadline = Date.now() + patienceMs; Date.now() < deadline; await pause(betweenMs)) {
    const shots = await shotsOf(live, inside);
    const sizes = sizesOf(shots);
    sightings.push({ afterMs: Date.now() - begin, sizes });
    if (isSameShots(before, shots))
      return { outcome: outcomeOf(live, state, sizes, expected), sizes, sightings, shots };
    before = shots;
  }
  return { outcome: 'unsteady', sizes: sizesOf(before), sightings, shots: before };
}

type DriverState = 'there' | 'absent' | 'cannot-bind' | 'nobody-says';

type Driver = {
  readonly state: DriverState;
  /** What the guest said last. */
  readonly inside: GuestFacts | undefined;
};

/** Waits for it; without anybody inside to ask, for a moment only. */
async function driverState({ guest, facts }: LiveDisplay, deadline: number): Promise<Driver> {
  const { running, guest: said } = facts;
  if (guest === undefined || said === undefined || running === undefined) {
    await pause(settleMs);
    return { state: 'nobody-says', inside: undefined };
  }
  const device = running.devices.find(({ primary }) => primary);
  const canBind = device !== undefined && bootOf(running, device, said).driver;
  if (!canBind && !isDisplayDriver(said.framebuffer)) return { state: 'cannot-bind', inside: said };
  await guest.run('/bin/sh', ['-c', 'udevadm settle 2>/dev/null; true'], { seconds: 120 });
  for (;;) {
    const inside = await askGuest(guest);
    if (isDisplayDriver(inside.framebuffer)) {
      await pause(settleMs);
      return { state: 'there', inside };
    }
    if (Date.now() > deadline) return { state: 'absent', inside };
    await pause(1000);
  }
}

/**
 * An early picture may have the size that was asked for, and the driver another one: where nobody inside says that the
 * driver is there, such a picture proves nothing but what the devices themselves start with.
 */
function outcomeOf({ facts }: LiveDisplay, driver: DriverState, sizes: Sizes, expected: Sizes): Verified['outcome'] {
  if (!showsAll(sizes, expected)) return isPending(facts) ? 'restart-pending' : 'other-picture';
  if (driver !== 'nobody-says' || facts.running === undefined) return 'as-expected';
  return showsAll(startSizes(facts.running), expected) ? 'as-expected' : 'no-driver-yet';
}

/** A head that is off has a picture all the same, of 640x480, which may be just what is expected: it counts as dark. */
async function shotsOf({ outside, facts }: LiveDisplay, inside: GuestFacts | undefined): Promise<Shots> {
  const screens = screensOf(facts.running ?? facts.domain);
  const heads = inside?.connectors ?? [];
  const shots: (Shot | undefined)[] = [];
  for (const [at, screen] of screens.entries()) {
    const isOff = heads.length === screens.length && heads[at]?.connected === false;
    shots.push(isOff ? undefined : await outside.screenshot(screen));
  }
  return shots;
}

function sizesOf(shots: Shots): Sizes {
  return shots.map((shot) => shot?.size);
}

function isSameShots(one: Shots, other: Shots): boolean {
  const isSame = (shot: Shot | undefined, at: number) =>
    shot === undefined ? other[at] === undefined : other[at]?.bytes.equals(shot.bytes) === true;
  return one.some((shot) => shot !== undefined) && one.length === other.length && one.every(isSame);
}

/** Heads beyond the wish may show what they like. */
function showsAll(sizes: Sizes, expected: Sizes): boolean {
  return expected.every((size, at) => {
    const shown = sizes[at];
    return shown !== undefined && size !== undefined && isSameSize(shown, size);
  });
}

/**
 * Shows a text console for the time of the action, and then again what was shown before.
 * @throws HostError 'libvirt', and 'console' when the guest does not switch
 */
export async function onTextConsole<T>(live: LiveDisplay, action: () => Promise<T>): Promise<T> {
  const { guest: facts } = live.facts;
  const before = Number(/^tty(\d+)$/.exec(facts?.activeConsole ?? '')?.[1] ?? 0);
  if (facts === undefined || before === 0)
    throw new HostError('console', `which console is shown, the guest does not say: ${live.facts.silence ?? ''}`);
  if (facts.gettys.includes(before)) return action();
  if (before > mostKeys) throw new HostError('console', `no key leads back to tty${before}, which is shown now`);
  const text = facts.gettys.find((number) => number >= 1 && number <= 6);
  if (text === undefined) throw new HostError('console', 'no text console of the guest has a getty');
  try {
    await switchTo(live, text);
    return await action();
  } finally {
    await switchTo(live, before);
  }
}

/** There are twelve such keys. */
const mostKeys = 12;

async function switchTo({ outside, guest }: LiveDisplay, console: number): Promise<void> {
  await outside.sendKeys(['KEY_LEFTCTRL', 'KEY_LEFTALT', `KEY_F${console}`]);
  for (let turn = 0; turn < 40 && guest !== undefined; turn++) {
    const { stdout } = await guest.run('/bin/cat', ['/sys/class/tty/tty0/active']);
    if (stdout.toString('latin1').trim() === `tty${console}`) return;
    await pause(250);
  }
  throw new HostError('console', `the guest does not switch to tty${console}`);
}
