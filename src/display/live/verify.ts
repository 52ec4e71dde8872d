// What a guest really shows, against what it should: only a screenshot counts, and only after the kernel's display driver has
// taken over and two pictures in a row are the same. Every size on the way is told, since a transient one explains a failure.
import { setTimeout as pause } from 'node:timers/promises';
import { isSameSize, type Size } from '../size.ts';
import { type LiveDisplay, screensOf } from './display-facts.ts';
import { askGuest } from './guest.ts';
import { type Shot, screenshot, sendKeys } from './virsh.ts';

export type Sighting = { readonly afterMs: number; readonly sizes: readonly Size[] };

export type Verified = {
  readonly outcome: 'as-expected' | 'other-picture' | 'no-driver-yet' | 'unsteady';
  readonly sizes: readonly Size[];
  readonly sightings: readonly Sighting[];
  /** The pictures that were compared. */
  readonly shots: readonly Shot[];
};

/** Pictures of a text console blink; these many seconds show two that are the same. */
const patienceMs = 60_000;
const betweenMs = 700;
/** The driver sets its mode after it has a name. */
const settleMs = 2_000;

/** @throws HostError 'libvirt', 'agent' */
export async function verifyPictures(live: LiveDisplay, expected: readonly Size[]): Promise<Verified> {
  const begin = Date.now();
  if (!(await isDriverThere(live, begin + patienceMs))) {
    const shots = await shotsOf(live);
    return { outcome: 'no-driver-yet', sizes: shots.map(({ size }) => size), sightings: [], shots };
  }
  const sightings: Sighting[] = [];
  let before: readonly Shot[] = [];
  while (Date.now() < begin + patienceMs) {
    const shots = await shotsOf(live);
    sightings.push({ afterMs: Date.now() - begin, sizes: shots.map(({ size }) => size) });
    if (isSameShots(before, shots)) {
      const sizes = shots.map(({ size }) => size);
      return { outcome: showsAll(sizes, expected) ? 'as-expected' : 'other-picture', sizes, sightings, shots };
    }
    before = shots;
    await pause(betweenMs);
  }
  return { outcome: 'unsteady', sizes: before.map(({ size }) => size), sightings, shots: before };
}

/** Without an agent nobody can say; then the time that a driver needs is waited for. */
async function isDriverThere({ guest, facts }: LiveDisplay, deadline: number): Promise<boolean> {
  if (guest === undefined) {
    await pause(settleMs);
    return true;
  }
  if (facts.guest !== undefined && facts.guest.drivers.size === 0) return true;
  await guest.run('/bin/sh', ['-c', 'udevadm settle 2>/dev/null; true'], { seconds: 60 });
  while (Date.now() < deadline) {
    const { framebuffer } = await askGuest(guest);
    if (framebuffer !== undefined && /drm/.test(framebuffer)) {
      await pause(settleMs);
      return true;
    }
    await pause(1000);
  }
  return false;
}

async function shotsOf({ uuid, facts }: LiveDisplay): Promise<readonly Shot[]> {
  const shots: Shot[] = [];
  for (const screen of screensOf(facts.running ?? facts.domain)) {
    const shot = await screenshot(uuid, screen);
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

/** Shows a text console for the time of the action, and then again what was shown before. @throws HostError 'libvirt' */
export async function onTextConsole<T>(live: LiveDisplay, action: () => Promise<T>): Promise<T> {
  const { guest: facts } = live.facts;
  const before = Number(/^tty(\d+)$/.exec(facts?.activeConsole ?? '')?.[1] ?? 0);
  const text = facts?.gettys.find((number) => number !== before && number >= 1 && number <= 6);
  if (facts === undefined || facts.sessions.length === 0 || text === undefined || before === 0) return action();
  await switchTo(live, text);
  try {
    return await action();
  } finally {
    await switchTo(live, before);
  }
}

async function switchTo({ uuid, guest }: LiveDisplay, console: number): Promise<void> {
  await sendKeys(uuid, ['KEY_LEFTCTRL', 'KEY_LEFTALT', `KEY_F${console}`]);
  for (let turn = 0; turn < 20 && guest !== undefined; turn++) {
    const { stdout } = await guest.run('/bin/cat', ['/sys/class/tty/tty0/active']);
    if (stdout.toString('latin1').trim() === `tty${console}`) return;
    await pause(250);
  }
}
