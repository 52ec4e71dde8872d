// The definition of a domain -> what decides its pictures: display devices, firmware, graphics. Names are data; a device
// that this program does not know is kept as it is and left alone.
import type { Element } from '@xmldom/xmldom';
import { attributeOf, elementsOf, offsetOf, parseXml, tagEnd } from '../topology/xml.ts';
import { type Read, wrong } from '../yaml/words.ts';
import type { Size } from './size.ts';
import { type VideoDevice, type VideoMemory, type VideoModel, videoModels } from './video.ts';

/** A device, and where its `<model>` stands in the text. */
export type PlacedVideo = VideoDevice & { readonly modelStart: number; readonly modelEnd: number };

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
  const [devices] = elementsOf(root, 'devices');
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
  const modelStart = offsetOf(text, model);
  const resolution = resolutionOf(elementsOf(model, 'resolution')[0]);
  return [
    {
      model: type,
      heads: wholeNumber(attributeOf(model, 'heads')) ?? 1,
      memory: memoryOf(model),
      ...(resolution === undefined ? {} : { resolution }),
      primary: attributeOf(model, 'primary') === 'yes',
      modelStart,
      modelEnd: elementEnd(text, modelStart),
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

/** Behind the end tag of the element whose tag begins at `start`; the text is well-formed. */
function elementEnd(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at >= 0 && at < text.length; at = text.indexOf('<', at)) {
    const passive = behindPassive(text, at);
    if (passive !== undefined) {
      at = passive;
      continue;
    }
    const end = tagEnd(text, at);
    const isEnd = text[at + 1] === '/';
    if (isEnd) depth--;
    else if (text[end - 2] !== '/') depth++;
    if (depth === 0) return end;
    at = end;
  }
  throw new Error('an element of well-formed XML has no end');
}

function behindPassive(text: string, at: number): number | undefined {
  for (const [opening, closing] of [
    ['<!--', '-->'],
    ['<![CDATA[', ']]>'],
    ['<?', '?>'],
  ] as const) {
    if (text.startsWith(opening, at)) return text.indexOf(closing, at) + closing.length;
  }
  return undefined;
}
