// Guests whose kernel has no driver for their display: what GRUB handed over stays, for the console and for a session on it. Then
// nothing but GRUB decides, and this is why. So it is with virtio and the kernel of Debian 8 (3.16), and with nomodeset anywhere.
import type { DomainDisplay, PlacedVideo } from './domain-video.ts';
import type { GuestFacts } from './guest-facts.ts';
import { type KernelArgs, parseKernelArgs } from './kernel-args.ts';
import type { Firmware } from './mode-lists.ts';
import type { Size } from './size.ts';

/** Drivers that draw on each model; their files' names. */
const driversOf = {
  qxl: ['qxl'],
  virtio: ['virtio-gpu'],
  vga: ['bochs', 'bochs-drm'],
  bochs: ['bochs', 'bochs-drm'],
  cirrus: ['cirrus', 'cirrus-qemu'],
  vmvga: ['vmwgfx'],
  ramfb: ['simpledrm'],
} as const;

/** By the framebuffer's name. Those that only draw on what firmware left are no display driver: the real one comes later. */
export function isDisplayDriver(framebuffer: string | undefined): boolean {
  return framebuffer !== undefined && /drm/.test(framebuffer) && !/^(?:simple|of|efi|vesa)drm/.test(framebuffer);
}

/** undefined where a driver binds; of a guest that says nothing that is believed: any kernel of these years has one. */
export function noDriverReason(
  { model }: Pick<PlacedVideo, 'model'>,
  guest: GuestFacts | undefined,
): string | undefined {
  if (guest === undefined || isDisplayDriver(guest.framebuffer)) return undefined;
  const { nomodeset, blacklisted } = parseKernelArgs(guest.commandLine);
  if (nomodeset) return "nomodeset is on the kernel's command line";
  const names: readonly string[] = driversOf[model];
  const present = names.filter((name) => guest.drivers.has(name));
  if (present.length === 0) return `kernel ${guest.release} has no driver for ${model}`;
  const isFree = (name: string): boolean => !blacklisted.has(name) && !blacklisted.has(name.replaceAll('-', '_'));
  return present.some(isFree) ? undefined : `modprobe.blacklist keeps the driver ${present.join(', ')} away`;
}

/** The same of the device that firmware draws on. */
export function earlyOnlyReason({ devices }: DomainDisplay, guest: GuestFacts | undefined): string | undefined {
  const device = devices.find(({ primary }) => primary);
  return device === undefined ? undefined : noDriverReason(device, guest);
}

export type VgaPayload = { readonly size: Size | undefined; readonly text: string };

/** On BIOS, GRUB takes `vga=` for its payload, over GRUB_GFXPAYLOAD_LINUX; on UEFI it takes no notice. As seen with GRUB 2.06. */
export function vgaPayload({ vga }: KernelArgs, firmware: Firmware): VgaPayload | undefined {
  if (vga === undefined || firmware === 'uefi') return undefined;
  const size = vesaSizes[(Number(vga) || 0) & 0x1ff];
  return {
    size,
    text: `vga=${vga} on the kernel's command line is what GRUB hands over, whatever its own settings say`,
  };
}

/** Source: grub_vesa_mode_table in GRUB's loader/i386/linux.c and include/grub/i386/pc/vbe.h; with 16 and 24 bits. */
const vesaSizes: Readonly<Record<number, Size>> = {
  273: { width: 640, height: 480 },
  274: { width: 640, height: 480 },
  276: { width: 800, height: 600 },
  277: { width: 800, height: 600 },
  279: { width: 1024, height: 768 },
  280: { width: 1024, height: 768 },
  282: { width: 1280, height: 1024 },
  283: { width: 1280, height: 1024 },
};
