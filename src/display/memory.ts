// How much video memory a picture needs, for each model. Too little fails silently: the kernel takes the next smaller mode
// of its list. Sources: hw/display/qxl.c (qxl_init_ramsize, init_qxl_rom) and vga.c of QEMU; drivers/gpu/drm/qxl/qxl_display.c
// and drm_gem_vram_helper.c of Linux; libvirt's qemu_command.c and qemu_domain.c for its own defaults.
import { unreachable } from '../model/unreachable.ts';
import { framebufferBytes, type Size } from './size.ts';
import { longestSide, type VideoDevice, type VideoMemory, type VideoModel } from './video.ts';

const KiB = 1024;
const MiB = 1024 * KiB;

/** What libvirt writes and QEMU takes when nobody says anything. */
const leastVideo = 16 * MiB;
const leastRam = 64 * MiB;

/** virtio's and bochs-display's firmware modes come out of a buffer of their own. */
const virtioVbe = 8 * MiB;

/** What the guest's kernel may use for one framebuffer, in bytes; undefined where the guest's own memory is the limit. */
export function framebufferLimit({ model, memory }: VideoDevice): number | undefined {
  switch (model) {
    case 'qxl':
      return powerOfTwo(bytesOf(memory.vgamem));
    case 'vga':
    case 'bochs':
      // drm_vram keeps room for the next picture while this one is shown
      return powerOfTwo(bytesOf(memory.vram)) / 2;
    case 'virtio':
      return undefined;
    case 'cirrus':
      // drm/cirrus: 4 MiB, and 16 bits a pixel where 32 do not fit
      return 4 * MiB;
    case 'vmvga':
    case 'ramfb':
      return powerOfTwo(bytesOf(memory.vram));
    default:
      return unreachable(model);
  }
}

function bytesOf(kib: number | undefined): number {
  return Math.max(leastVideo, (kib ?? 0) * KiB);
}

function powerOfTwo(bytes: number): number {
  return 2 ** Math.ceil(Math.log2(bytes));
}

/** Whether a picture of this size can be on this device: its memory holds it, and no side is too long. */
export function canShow(device: VideoDevice, size: Size): boolean {
  const limit = framebufferLimit(device) ?? Number.POSITIVE_INFINITY;
  return framebufferBytes(size) <= limit && Math.max(size.width, size.height) <= longestSide[device.model];
}

/**
 * What has to be written so that a box of this size fits; nothing where it does already. Never less than there is.
 * @returns undefined where no amount of memory does it
 */
export function memoryFor(model: VideoModel, box: Size, present: VideoMemory): VideoMemory | undefined {
  const need = framebufferBytes(box);
  switch (model) {
    case 'qxl':
      return qxlMemory(need, present);
    case 'vga':
    case 'bochs': {
      const vram = atLeast(powerOfTwo(Math.max(leastVideo, 2 * need)), present.vram);
      return vram > mostVga ? undefined : { ...present, ...changed('vram', vram, present.vram) };
    }
    case 'virtio':
      return present;
    case 'cirrus':
      return need <= 4 * MiB ? present : undefined;
    case 'vmvga':
    case 'ramfb':
      return need <= bytesOf(present.vram) ? present : undefined;
    default:
      return unreachable(model);
  }
}

/** QEMU refuses more; hw/display/vga.c, qxl.c. */
const mostVga = 256 * MiB;
const mostQxl = 256 * MiB;

function qxlMemory(need: number, present: VideoMemory): VideoMemory | undefined {
  // libvirt refuses any vgamem that is no power of two
  const vgamem = powerOfTwo(atLeast(Math.max(leastVideo, need), present.vgamem));
  if (vgamem > mostQxl) return undefined;
  const ram = atLeast(Math.max(leastRam, 4 * vgamem), present.ram);
  const vram = atLeast(leastRam, present.vram);
  const { vram64 } = present;
  return {
    ...present,
    ...changed('vgamem', vgamem, present.vgamem),
    ...changed('ram', ram, present.ram),
    ...changed('vram', vram, present.vram),
    // the same memory by another address: QEMU takes the larger of both
    ...(vram64 === undefined || vram64 === 0 ? {} : changed('vram64', atLeast(vram, vram64), vram64)),
  };
}

function atLeast(bytes: number, presentKib: number | undefined): number {
  return Math.max(bytes, (presentKib ?? 0) * KiB);
}

function changed(name: keyof VideoMemory, bytes: number, presentKib: number | undefined): VideoMemory {
  return bytes === (presentKib ?? 0) * KiB ? {} : { [name]: bytes / KiB };
}

/** What UEFI may draw on, in bytes: as the BIOS, but for devices without a VGA, which it knows as they are. */
export function gopMemory(device: VideoDevice): number {
  switch (device.model) {
    case 'bochs':
      return powerOfTwo(bytesOf(device.memory.vram));
    case 'virtio':
      return device.primary ? virtioVbe : Number.POSITIVE_INFINITY;
    case 'qxl':
    case 'vga':
    case 'vmvga':
    case 'cirrus':
    case 'ramfb':
      return vbeMemory(device);
    default:
      return unreachable(device.model);
  }
}

/** What a BIOS may draw on, in bytes. */
export function vbeMemory({ model, memory, resolution }: VideoDevice): number {
  switch (model) {
    case 'qxl':
      return powerOfTwo(bytesOf(memory.vgamem));
    case 'vga':
    case 'vmvga':
      return powerOfTwo(bytesOf(memory.vram));
    case 'virtio':
      return virtioVbe;
    case 'cirrus':
      return 4 * MiB;
    case 'bochs':
    case 'ramfb':
      return framebufferBytes(resolution ?? { width: 1280, height: 800 });
    default:
      return unreachable(model);
  }
}

/** What libvirt writes into a definition that says nothing; qemuDomainDeviceVideoDefPostParse. */
export function usualMemory(model: VideoModel): VideoMemory {
  switch (model) {
    case 'qxl':
      return { ram: 65_536, vram: 65_536, vgamem: 16_384 };
    case 'vga':
    case 'bochs':
    case 'vmvga':
    case 'cirrus':
      return { vram: 16_384 };
    case 'virtio':
    case 'ramfb':
      return {};
    default:
      return unreachable(model);
  }
}
