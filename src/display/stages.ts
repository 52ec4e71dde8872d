// What is so at each stage of a guest's pictures, what could be, and the one fact that limits it: the table that a user
// wants to see. Pure: from the domain, what the guest said, and the pictures' sizes.
import type { DomainDisplay, PlacedVideo } from './domain-video.ts';
import { noDriverReason, vgaPayload } from './early-picture.ts';
import { type GrubSettings, grubSettings } from './grub.ts';
import type { GuestFacts } from './guest-facts.ts';
import { parseKernelArgs, printVideoArgument, sizeFor, type VideoArgument } from './kernel-args.ts';
import { kmsModes, menuModes } from './mode-lists.ts';
import {
  type Boot,
  consoleCeiling,
  type Limit,
  menuCeiling,
  type Predicted,
  predictConsole,
  predictMenu,
} from './predict.ts';
import { isSameSize, parseSize, type Size } from './size.ts';
import { mostHeads } from './video.ts';

export type Stage = 'boot menu' | 'early boot' | 'console' | 'session' | 'viewer';

export type Needs = 'nothing' | 'log-out' | 'guest reboot' | 'cold restart';

export type StageRow = {
  readonly stage: Stage;
  /** From 1. */
  readonly monitor: number;
  /** As seen or as the guest says; undefined is not known. */
  readonly now: Size | undefined;
  /** What comes at the next start, as things are. */
  readonly next: Size | undefined;
  readonly largest: Size | undefined;
  readonly limit: Limit | undefined;
};

/** virtio-gpu reads QEMU's description of the monitor from Linux 5.0 on: older ones list no mode that only it has. */
export function hearingOf(guest: GuestFacts | undefined): Boot['hearing'] {
  const modes = guest?.connectors.flatMap(({ modes: listed }) => listed) ?? [];
  return modes.some(({ width, height }) => width === 848 && height === 480) ? 'size' : 'edid';
}

export function bootOf(domain: DomainDisplay, device: PlacedVideo, guest: GuestFacts | undefined): Boot {
  const grub = guest === undefined ? undefined : grubSettings(guest.grubFiles);
  const kernelArgs = parseKernelArgs(guest?.commandLine ?? '');
  return {
    firmware: domain.firmware,
    ...gfxmodeOf(grub),
    payload: payloadOf(domain, grub),
    kernelArgs,
    driver: noDriverReason(device, guest) === undefined,
    hearing: hearingOf(guest),
    guestMemoryKib: domain.guestMemoryKib,
  };
}

function gfxmodeOf(grub: GrubSettings | undefined): { readonly gfxmode?: Size } {
  const first = /^(\d+x\d+)/.exec(grub?.gfxmode ?? '')?.[1];
  const size = first === undefined ? undefined : parseSize(first);
  return size === undefined ? {} : { gfxmode: size };
}

/** GRUB's own default differs by firmware. */
function payloadOf({ firmware }: DomainDisplay, grub: GrubSettings | undefined): Boot['payload'] {
  if (grub?.payload === 'keep') return 'keep';
  return firmware === 'uefi' && grub?.payload === undefined ? 'keep' : 'text';
}

/** What the screenshots of a guest show by its devices alone, once the kernel's own drivers are there. */
export function startSizes(domain: DomainDisplay): readonly Size[] {
  return domain.devices.flatMap((device) => {
    const boot = bootOf(domain, device, undefined);
    const heads = Array.from({ length: device.model === 'qxl' ? 1 : device.heads }, (_, head) => `Virtual-${head + 1}`);
    return heads.map((connector) => predictConsole(device, connector, boot).size);
  });
}

/** @param pictures what screenshots show now, one for each head that has one */
export function stageRows(
  domain: DomainDisplay,
  guest: GuestFacts | undefined,
  pictures: readonly Size[],
): readonly StageRow[] {
  const [device] = domain.devices.filter(({ primary }) => primary);
  if (device === undefined) return [];
  const boot = bootOf(domain, device, guest);
  const menu = predictMenu(device, boot);
  const offered = menuModes(device, domain.firmware);
  const ceiling = menuCeiling(device, domain.firmware);
  const loader = otherLoader(guest);
  return [
    {
      stage: 'boot menu',
      monitor: 1,
      now: undefined,
      next: loader === undefined ? menu.size : undefined,
      largest: loader === undefined ? largestOf(offered) : undefined,
      limit: loader ?? menuLimit(menu.limit, guest) ?? ceiling,
    },
    earlyRow(boot, menu, largestOf(offered), loader ?? ceiling),
    ...consoleRows(domain, guest, pictures, boot),
    ...sessionRows(guest, pictures, boot.driver ? consoleCeiling(device, boot.hearing) : undefined),
  ];
}

/** What GRUB hands to the kernel; `vga=` is read by it last. */
function earlyRow(boot: Boot, menu: Predicted, largest: Size | undefined, ceiling: Limit | undefined): StageRow {
  const row = { stage: 'early boot', monitor: 1, now: undefined, largest } as const;
  const vga = vgaPayload(boot.kernelArgs, boot.firmware);
  if (vga !== undefined) return { ...row, next: vga.size, limit: { code: 'kernel-argument', text: vga.text } };
  if (boot.payload === 'keep') return { ...row, next: menu.size, limit: menu.limit ?? ceiling };
  const text = 'GRUB hands over a text screen (GRUB_GFXPAYLOAD_LINUX is not keep)';
  return { ...row, next: undefined, limit: { code: 'text-terminal', text } };
}

/** Other boot loaders take what the firmware has. */
function otherLoader(guest: GuestFacts | undefined): Limit | undefined {
  if (guest?.bootLoader !== 'systemd-boot') return undefined;
  const text = 'systemd-boot draws its menu as text, in a size of the firmware (console-mode of loader.conf)';
  return { code: 'other-loader', text };
}

function menuLimit(limit: Limit | undefined, guest: GuestFacts | undefined): Limit | undefined {
  const terminal = guest === undefined ? undefined : grubSettings(guest.grubFiles).terminal;
  if (terminal === undefined || /\bgfxterm\b/.test(terminal)) return limit;
  return { code: 'text-terminal', text: `GRUB_TERMINAL is ${terminal}: the menu is text` };
}

function consoleRows(
  domain: DomainDisplay,
  guest: GuestFacts | undefined,
  pictures: readonly Size[],
  boot: Boot,
): readonly StageRow[] {
  const heads = domain.devices.flatMap((device) =>
    Array.from({ length: Math.min(device.heads, mostHeads[device.model]) }, (_, head) => ({ device, head })),
  );
  return heads.map(({ device, head }, at) => {
    const connector = guest?.connectors[at];
    const name = connector?.name ?? `Virtual-${head + 1}`;
    const predicted = predictConsole(device, name, boot);
    const seen = isCovered(guest) ? (at === 0 ? guest?.framebufferSize : undefined) : pictures[at];
    return {
      stage: 'console',
      monitor: at + 1,
      now: seen,
      next: predicted.size,
      // the kernel cuts a connector's list to what its console shows, so the list alone does not tell
      largest: largestOf([...kmsModes(device, boot.hearing), ...(connector?.modes ?? [])]) ?? predicted.size,
      limit: consoleLimit(device, name, boot, guest),
    };
  });
}

/** The one fact: no driver, then what does not fit, then what the kernel was told, and at last where the list ends. */
function consoleLimit(
  device: PlacedVideo,
  connector: string,
  boot: Boot,
  guest: GuestFacts | undefined,
): Limit | undefined {
  const reason = noDriverReason(device, guest);
  if (reason !== undefined) return { code: 'no-driver', text: `${reason}: the early picture stays` };
  const told = toldLimit(device, sizeFor(boot.kernelArgs, connector));
  return predictConsole(device, connector, boot).limit ?? told ?? consoleCeiling(device, boot.hearing);
}

function toldLimit({ resolution }: PlacedVideo, argument: VideoArgument | undefined): Limit | undefined {
  if (argument === undefined || (resolution !== undefined && isSameSize(argument.size, resolution))) return undefined;
  const text = `${printVideoArgument(argument)} is on the kernel's command line, and wins over <resolution>`;
  return { code: 'kernel-argument', text };
}

/** A session is in front of the text consoles: then the kernel alone knows their size. */
function isCovered(guest: GuestFacts | undefined): boolean {
  const active = Number(guest?.activeConsole?.slice('tty'.length));
  return guest !== undefined && guest.sessions.length > 0 && !guest.gettys.includes(active);
}

function largestOf(modes: readonly Size[] = []): Size | undefined {
  return modes.toSorted((one, other) => other.width * other.height - one.width * one.height)[0];
}

function sessionRows(
  guest: GuestFacts | undefined,
  pictures: readonly Size[],
  limit: Limit | undefined,
): readonly StageRow[] {
  const [session] = guest?.sessions ?? [];
  if (guest === undefined || session === undefined) return [];
  return guest.connectors
    .filter(({ connected }) => connected)
    .map(({ modes }, at) => ({
      stage: 'session',
      monitor: at + 1,
      now: session.outputs[at]?.shown?.size ?? (isCovered(guest) ? pictures[at] : undefined),
      next: undefined,
      largest: largestOf(modes),
      limit,
    }));
}
