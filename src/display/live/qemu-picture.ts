// What a QEMU that no libvirt runs shows, as pictures of its monitor, and keys pressed on its keyboard.
import { constants } from 'node:fs';
import { chown, mkdtemp, open, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HostError } from '../../model/host-error.ts';
import { pictureOf } from '../picture.ts';
import type { QemuDevice } from '../qemu-video.ts';
import type { VideoDevice } from '../video.ts';
import type { Qmp } from './qmp.ts';
import type { Shot } from './virsh.ts';

/** A picture of 8192x8192 in PPM. */
const mostPicture = 256 << 20;

export type DrawingDevice = VideoDevice & { readonly qemu: QemuDevice };

type Place = { readonly id: string | undefined; readonly head: number; readonly primary: boolean };

function placeOf(devices: readonly DrawingDevice[], screen: number): Place | undefined {
  let first = 0;
  for (const { heads, primary, qemu } of devices) {
    if (screen < first + heads) return { id: qemu.id, head: screen - first, primary };
    first += heads;
  }
  return undefined;
}

/**
 * QEMU finds a device by its id only; without one it shows the first head of the first device.
 * @param socket of its monitor @param screen as libvirt numbers the heads of all devices. @throws HostError 'qmp'
 */
export async function screenshotOf(
  qmp: Qmp,
  socket: string,
  devices: readonly DrawingDevice[],
  screen: number,
): Promise<Shot | undefined> {
  const place = placeOf(devices, screen);
  if (place === undefined || (place.id === undefined && (place.head > 0 || !place.primary))) return undefined;
  return inFolderOf(socket, (folder) => dumped(qmp, join(folder, 'picture'), place));
}

async function dumped(qmp: Qmp, filename: string, { id, head }: Place): Promise<Shot | undefined> {
  try {
    await qmp.ask('screendump', { filename, ...(id === undefined ? {} : { device: id, head }) });
  } catch (error) {
    // a head that is off has no console
    if (head > 0) return undefined;
    throw error;
  }
  const bytes = await pictureBytes(filename);
  const picture = pictureOf(bytes);
  return picture === undefined ? undefined : { ...picture, bytes };
}

/** It writes the picture as its own user, whose the socket is. */
async function inFolderOf<T>(socket: string, action: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'bridgekeeper-'));
  try {
    const { uid, gid } = await stat(socket);
    if (process.getuid?.() === 0 && uid !== 0) await chown(folder, uid, gid);
    return await action(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Of a plain file, whatever QEMU has put there. @throws HostError 'qmp' */
async function pictureBytes(file: string): Promise<Buffer> {
  try {
    const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const { size } = await handle.stat();
      if (!(await handle.stat()).isFile() || size > mostPicture) throw new Error('it is no picture');
      return await handle.readFile();
    } finally {
      await handle.close();
    }
  } catch (cause) {
    throw new HostError('qmp', `QEMU's picture cannot be read: ${(cause as Error).message}`, cause);
  }
}

/** QEMU's names for the keys of a switch of consoles. */
const keyNames: Readonly<Record<string, string>> = { KEY_LEFTCTRL: 'ctrl', KEY_LEFTALT: 'alt' };

/** As Linux names their codes. @throws HostError 'qmp' */
export async function pressKeys(qmp: Qmp, keys: readonly string[]): Promise<void> {
  const names = keys.map((key) => keyNames[key] ?? key.replace(/^KEY_/, '').toLowerCase());
  await qmp.ask('send-key', { keys: names.map((data) => ({ type: 'qcode', data })), 'hold-time': 100 });
}
