// Whom a display command is about: a guest of libvirt, or a QEMU that no libvirt runs, by its monitor's socket.
import { type LiveDisplay, readDisplay } from '../display/live/display-facts.ts';
import { withQemu } from '../display/live/qemu.ts';
import { HostError } from '../model/host-error.ts';

/** No name of libvirt has a slash in it. */
const monitor = /^qmp:(\/.*)$/s;

export function isMonitor(name: string): boolean {
  return monitor.test(name);
}

/** @param way `--access`. @throws HostError as `readDisplay` and `withQemu` */
export async function onGuest<T>(name: string, way: string, action: (live: LiveDisplay) => Promise<T>): Promise<T> {
  const path = monitor.exec(name)?.[1];
  return path === undefined ? action(await readDisplay(name, way)) : withQemu(path, way, action);
}

/** For what is changed in a definition. @throws HostError 'usage' where there is none */
export async function libvirtGuest(name: string, way: string): Promise<LiveDisplay> {
  assertLibvirts(name);
  return readDisplay(name, way);
}

/** @throws HostError 'usage' */
export function assertLibvirts(name: string): void {
  if (!isMonitor(name)) return;
  const why = 'a QEMU that no libvirt runs has no definition to change: inspect, modes and verify take it';
  throw new HostError('usage', why);
}
