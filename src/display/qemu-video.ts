// What QEMU's own monitor tells of a display device -> the device as libvirt would describe it. QEMU runs a guest, and its
// answers are data: numbers within bounds, or left out.
// Source: the properties of hw/display's devices in QEMU, as `-device virtio-vga,help` lists them
import type { DomainDisplay } from './domain-video.ts';
import type { Size } from './size.ts';
import type { VideoDevice, VideoMemory, VideoModel } from './video.ts';

/** A device of QEMU by its type, and the id that the command line gave it. */
export type QemuDevice = {
  readonly type: string;
  readonly id: string | undefined;
  readonly properties: ReadonlyMap<string, unknown>;
};

const models: Readonly<Record<string, VideoModel>> = {
  VGA: 'vga',
  'secondary-vga': 'vga',
  'isa-vga': 'vga',
  'bochs-display': 'bochs',
  'qxl-vga': 'qxl',
  qxl: 'qxl',
  'virtio-vga': 'virtio',
  'virtio-vga-gl': 'virtio',
  'virtio-gpu-pci': 'virtio',
  'virtio-gpu-gl-pci': 'virtio',
  'cirrus-vga': 'cirrus',
  'vmware-svga': 'vmvga',
  ramfb: 'ramfb',
};

/** Those that firmware can draw on before a driver comes. */
const primaryTypes = new Set(['VGA', 'isa-vga', 'qxl-vga', 'virtio-vga', 'virtio-vga-gl', 'cirrus-vga', 'vmware-svga']);

export function modelOf(type: string): VideoModel | undefined {
  return Object.hasOwn(models, type) ? models[type] : undefined;
}

/** Every property that says something of pictures, for whoever asks QEMU. */
export const videoProperties = [
  ...['xres', 'yres', 'max_outputs', 'vgamem', 'vgamem_mb'],
  ...['ram_size_mb', 'vram_size_mb', 'vram64_size_mb'],
] as const;

/** @returns the devices that draw, and which of `devices` each of them is */
export function videoDevices(devices: readonly QemuDevice[]): readonly (VideoDevice & { readonly qemu: QemuDevice })[] {
  const drawing = devices.flatMap((qemu) => {
    const model = modelOf(qemu.type);
    return model === undefined ? [] : [{ ...deviceOf(model, qemu.properties), qemu }];
  });
  const primary = Math.max(
    0,
    drawing.findIndex(({ qemu }) => primaryTypes.has(qemu.type)),
  );
  return drawing.map((device, at) => ({ ...device, primary: at === primary }));
}

function deviceOf(model: VideoModel, properties: ReadonlyMap<string, unknown>): VideoDevice {
  const number = (name: string, most: number) => boundedNumber(properties.get(name), most);
  const [width, height] = [number('xres', 32_767), number('yres', 32_767)];
  const resolution: Size | undefined = width === undefined || height === undefined ? undefined : { width, height };
  return {
    model,
    heads: number('max_outputs', 16) ?? 1,
    memory: memoryOf(model, (name) => number(name, 4_096)),
    ...(resolution === undefined ? {} : { resolution }),
    primary: false,
  };
}

/** 0 and the largest numbers mean that nobody said anything. */
function boundedNumber(value: unknown, most: number): number | undefined {
  return typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= most ? value : undefined;
}

/** In KiB, by libvirt's names. */
function memoryOf(model: VideoModel, mebibytes: (name: string) => number | undefined): VideoMemory {
  const kib = (name: string, key: keyof VideoMemory): VideoMemory => {
    const found = mebibytes(name);
    return found === undefined ? {} : { [key]: found * 1024 };
  };
  if (model === 'qxl') {
    return {
      ...kib('ram_size_mb', 'ram'),
      ...kib('vram_size_mb', 'vram'),
      ...kib('vram64_size_mb', 'vram64'),
      ...kib('vgamem_mb', 'vgamem'),
    };
  }
  return model === 'virtio' ? {} : kib('vgamem_mb', 'vram');
}

export type QemuFacts = {
  readonly name: string;
  readonly uuid: string;
  readonly firmware: DomainDisplay['firmware'];
  readonly guestMemoryKib: number;
  readonly graphics: readonly string[];
  readonly spiceAgentListens: boolean;
};

/** As if libvirt had defined it; there is no text in which anything could be changed. */
export function qemuDisplay(facts: QemuFacts, devices: readonly VideoDevice[]): DomainDisplay {
  const { name, uuid, firmware, guestMemoryKib, graphics, spiceAgentListens } = facts;
  return {
    ...{ name, uuid, firmware, guestMemoryKib, graphics, spiceAgentListens },
    running: true,
    devices: devices.map(({ model, heads, memory, resolution, primary }) => ({
      ...{ model, heads, memory, primary, place: { start: 0, end: 0, resolution: undefined } },
      ...(resolution === undefined ? {} : { resolution }),
    })),
    unknownModels: [],
    agentChannel: false,
    behindVideos: undefined,
  };
}
