// Which sizes each stage offers: the firmware's list for the boot menu, the kernel driver's for the console. As data, in the
// order in which the kernel prefers them (by area, then by rate), so that the first one that fits is the one that is taken.
// Sources: vgasrc/bochsvga.c of SeaBIOS; OvmfPkg's QemuVideoDxe and VirtioGpuDxe of EDK II; hw/display/edid-generate.c of QEMU; drm_edid.c (DMT modes) and qxl_display.c of Linux
import { unreachable } from '../model/unreachable.ts';
import { canShow, framebufferLimit, gopMemory, vbeMemory } from './memory.ts';
import { framebufferBytes, isSameSize, parseSize, type Size } from './size.ts';
import type { VideoDevice } from './video.ts';

function sizes(words: string): readonly Size[] {
  return words.split(/\s+/).flatMap((word) => parseSize(word) ?? []);
}

/** SeaBIOS's modes with 32 bits a pixel, whatever the device; none of them is 1366x768. */
const seaBios = sizes(
  `5120x2160 4096x2160 3840x2160 2560x1600 2560x1440 1920x1200 1920x1080 1600x1200 1680x1050 1600x900 1400x1050 1280x1024
   1440x900 1280x960 1280x800 1152x864 1280x768 1280x720 1024x768 800x600 640x480 640x400 320x200`,
);

/** What QEMU's monitor claims to show. */
const qemuEdid = sizes(
  `5120x2160 4096x2160 3840x2160 1920x1440 2560x1080 1856x1392 1792x1344 2048x1152 1920x1200 1920x1080 1600x1200 1680x1050
   1400x1050 1280x1024 1440x900 1280x960 1360x768 1280x768 1024x768 800x600 640x480`,
);

/** Modes of a monitor that says nothing (DMT, up to 61 Hz). */
const dmt = sizes(
  `4096x2160 2560x1600 1920x1440 1856x1392 1792x1344 2048x1152 1920x1200 1920x1080 1600x1200 1680x1050 1400x1050 1600x900
   1280x1024 1440x900 1280x960 1366x768 1360x768 1280x800 1280x768 1280x720 1024x768 800x600 848x480 640x480`,
);

/** qxl knows the same and three more. */
const qxl = sizes(
  `4096x2160 2560x1600 1920x1440 1856x1392 1792x1344 2048x1152 1920x1200 1920x1080 1600x1200 1680x1050 1400x1050 1600x900
   1280x1024 1440x900 1280x960 1280x854 1366x768 1360x768 1280x800 1280x768 1280x720 1152x768 1024x768 800x600 848x480
   720x480 640x480`,
);

/** OVMF's, whatever the device; 1366x768 is one of them. */
const ovmf = sizes(
  `8192x4320 7680x4320 4096x2160 3840x2160 3200x2400 2800x2100 2560x2048 2048x2048 2560x1600 2000x2000 2560x1440 2048x1536
   1920x1440 1920x1200 1920x1080 1600x1200 1680x1050 1400x1050 1600x900 1280x1024 1440x900 1280x960 1366x768 1360x768
   1280x800 1152x870 1152x864 1280x768 1280x760 1280x720 1024x768 1024x600 960x640 832x624 800x600 800x480 640x480`,
);

export type Firmware = 'bios' | 'uefi';

/** What the firmware offers GRUB on this device, the largest one first. */
export function menuModes(device: VideoDevice, firmware: Firmware): readonly Size[] {
  return firmware === 'bios' ? vbeModes(device) : gopModes(device);
}

function gopModes(device: VideoDevice): readonly Size[] {
  if (device.model === 'cirrus') return [];
  if (device.model === 'ramfb') return sizes('1024x768 800x600 640x480');
  const own = ownGopMode(device);
  const listed = ovmf.filter((size) => framebufferBytes(size) <= gopMemory(device));
  return own === undefined ? listed : [own, ...listed.filter((size) => !isSameSize(size, own))].toSorted(byArea);
}

function byArea(one: Size, other: Size): number {
  return framebufferBytes(other) - framebufferBytes(one);
}

/** The size that the device itself asks for, where UEFI reads that: not of qxl, and not of a virtio with a VGA. */
export function ownGopMode(device: VideoDevice): Size | undefined {
  if (device.model === 'qxl' || device.model === 'cirrus' || device.model === 'ramfb') return undefined;
  if (device.model === 'virtio' && device.primary) return undefined;
  const own = device.resolution ?? usualSize(device);
  return framebufferBytes(own) <= gopMemory(device) ? own : undefined;
}

/** What BIOS firmware offers GRUB on this device, the largest one first. */
export function vbeModes(device: VideoDevice): readonly Size[] {
  if (device.model === 'cirrus') return [];
  const own = fixedSize(device);
  if (own !== undefined) return withOwn(own);
  const memory = vbeMemory(device);
  return seaBios.filter((size) => framebufferBytes(size) <= memory);
}

/** The smallest mode of the firmware's list that is larger than all that fit: more memory would bring it. */
export function nextMenuMode(device: VideoDevice, firmware: Firmware): Size | undefined {
  if (firmware === 'bios') return nextVbeMode(device);
  if (device.model === 'cirrus' || device.model === 'ramfb') return undefined;
  return ovmf.findLast((size) => framebufferBytes(size) > gopMemory(device));
}

function nextVbeMode(device: VideoDevice): Size | undefined {
  if (device.model === 'cirrus' || fixedSize(device) !== undefined) return undefined;
  return seaBios.findLast((size) => framebufferBytes(size) > vbeMemory(device));
}

/** The same of the kernel driver's list. */
export function nextKmsMode(device: VideoDevice, hearing: Hearing): Size | undefined {
  const limit = framebufferLimit(device) ?? Number.POSITIVE_INFINITY;
  return offered(device, hearing).findLast((size) => framebufferBytes(size) > limit);
}

/** Devices without a VGA: firmware draws on the one framebuffer that they have, and on parts of it. */
function fixedSize({ model, resolution }: VideoDevice): Size | undefined {
  if (model === 'ramfb') return { width: 1024, height: 768 };
  return model === 'bochs' ? (resolution ?? { width: 1280, height: 800 }) : undefined;
}

function withOwn(own: Size): readonly Size[] {
  const smaller = seaBios.filter((size) => size.width <= own.width && size.height <= own.height);
  return [own, ...smaller.filter((size) => !isSameSize(size, own))];
}

/** What a display starts with when nobody wishes anything; QEMU from 7.0 on, and qxl's driver. */
function usualSize(device: VideoDevice): Size {
  return device.model === 'qxl' ? { width: 1024, height: 768 } : { width: 1280, height: 800 };
}

/** How the guest hears of the monitor: QEMU's description of it, or, in kernels before 5.0 with virtio, only its size. */
export type Hearing = 'edid' | 'size';

/** The connector's list, preferred mode first; what does not fit into the memory is not in it. */
export function kmsModes(device: VideoDevice, hearing: Hearing): readonly Size[] {
  const preferred = device.resolution ?? usualSize(device);
  const others = offered(device, hearing).filter((size) => !isSameSize(size, preferred));
  return [preferred, ...others].filter((size) => canShow(device, size));
}

function offered({ model }: VideoDevice, hearing: Hearing): readonly Size[] {
  switch (model) {
    case 'qxl':
      return qxl;
    case 'virtio':
      return hearing === 'edid' ? qemuEdid : dmt;
    case 'vga':
    case 'bochs':
      return qemuEdid;
    case 'cirrus':
      return sizes('1280x1024 1024x768 800x600 640x480');
    case 'vmvga':
      return dmt;
    case 'ramfb':
      return [];
    default:
      return unreachable(model);
  }
}
