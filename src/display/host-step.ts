// A wish -> the display devices that fulfil it at the host: <resolution>, memory, heads, a device of its own for each
// monitor where the model can. What libvirt or QEMU would refuse, or quietly make something else of, is said before.
// Sources: libvirt's qemu_validate.c and domain_validate.c; the sentences behind 'libvirt says' were read from libvirt 9
import type { DomainDisplay, PlacedVideo } from './domain-video.ts';
import { memoryFor, usualMemory } from './memory.ts';
import { boxOf, type Monitor } from './monitors.ts';
import { drawnByVga, isTooMuchForGuest } from './predict.ts';
import { framebufferBytes, isSameSize, printSize, type Size } from './size.ts';
import type { VideoChange } from './splice-video.ts';
import { longestSide, mostHeads, type VideoDevice, type VideoMemory } from './video.ts';

export type HostStep =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'change'; readonly changes: readonly VideoChange[]; readonly added: readonly VideoDevice[] }
  | { readonly kind: 'impossible'; readonly reasons: readonly string[] };

/** Whether several virtio monitors are heads of one device, which the guest has to be told of, or devices of their own. */
export type Layout = 'heads' | 'devices';

/** @param what 'memory' leaves resolutions as they are: room for what a session sets */
export function hostStep(
  domain: DomainDisplay,
  monitors: readonly Monitor[],
  what: 'size' | 'memory' = 'size',
  layout: Layout = 'devices',
): HostStep {
  const [device] = domain.devices.filter(({ primary }) => primary);
  if (device === undefined) return { kind: 'impossible', reasons: [noDevice(domain)] };
  const isOneBox = device.model !== 'virtio' || layout === 'heads';
  const reasons = [
    ...refusals(device, monitors),
    ...sideRefusals(device, monitors, isOneBox),
    ...roomRefusal(domain, device, monitors),
  ];
  if (reasons.length > 0) return { kind: 'impossible', reasons };
  if (device.model === 'virtio' && layout === 'devices' && monitors.length > 1) {
    return what === 'size' ? deviceEach(domain, monitors) : { kind: 'nothing' };
  }
  return oneDevice(device, monitors, what);
}

function noDevice({ unknownModels }: DomainDisplay): string {
  if (unknownModels.length === 0) return 'the domain has no display device';
  return `nothing is known of display devices of the model ${unknownModels.map((model) => `'${model}'`).join(', ')}`;
}

function refusals({ model }: PlacedVideo, monitors: readonly Monitor[]): readonly string[] {
  const found: string[] = [];
  if (model === 'cirrus' || model === 'ramfb' || model === 'vmvga') {
    found.push(`${model} takes no resolution (libvirt says: model resolution is not supported)`);
  }
  if (monitors.length > mostHeads[model]) {
    const heads = mostHeads[model] === 1 ? 'one monitor' : `${mostHeads[model]} monitors`;
    found.push(
      `${model} shows ${heads}${mostHeads[model] === 1 ? "; virtio and qxl show more (libvirt says: video type doesn't support multiple 'heads')" : ''}`,
    );
  }
  for (const { size } of monitors) {
    if (model === 'vga' && size.width % 8 !== 0)
      found.push(
        `a VGA draws widths of whole eights, and would show ${printSize(drawnByVga(size))}; virtio, qxl and bochs show ${printSize(size)}`,
      );
  }
  return found;
}

/** @param isOneBox all monitors are parts of one picture of the guest's */
function sideRefusals({ model }: PlacedVideo, monitors: readonly Monitor[], isOneBox: boolean): readonly string[] {
  const most = longestSide[model];
  const boxes = isOneBox ? [boxOf(monitors)] : monitors.map(({ size }) => size);
  const tooLong = boxes.filter(({ width, height }) => Math.max(width, height) > most);
  return tooLong.map((size) => `${model} draws at most ${most}x${most}, not ${printSize(size)}`);
}

/** Listed or not, a picture that the guest's memory does not hold is none at all. */
function roomRefusal(domain: DomainDisplay, device: PlacedVideo, monitors: readonly Monitor[]): readonly string[] {
  const sizes = monitors.map(({ size }) => size);
  if (!isTooMuchForGuest(device, sizes, domain)) return [];
  const room = Math.floor(domain.guestMemoryKib / 1024);
  return [`virtio draws in the guest's memory, and its ${room} MiB do not hold ${sizes.map(printSize).join(' and ')}`];
}

/** Each monitor is a virtio device of its own: so each has its own size, also while no viewer is there. */
function deviceEach({ devices, behindVideos }: DomainDisplay, monitors: readonly Monitor[]): HostStep {
  const virtio = devices
    .filter(({ model }) => model === 'virtio')
    .toSorted((one, other) => Number(other.primary) - Number(one.primary));
  const changes = virtio.flatMap((device, at) => {
    const size = monitors[at]?.size;
    return size === undefined ? [] : changeOf(device, size, device.memory, device.heads);
  });
  const added = monitors.slice(virtio.length).map(({ size }) => newVirtio(size));
  if (added.length > 0 && behindVideos === undefined) throw new Error('a domain with devices has a place behind them');
  return changes.length === 0 && added.length === 0 ? { kind: 'nothing' } : { kind: 'change', changes, added };
}

function newVirtio(resolution: Size): VideoDevice {
  return { model: 'virtio', heads: 1, memory: {}, resolution, primary: false };
}

/** All monitors are heads of one device, whose memory holds the box around them; the first one's size is the device's. */
function oneDevice(device: PlacedVideo, monitors: readonly Monitor[], what: 'size' | 'memory'): HostStep {
  const box = boxOf(monitors);
  const memory = memoryFor(device.model, box, device.memory);
  const first = monitors[0]?.size;
  if (memory === undefined || first === undefined) {
    const need = Math.ceil(framebufferBytes(box) / 2 ** 20);
    return {
      kind: 'impossible',
      reasons: [`${device.model} cannot have the memory for ${printSize(box)}: a picture needs ${need} MiB`],
    };
  }
  const size = what === 'size' ? first : device.resolution;
  const heads = Math.max(device.heads, monitors.length);
  const changes = changeOf(device, size, withDefaults(device, memory), heads);
  return changes.length === 0 ? { kind: 'nothing' } : { kind: 'change', changes, added: [] };
}

/** What QEMU takes anyway needs no word: the definition changes only where it must. */
function withDefaults({ model, memory: present }: PlacedVideo, memory: VideoMemory): VideoMemory {
  const usual = usualMemory(model);
  const needed = Object.entries(memory).filter(([name, kib]) => {
    const key = name as keyof VideoMemory;
    return present[key] !== undefined || kib !== usual[key];
  });
  return Object.fromEntries(needed);
}

function changeOf(
  device: PlacedVideo,
  size: Size | undefined,
  memory: VideoMemory,
  heads: number,
): readonly VideoChange[] {
  const hasSize = size === undefined || (device.resolution !== undefined && isSameSize(device.resolution, size));
  const hasMemory = Object.entries(memory).every(([name, kib]) => device.memory[name as keyof VideoMemory] === kib);
  if (hasSize && hasMemory && heads === device.heads) return [];
  return [{ device, memory, heads, resolution: hasSize ? undefined : size }];
}
