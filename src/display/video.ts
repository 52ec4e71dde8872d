// A display device as libvirt describes it, and what is wished for it. Sizes of memory are in KiB, as libvirt counts them.
// Source: https://libvirt.org/formatdomain.html#video-devices
import type { Size } from './size.ts';

/** Those that `virsh domcapabilities` of some libvirt lists and that draw anything. */
export const videoModels = ['qxl', 'vga', 'virtio', 'bochs', 'cirrus', 'vmvga', 'ramfb'] as const;

export type VideoModel = (typeof videoModels)[number];

/** undefined is: as libvirt and QEMU choose. */
export type VideoMemory = {
  readonly ram?: number;
  readonly vram?: number;
  readonly vram64?: number;
  readonly vgamem?: number;
};

export type VideoDevice = {
  readonly model: VideoModel;
  readonly heads: number;
  readonly memory: VideoMemory;
  /** `<resolution>`: QEMU's xres and yres. */
  readonly resolution?: Size;
  /** The one that firmware draws on: the first one, or the one that says so. */
  readonly primary: boolean;
};
