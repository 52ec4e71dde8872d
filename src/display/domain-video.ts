// The definition of a domain -> what decides its pictures: display devices, firmware, graphics. Names are data; a device
// that this program does not know is kept as it is and left alone.
import type { Element } from '@xmldom/xmldom';
import { attributeOf, elementEnd, elementsOf, offsetOf, parseXml } from '../topology/xml.ts';
import { type Read, wrong } from '../yaml/words.ts';
import type { Size } from './size.ts';
import { type VideoDevice, type VideoMemory, type VideoModel, videoModels } from './video.ts';

/** Where a device's `<model>` stands in the text, and the `<resolution>` in it. */
export type Place = { readonly start: number; readonly end: number; readonly resolution: number | undefined };

export type PlacedVideo = VideoDevice & { readonly place: Place };

export type DomainDisplay = {
  /** As it was defined: anything. */
  readonly name: string;
  readonly uuid: string;
  readonly running: boolean;
  readonly firmware: 'bios' | 'uefi';
  readonly devices: readonly PlacedVideo[];
  /** Models of devices that are left alone. */
  readonly unknownModels: readonly string[];
  /** `spice`, `vnc`, …, in the order of the text. */
  readonly graphics: readonly string[];
  readonly agentChannel: boolean;
  /** Of a domain that runs: somebody inside has opened spice-vdagent's channel. */
  readonly spiceAgentListens: boolean;
  readonly guestMemoryKib: number;
  /** Behind the last `<video>`, where another one can be put; undefined without any. */
  readonly behindVideos: number | undefined;
};

/** https://libvirt.org/formatdomain.html; the caps are those of `parseXml`. */
export function parseDomainDisplay(text: string): Read<DomainDisplay> {
  const parsed = parseXml(text);
  if ('fault' in parsed) return parsed;
  const root = parsed.value;
  const [name] = elementsOf(root, 'name');
  const [uuid] = elementsOf(root, 'uuid');
  const [devices, ...moreDevices] = elementsOf(root, 'devices');
  if (moreDevices.length > 0) return wrong('bad-definition', 'it has <devices> more than once');
  if (root.nodeName !== 'domain' || name === undefined || uuid === undefined || devices === undefined) {
    return wrong('bad-definition', 'it is not the definition of a domain');
  }
  const videos = elementsOf(devices, 'video');
  const models = videos.flatMap((video) => elementsOf(video, 'model').slice(0, 1));
  const channels = elementsOf(devices, 'channel');
  const last = videos.at(-1);
  return {
    value: {
      name: name.textContent ?? '',
      uuid: (uuid.textContent ?? '').trim(),
      running: attributeOf(root, 'id') !== undefined,
      firmware: firmwareOf(elementsOf(root, 'os')[0]),
      devices: withPrimary(models.flatMap((model) => videoOf(text, model))),
      unknownModels: models.map((model) => attributeOf(model, 'type') ?? '').filter((type) => !isModel(type)),
      graphics: elementsOf(devices, 'graphics').map((graphics) => attributeOf(graphics, 'type') ?? ''),
      agentChannel: channels.some((channel) => targetOf(channel, 'name') === 'org.qemu.guest_agent.0'),
      spiceAgentListens: channels.some(isOpenSpiceAgent),
      guestMemoryKib: memoryKib(elementsOf(root, 'memory')[0]),
      behindVideos: last === undefined ? undefined : elementEnd(text, offsetOf(text, last)),
    },
  };
}

function firmwareOf(os: Element | undefined): 'bios' | 'uefi' {
  const loader = elementsOf(os, 'loader')[0];
  const isUefi = attributeOf(os, 'firmware') === 'efi' || attributeOf(loader, 'type') === 'pflash';
  return isUefi ? 'uefi' : 'bios';
}

function isModel(type: string): type is VideoModel {
  return (videoModels as readonly string[]).includes(type);
}

/** Firmware draws on the one that says so, else on the first one. */
function withPrimary(devices: readonly PlacedVideo[]): readonly PlacedVideo[] {
  const chosen = Math.max(
    0,
    devices.findIndex(({ primary }) => primary),
  );
  return devices.map((device, at) => ({ ...device, primary: at === chosen }));
}

function videoOf(text: string, model: Element): readonly PlacedVideo[] {
  const type = attributeOf(model, 'type') ?? '';
  if (!isModel(type)) return [];
  const start = offsetOf(text, model);
  const [element] = elementsOf(model, 'resolution');
  const resolution = resolutionOf(element);
  return [
    {
      model: type,
      heads: wholeNumber(attributeOf(model, 'heads')) ?? 1,
      memory: memoryOf(model),
      ...(resolution === undefined ? {} : { resolution }),
      primary: attributeOf(model, 'primary') === 'yes',
      place: {
        start,
        end: elementEnd(text, start),
        resolution: element === undefined ? undefined : offsetOf(text, element),
      },
    },
  ];
}

function memoryOf(model: Element): VideoMemory {
  const parts = (['ram', 'vram', 'vram64', 'vgamem'] as const).flatMap((name) => {
    const kib = wholeNumber(attributeOf(model, name));
    return kib === undefined ? [] : [[name, kib] as const];
  });
  return Object.fromEntries(parts);
}

function resolutionOf(element: Element | undefined): Size | undefined {
  const width = wholeNumber(attributeOf(element, 'x'));
  const height = wholeNumber(attributeOf(element, 'y'));
  return width === undefined || height === undefined ? undefined : { width, height };
}

function wholeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,10}$/.test(text) ? Number(text) : undefined;
}

function targetOf(channel: Element, attribute: string): string | undefined {
  return attributeOf(elementsOf(channel, 'target')[0], attribute);
}

function isOpenSpiceAgent(channel: Element): boolean {
  return targetOf(channel, 'name') === 'com.redhat.spice.0' && targetOf(channel, 'state') === 'connected';
}

/** libvirt itself writes KiB; people write what they like. */
const unitKib: Readonly<Record<string, number>> = {
  b: 1 / 1024,
  KiB: 1,
  k: 1,
  MiB: 1024,
  M: 1024,
  GiB: 1 << 20,
  G: 1 << 20,
};

function memoryKib(memory: Element | undefined): number {
  const count = wholeNumber(memory?.textContent?.trim()) ?? 0;
  return Math.floor(count * (unitKib[attributeOf(memory, 'unit') ?? 'KiB'] ?? 1));
}
