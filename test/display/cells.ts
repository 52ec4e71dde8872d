// The matrix of consoles: a device as libvirt describes it and as QEMU takes it, how its guest boots, and what was seen.

import { parseKernelArgs } from '../../src/display/kernel-args.ts';
import type { Boot } from '../../src/display/predict.ts';
import { parseSize, type Size } from '../../src/display/size.ts';
import type { VideoDevice, VideoModel } from '../../src/display/video.ts';
import type { Machine } from './guests/mini-guest.ts';

export type Cell = {
  readonly name: string;
  readonly device: VideoDevice;
  readonly boot: Boot;
  readonly machine: Machine;
  /** One for each screenshot. */
  readonly pictures: readonly string[];
  /** Whether it boots in this run. */
  readonly boots: boolean;
  /** How many modes the first connector lists; undefined where a forced size hides that, or nothing binds. */
  readonly modes: number | undefined;
};

type Row = readonly [
  qemu: string,
  kernelArgs: string,
  pictures: string,
  modes: number | undefined,
  more?: {
    readonly memoryMb?: number;
    readonly hearing?: 'size';
    /** In every run, and not only in the full one, where all do: others show the same of the device, or less. */
    readonly boots?: true;
    readonly unpacks?: true;
  },
];

/** One, and those where nothing draws over the firmware, boot as Debian does: with BRIDGEKEEPER_FULL=1 all. */
const isFull = process.env.BRIDGEKEEPER_FULL === '1';

const rows: readonly Row[] = [
  ['VGA', '', '1280x800', 13, { boots: true, unpacks: true }],
  ['VGA,xres=1920,yres=1080', '', '1920x1080', 12],
  // a VGA's lines are whole groups of eight, whatever the kernel believes
  ['VGA,xres=1366,yres=768', '', '1360x768', 13, { boots: true }],
  // the kernel uses half of the memory for a picture
  ['VGA,xres=3840,yres=2160,vgamem_mb=16', '', '1920x1080', 12, { boots: true }],
  ['VGA,xres=3840,yres=2160,vgamem_mb=32', '', '1920x1440', 18],
  ['VGA,xres=3840,yres=2160,vgamem_mb=64', '', '3840x2160', 19],
  ['VGA', 'video=1920x1080', '1920x1080', undefined],
  ['VGA', 'video=2560x1440', '1280x800', undefined, { boots: true }],
  ['bochs-display', '', '1280x800', 13],
  ['bochs-display,xres=1920,yres=1080', '', '1920x1080', 12],
  ['bochs-display,xres=2560,yres=1440,vgamem=16M', '', '1920x1080', 12, { boots: true }],
  ['virtio-vga', '', '1280x800', 22],
  ['virtio-vga,xres=1920,yres=1080', '', '1920x1080', 21],
  ['virtio-gpu-pci,xres=1920,yres=1080', '', '1920x1080', 21, { boots: true }],
  ['virtio-vga,xres=3840,yres=2160', '', '3840x2160', 21],
  ['virtio-vga,xres=1366,yres=768', '', '1366x768', 22],
  // as kernels before 5.0 hear of it
  ['virtio-vga,edid=off,xres=1920,yres=1080', '', '1920x1080', 24, { boots: true, hearing: 'size' }],
  // listed first all the same, and then there is no framebuffer at all
  ['virtio-vga,xres=7680,yres=4320', '', '720x400', 22, { boots: true, unpacks: true }],
  ['virtio-vga,xres=7680,yres=4320', '', '7680x4320', 22, { boots: true, memoryMb: 512 }],
  [
    'virtio-vga,max_outputs=2,xres=1920,yres=1080',
    'video=Virtual-2:1280x1024e',
    '1920x1080 1280x1024',
    undefined,
    { boots: true },
  ],
  ['virtio-vga', 'video=1920x1080', '1920x1080', undefined],
  // the drivers draw 8192 pixels a side at most
  ['virtio-vga,xres=9000,yres=600', '', '5120x2160', 21, { boots: true }],
  ['qxl-vga', '', '1024x768', 26],
  ['qxl-vga,xres=1920,yres=1080', '', '1920x1080', 26],
  ['qxl-vga,xres=1366,yres=768', '', '1366x768', 26, { boots: true }],
  ['qxl-vga,xres=3840,yres=2160,vgamem_mb=16', '', '2560x1600', 26, { boots: true }],
  ['qxl-vga,xres=3840,yres=2160,vgamem_mb=32,ram_size_mb=128', '', '3840x2160', 27],
  ['qxl-vga,xres=3840,yres=2160,vgamem_mb=64,ram_size_mb=256', '', '3840x2160', 28],
  ['qxl-vga,xres=9000,yres=600,vgamem_mb=64,ram_size_mb=256', '', '4096x2160', 27, { boots: true }],
  ['qxl-vga', 'video=1920x1080', '1920x1080', undefined, { boots: true }],
  ['qxl-vga', 'nomodeset', '720x400', undefined, { boots: true, unpacks: true }],
];

const models: Readonly<Record<string, VideoModel>> = {
  VGA: 'vga',
  'bochs-display': 'bochs',
  'virtio-vga': 'virtio',
  'virtio-gpu-pci': 'virtio',
  'qxl-vga': 'qxl',
  ramfb: 'ramfb',
};

export const cells: readonly Cell[] = rows.map(([qemu, kernelArgs, pictures, modes, more = {}]) => {
  const [type = '', ...properties] = qemu.split(',');
  const memoryMb = more.memoryMb ?? 256;
  return {
    name: [qemu, kernelArgs, more.memoryMb === undefined ? '' : `${memoryMb} MiB`]
      .filter((word) => word !== '')
      .join(' '),
    device: deviceOf(qemu),
    boot: {
      firmware: 'bios',
      payload: 'text',
      kernelArgs: parseKernelArgs(kernelArgs),
      driver: true,
      hearing: more.hearing ?? 'edid',
      guestMemoryKib: memoryMb * 1024,
    },
    machine: {
      devices: ['-device', [type, 'id=video0', ...properties].join(',')],
      kernelArgs: kernelArgs === '' ? [] : [kernelArgs],
      memoryMb,
      unpacks: isFull || more.unpacks === true,
    },
    pictures: pictures.split(' '),
    boots: isFull || more.boots === true,
    modes,
  };
});

/** A device as libvirt describes it, of what QEMU is told. */
export function deviceOf(qemu: string): VideoDevice {
  const [type = '', ...properties] = qemu.split(',');
  const values = new Map(properties.map((property) => property.split('=') as [string, string]));
  const model = models[type] ?? 'vga';
  const resolution = resolutionOf(values);
  const kib = Number(values.get('vgamem_mb') ?? 16) * 1024;
  return {
    model,
    heads: Number(values.get('max_outputs') ?? 1),
    memory: model === 'qxl' ? { vgamem: kib } : { vram: kib },
    ...(resolution === undefined ? {} : { resolution }),
    primary: true,
  };
}

function resolutionOf(values: ReadonlyMap<string, string>): Size | undefined {
  return parseSize(`${values.get('xres')}x${values.get('yres')}`);
}
