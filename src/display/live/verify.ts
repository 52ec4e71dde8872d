// What a guest really shows, against what it should: only a screenshot counts, and only after the kernel's display driver has
// taken over and two pictures in a row are the same. Every size on the way is told, since a transient one explains a failure.
import { setTimeout as pause } from 'node:timers/promises';
import { HostError } from '../../model/host-error.ts';
import { isSameSize, type Size } from '../size.ts';
import { bootOf, startSizes } from '../stages.ts';
import { type LiveDisplay, screensOf } from './display-facts.ts';
import { askGuest } from './guest.ts';
import type { Shot } from './virsh.ts';

export type Sighting = { readonly afterMs: number; readonly sizes: readonly Size[] };

export type Verified = {
  readonly outcome: 'as-expected' | 'other-picture' | 'no-driver-yet' | 'unsteady';
  readonly sizes: readonly Size[];
  readonly sightings: readonly Sighting[];
  /** The pictures that were compared. */
  readonly shots: readonly Shot[];
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
  const driver = await driverState(live, begin + patienceMs);
  if (driver === 'absent') {
    const shots = await shotsOf(live);
    return { outcome: 'no-driver-yet', sizes: shots.map(({ size }) => size), sightings: [], shots };
  }
  const sightings: Sighting[] = [];
  let before: readonly Shot[] = [];
  for (const deadline = Date.now() + patienceMs; Date.now() < deadline; await pause(betweenMs)) {
    const shots = await shotsOf(live);
    const sizes = shots.map(({ size }) => size);
    sightings.push({ afterMs: Date.now() - begin, sizes });
    if (isSameShots(before, shots))
      return { outcome: outcomeOf(live, driver, sizes, expected), sizes, sightings, shots };
    before = shots;
  }
  return { outcome: 'unsteady', sizes: before.map(({ size }) => size), sightings, shots: before };
}

type Driver = 'there' | 'absent' | 'cannot-bind' | 'nobody-says';

/** Waits for it; without anybody inside to ask, for a moment only. */
async function driverState({ guest, facts }: LiveDisplay, deadline: number): Promise<Driver> {
  const { running, guest: said } = facts;
  if (guest === undefined || said === undefined || running === undefined) {
    await pause(settleMs);
    return 'nobody-says';
  }
  const device = running.devices.find(({ primary }) => primary);
  if (device === undefined || !bootOf(running, device, said).driver) return 'cannot-bind';
  await guest.run('/bin/sh', ['-c', 'udevadm settle 2>/dev/null; true'], { seconds: 120 });
  for (;;) {
    if (isDisplayDriver((await askGuest(guest)).framebuffer)) {
      await pause(settleMs);
      return 'there';
    }
    if (Date.now() > deadline) return 'absent';
    await pause(1000);
  }
}

/** Those that only draw on what firmware left are no display driver: the real one comes later. */
function isDisplayDriver(framebuffer: string | undefined): boolean {
  return framebuffer !== undefined && /drm/.test(framebuffer) && !/^(?:simple|of|efi|vesa)drm/.test(framebuffer);
}

/**
 * An early picture may have the size that was asked for, and the driver another one: where nobody inside says that the
 * driver is there, such a picture proves nothing but what the devices themselves start with.
 */
function outcomeOf(
  { facts }: LiveDisplay,
  driver: Driver,
  sizes: readonly Size[],
  expected: readonly Size[],
): Verified['outcome'] {
  if (!showsAll(sizes, expected)) return 'other-picture';
  if (driver !== 'nobody-says' || facts.running === undefined) return 'as-expected';
  return showsAll(startSizes(facts.running), expected) ? 'as-expected' : 'no-driver-yet';
}

async function shotsOf({ outside, facts }: LiveDisplay): Promise<readonly Shot[]> {
  const shots: Shot[] = [];
  for (const screen of screensOf(facts.running ?? facts.domain)) {
    const shot = await outside.screenshot(screen);
    if (shot !== undefined) shots.push(shot);
  }
  return shots;
}

function isSameShots(one: readonly Shot[], other: readonly Shot[]): boolean {
  return one.length > 0 && one.length === other.length && one.every(({ bytes }, at) => other[at]?.bytes.equals(bytes));
}

/** Heads beyond the wish may show what they like. */
function showsAll(sizes: readonly Size[], expected: readonly Size[]): boolean {
  return expected.every((size, at) => {
    const shown = sizes[at];
    return shown !== undefined && isSameSize(shown, size);
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
  const text = facts.gettys.find((number) => number >= 1 && number <= 6);
  if (text === undefined) throw new HostError('console', 'no text console of the guest has a getty');
  try {
    await switchTo(live, text);
    return await action();
  } finally {
    await switchTo(live, before);
  }
}

async function switchTo({ outside, guest }: LiveDisplay, console: number): Promise<void> {
  await outside.sendKeys(['KEY_LEFTCTRL', 'KEY_LEFTALT', `KEY_F${console}`]);
  for (let turn = 0; turn < 40 && guest !== undefined; turn++) {
    const { stdout } = await guest.run('/bin/cat', ['/sys/class/tty/tty0/active']);
    if (stdout.toString('latin1').trim() === `tty${console}`) return;
    await pause(250);
  }
  throw new HostError('console', `the guest does not switch to tty${console}`);
}
