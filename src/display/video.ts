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

/** The largest side of one picture, of the guest's driver and of QEMU: seen on virtio and vga, DRM's and X's own for the rest. */
export const longestSide: Readonly<Record<VideoModel, number>> = {
  qxl: 8192,
  virtio: 8192,
  vga: 8192,
  bochs: 8192,
  vmvga: 8192,
  cirrus: 2048,
  ramfb: 16_384,
};

/** The guest's qxl driver has four connectors, QEMU's virtio sixteen heads. */
export const mostHeads: Readonly<Record<VideoModel, number>> = {
  qxl: 4,
  virtio: 16,
  vga: 1,
  bochs: 1,
  vmvga: 1,
  cirrus: 1,
  ramfb: 1,
};
