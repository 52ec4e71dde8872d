// Every size of a display device at every stage: in whose list it is, what would bring it there, or why nothing does. By model,
// firmware, memory and what runs inside.
import type { DomainDisplay, PlacedVideo } from './domain-video.ts';
import type { GuestFacts } from './guest-facts.ts';
import { memoryFor, usualMemory } from './memory.ts';
import { kmsModes, menuModes } from './mode-lists.ts';
import { predictConsole, predictMenu } from './predict.ts';
import type { Session } from './session-facts.ts';
import { framebufferBytes, isSameSize, parseSize, type Size } from './size.ts';
import { bootOf, hearingOf } from './stages.ts';
import type { VideoDevice, VideoMemory } from './video.ts';

export type ModeStage = 'boot menu' | 'console' | 'session';

export type ModeIs =
  | 'offered'
  /** In no list, and taken all the same when it is named. */
  | 'when-named'
  | 'with-memory'
  | 'impossible';

export type ModeRow = { readonly stage: ModeStage; readonly size: Size; readonly is: ModeIs; readonly why: string };

export type DeviceModes = {
  /** From 1. */
  readonly device: number;
  readonly model: VideoDevice['model'];
  readonly memory: VideoMemory;
  readonly primary: boolean;
  /** Stage by stage, the largest size first. */
  readonly modes: readonly ModeRow[];
};

/** What people ask for, whether or not a list has it. */
const asked: readonly Size[] =
  '5120x2880 3840x2160 3440x1440 2560x1600 2560x1440 1920x1200 1920x1080 1680x1050 1366x768 1280x1024 1280x800 1024x768 800x600'
    .split(' ')
    .flatMap((word) => parseSize(word) ?? []);

export function deviceModes(domain: DomainDisplay, guest: GuestFacts | undefined): readonly DeviceModes[] {
  return domain.devices.map((device, at) => {
    const { model, memory, primary } = device;
    // firmware draws on the primary one only
    const menu = primary ? menuRows(domain, device, guest) : [];
    const modes = [...menu, ...consoleRows(domain, device, guest), ...sessionRows(device, at, guest)];
    return { device: at + 1, model, memory, primary, modes };
  });
}

function menuRows(domain: DomainDisplay, device: PlacedVideo, guest: GuestFacts | undefined): readonly ModeRow[] {
  const boot = bootOf(domain, device, guest);
  const listed = menuModes(device, domain.firmware);
  return union(listed, asked).map((size) => {
    const shown = (one: VideoDevice): Size => predictMenu(one, { ...boot, gfxmode: size }).size;
    const row = (is: ModeIs, why: string): ModeRow => ({ stage: 'boot menu', size, is, why });
    if (isSameSize(shown(device), size)) return row('offered', "in the firmware's list");
    const roomy = withMemory(device, size);
    if (roomy !== undefined && isSameSize(shown(roomy), size))
      return row('with-memory', memoryText(device, roomy.memory));
    const own = roomy === undefined ? undefined : { ...roomy, resolution: size };
    if (own !== undefined && isSameSize(shown(own), size)) return row('when-named', 'as <resolution> of the device');
    const { limit } = predictMenu(own ?? device, { ...boot, gfxmode: size });
    return row('impossible', limit?.text ?? `nothing makes ${device.model} show that`);
  });
}

function consoleRows(domain: DomainDisplay, device: PlacedVideo, guest: GuestFacts | undefined): readonly ModeRow[] {
  const boot = bootOf(domain, device, guest);
  if (!boot.driver) return [];
  const listed = kmsModes(device, hearingOf(guest));
  return union(listed, asked).map((size) => {
    const row = (is: ModeIs, why: string): ModeRow => ({ stage: 'console', size, is, why });
    const own = { ...device, resolution: size };
    const drawn = predictConsole(own, '', boot);
    const isListed = listed.some((one) => isSameSize(one, size));
    if (isSameSize(drawn.size, size))
      return isListed
        ? row('offered', "in the driver's list")
        : row('when-named', 'as <resolution> of the device, or video=');
    const roomy = withMemory(own, size);
    if (roomy !== undefined && isSameSize(predictConsole(roomy, '', boot).size, size))
      return row('with-memory', memoryText(device, roomy.memory));
    return row('impossible', drawn.limit?.text ?? `nothing makes ${device.model} show that`);
  });
}

/** Of the session that runs: X takes any timing for which there is memory, a compositor what it lists. */
function sessionRows(device: VideoDevice, at: number, guest: GuestFacts | undefined): readonly ModeRow[] {
  const session = guest?.sessions[0];
  if (session === undefined) return [];
  const listed = sessionSizes(session, at);
  return union(listed, asked).map((size) => {
    const row = (is: ModeIs, why: string): ModeRow => ({ stage: 'session', size, is, why });
    if (listed.some((one) => isSameSize(one, size))) return row('offered', "in the session's list");
    const roomy = withMemory(device, size);
    if (roomy === undefined) return row('impossible', `no memory makes ${device.model} show that`);
    if (memoryText(device, roomy.memory) !== '') return row('with-memory', memoryText(device, roomy.memory));
    if (session.kind === 'x11') return row('when-named', 'by a modeline');
    return row('impossible', 'Wayland compositors take no modelines: as <resolution> of the device it is listed');
  });
}

function sessionSizes({ kind, outputs, compositor }: Session, at: number): readonly Size[] {
  if (kind === 'x11')
    return distinct((outputs[at]?.modes ?? []).flatMap((name) => parseSize(name.split('_')[0] ?? '') ?? []));
  return distinct((compositor?.outputs?.[at]?.modes ?? []).map(({ size }) => size));
}

function distinct(sizes: readonly Size[]): readonly Size[] {
  return sizes.filter((size, at) => sizes.findIndex((other) => isSameSize(other, size)) === at);
}

/** The largest first. */
function union(listed: readonly Size[], more: readonly Size[]): readonly Size[] {
  const both = distinct([...listed, ...more]);
  return both.toSorted((one, other) => framebufferBytes(other) - framebufferBytes(one));
}

/** undefined where no memory does it. */
function withMemory<Device extends VideoDevice>(device: Device, size: Size): Device | undefined {
  const memory = memoryFor(device.model, size, device.memory);
  return memory === undefined ? undefined : { ...device, memory };
}

/** What of it is more than the device has, or takes without being told. */
function memoryText({ model, memory: present }: VideoDevice, memory: VideoMemory): string {
  const usual = usualMemory(model);
  return Object.entries(memory)
    .filter(([name, kib]) => kib > (present[name as keyof VideoMemory] ?? usual[name as keyof VideoMemory] ?? 0))
    .map(([name, kib]) => `${name} ${kib / 1024} MiB`)
    .join(', ');
}
