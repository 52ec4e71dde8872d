// A device and how its guest boots -> the sizes that screenshots of it will have, with the fact that limits them. Held
// against real pictures of the whole matrix, predicted failures included.
import { vgaPayload } from './early-picture.ts';
import type { KernelArgs } from './kernel-args.ts';
import { sizeFor } from './kernel-args.ts';
import { canShow, gopMemory, vbeMemory } from './memory.ts';
import {
  type Firmware,
  type Hearing,
  kmsModes,
  menuModes,
  nextKmsMode,
  nextMenuMode,
  ownGopMode,
  vbeModes,
} from './mode-lists.ts';
import { boxOf, type Monitor } from './monitors.ts';
import { framebufferBytes, isSameSize, printSize, type Size } from './size.ts';
import { longestSide, type VideoDevice } from './video.ts';

export type Limit = {
  readonly code:
    | 'memory'
    | 'driver'
    | 'no-driver'
    | 'not-listed'
    | 'guest-memory'
    | 'text-terminal'
    | 'firmware-ignores'
    | 'only-own-size'
    | 'kernel-argument'
    | 'other-loader'
    | 'whole-eights'
    | 'no-resolution'
    | 'viewer-overrides';
  readonly text: string;
};

export type Predicted = { readonly size: Size; readonly limit?: Limit };

export type Boot = {
  readonly firmware: Firmware;
  /** What GRUB is told; undefined is nothing. */
  readonly gfxmode?: Size;
  /** Whether the kernel goes on with GRUB's mode. */
  readonly payload: 'keep' | 'text';
  readonly kernelArgs: KernelArgs;
  /** Whether the kernel has a driver for this device that is not forbidden. */
  readonly driver: boolean;
  readonly hearing: Hearing;
  readonly guestMemoryKib: number;
};

/** The VGA's text mode: 80 columns of 9 and 25 lines of 16 pixels. */
const textMode: Size = { width: 720, height: 400 };

/** GRUB's own default on BIOS. */
const usualMenu: Size = { width: 640, height: 480 };

/** What OVMF has drawn in since 2022, before anybody says anything. */
const usualUefi: Size = { width: 1280, height: 800 };

export function predictMenu(device: VideoDevice, { firmware, gfxmode }: Boot): Predicted {
  return asDrawn(device, firmware === 'uefi' ? uefiMenu(device, gfxmode) : biosMenu(device, gfxmode));
}

/** QEMU's VGA draws whole groups of eight pixels (hw/display/vga.c, vbe_fixup_regs), and tells nobody. */
function asDrawn({ model }: VideoDevice, { size, limit }: Predicted): Predicted {
  const drawn = model === 'vga' ? drawnByVga(size) : size;
  if (isSameSize(drawn, size)) return limit === undefined ? { size } : { size, limit };
  const text = `a VGA draws widths of whole eights: ${printSize(size)} is shown as ${printSize(drawn)}`;
  return { size: drawn, limit: limit ?? { code: 'whole-eights', text } };
}

export function drawnByVga({ width, height }: Size): Size {
  return { width: width - (width % 8), height };
}

function biosMenu(device: VideoDevice, wish: Size | undefined): Predicted {
  const offered = vbeModes(device);
  if (wish === undefined) return { size: usualMenu };
  if (device.model === 'bochs' || device.model === 'ramfb') return ownMenu(device, offered[0] ?? usualMenu, wish);
  if (offered.some((size) => isSameSize(size, wish))) return { size: wish };
  const size = automatic(device);
  return { size, limit: { code: 'not-listed', text: `the firmware offers no ${printSize(wish)} on ${device.model}` } };
}

/** The one framebuffer keeps its size, also where a smaller mode is drawn on a part of it. */
function ownMenu({ model }: VideoDevice, own: Size, wish: Size): Predicted {
  if (isSameSize(own, wish)) return { size: own };
  return {
    size: own,
    limit: { code: 'only-own-size', text: `the firmware draws on ${model} in ${printSize(own)} only` },
  };
}

/** What GRUB's `auto` comes to, as seen; the largest mode it never is. */
function automatic({ model }: VideoDevice): Size {
  return model === 'vga' ? { width: 800, height: 600 } : usualMenu;
}

function uefiMenu(device: VideoDevice, wish: Size | undefined): Predicted {
  const size = automaticUefi(device);
  if (wish === undefined) return { size };
  if (menuModes(device, 'uefi').some((mode) => isSameSize(mode, wish))) return { size: wish };
  return { size, limit: { code: 'not-listed', text: `the firmware offers no ${printSize(wish)} on ${device.model}` } };
}

/** GRUB's `auto`: what UEFI draws in anyway; on a VGA, GRUB's own driver for that comes first. */
function automaticUefi(device: VideoDevice): Size {
  if (device.model === 'vga' || device.model === 'ramfb') return { width: 800, height: 600 };
  return ownGopMode(device) ?? usualUefi;
}

/** What one connector's console shows, once the kernel's driver is there; without a driver, what came before stays. */
export function predictConsole(device: VideoDevice, connector: string, boot: Boot): Predicted {
  return asDrawn(device, consoleMode(device, connector, boot));
}

function consoleMode(device: VideoDevice, connector: string, boot: Boot): Predicted {
  if (!boot.driver || boot.kernelArgs.nomodeset) return withoutDriver(device, boot);
  const modes = kmsModes(device, boot.hearing);
  const wish = sizeFor(boot.kernelArgs, connector)?.size ?? device.resolution;
  const fits = wish !== undefined && canShow(device, wish);
  const size = fits ? wish : (modes[0] ?? textMode);
  if (isTooMuchForGuest(device, [size], boot)) {
    const text = `the guest's ${Math.floor(boot.guestMemoryKib / 1024)} MiB do not hold two pictures of ${printSize(size)}`;
    return { size: withoutDriver(device, boot).size, limit: { code: 'guest-memory', text } };
  }
  if (wish === undefined || fits) return { size };
  return { size, limit: sideLimit(device, wish) ?? memoryLimit(device, wish) };
}

function sideLimit({ model }: VideoDevice, { width, height }: Size): Limit | undefined {
  const most = longestSide[model];
  if (Math.max(width, height) <= most) return undefined;
  return { code: 'driver', text: `the kernel's driver for ${model} draws at most ${most}x${most}` };
}

function withoutDriver(device: VideoDevice, boot: Boot): Predicted {
  const limit: Limit = { code: 'no-driver', text: 'no display driver of the kernel binds: the early picture stays' };
  const vga = vgaPayload(boot.kernelArgs, boot.firmware);
  if (vga !== undefined) return { size: vga.size ?? textMode, limit };
  if (boot.payload === 'text') return { size: textMode, limit };
  return { size: predictMenu(device, boot).size, limit };
}

/**
 * virtio has no memory of its own: its pictures, and the kernel's shadows of them, lie in the guest's.
 * @param boot with 0 for a guest's memory that is not known, which is believed to be enough
 */
export function isTooMuchForGuest(
  { model }: VideoDevice,
  sizes: readonly Size[],
  { guestMemoryKib }: Pick<Boot, 'guestMemoryKib'>,
): boolean {
  const need = sizes.reduce((sum, size) => sum + 2 * framebufferBytes(size), kernelItself);
  return model === 'virtio' && guestMemoryKib > 0 && need > guestMemoryKib * 1024;
}

/** What a small guest needs for anything else, in bytes. */
const kernelItself = 64 * 1024 * 1024;

function memoryLimit(device: VideoDevice, wish: Size): Limit {
  const { memory, model } = device;
  const kib = model === 'qxl' ? (memory.vgamem ?? 16_384) : (memory.vram ?? 16_384);
  const name = model === 'qxl' ? 'vgamem' : 'vram';
  const share = model === 'qxl' ? '' : ', of which the kernel uses half for a picture';
  const need = (framebufferBytes(wish) / 2 ** 20).toFixed(1);
  return { code: 'memory', text: `${name} is ${kib / 1024} MiB${share}; ${printSize(wish)} needs ${need} MiB` };
}

/** Why no larger size is offered; undefined where the list itself ends. */
export function consoleCeiling(device: VideoDevice, hearing: Hearing): Limit | undefined {
  const next = nextKmsMode(device, hearing);
  return next === undefined ? undefined : memoryLimit(device, next);
}

/** The same for the boot menu. */
export function menuCeiling(device: VideoDevice, firmware: Firmware): Limit | undefined {
  const next = nextMenuMode(device, firmware);
  if (next === undefined) return undefined;
  const memory = firmware === 'bios' ? vbeMemory(device) : gopMemory(device);
  const need = (framebufferBytes(next) / 2 ** 20).toFixed(1);
  return {
    code: 'memory',
    text: `firmware draws on ${memory / 2 ** 20} MiB of ${device.model}; ${printSize(next)} needs ${need} MiB`,
  };
}

/** One size for each screenshot: virtio draws each head for itself, qxl all heads into one picture. */
export function screenshots(device: VideoDevice | undefined, monitors: readonly Monitor[]): readonly Size[] {
  return device?.model === 'qxl' ? [boxOf(monitors)] : monitors.map(({ size }) => size);
}
