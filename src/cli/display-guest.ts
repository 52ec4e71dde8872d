// Whom a display command is about: a guest of libvirt, or a QEMU that no libvirt runs, by its monitor's socket.
import { type LiveDisplay, readDisplay } from '../display/live/display-facts.ts';
import { withQemu } from '../display/live/qemu.ts';
import { HostError } from '../model/host-error.ts';

/** No name of libvirt has a slash in it. */
const monitor = /^qmp:(\/.*)$/s;

/** @param way `--access`. @throws HostError as `readDisplay` and `withQemu` */
export async function onGuest<T>(name: string, way: string, action: (live: LiveDisplay) => Promise<T>): Promise<T> {
  const path = monitor.exec(name)?.[1];
  return path === undefined ? action(await readDisplay(name, way)) : withQemu(path, way, action);
}

/** Whether it is no guest of libvirt. */
export function isQemuAlone(name: string): boolean {
  return monitor.test(name);
}

/** For what is changed in a definition. @throws HostError 'usage' where there is none */
export function assertOfLibvirt(name: string): void {
  if (!isQemuAlone(name)) return;
  throw new HostError(
    'usage',
    'a QEMU that no libvirt runs has no definition to change: inspect, modes and verify take it',
  );
}
