// What libvirt made of a definition, held against what it was given: it writes in its own way, and may add what it needs for
// another device, but everything else that differs was not meant.
import type { Attr, Element } from '@xmldom/xmldom';
import { attributeOf, childElements, elementEnd, elementsOf, offsetOf, parseXml } from '../topology/xml.ts';
import { parseDomainDisplay } from './domain-video.ts';
import type { VideoDevice } from './video.ts';

export type Sameness = {
  /** The display devices say what they were told. */
  readonly videos: boolean;
  /** Everything else is to the byte what it was. */
  readonly outside: boolean;
};

/**
 * @param before as libvirt wrote it
 * @param wanted what it was given instead
 * @param made what it wrote then
 */
export function sameness(before: string, wanted: string, made: string): Sameness {
  const added = videosOf(wanted).length - videosOf(before).length;
  return {
    videos: saysVideos(wanted, made, videosOf(before).length),
    outside: outsideOf(before, added > 0) === outsideOf(made, added > 0),
  };
}

function devicesOf(text: string): Element | undefined {
  const read = parseXml(text);
  return 'fault' in read ? undefined : elementsOf(read.value, 'devices')[0];
}

function videosOf(text: string): readonly Element[] {
  return elementsOf(devicesOf(text), 'video');
}

/** Devices that were there before to every word; of new ones, to which libvirt gives addresses, what was asked for. */
function saysVideos(wanted: string, made: string, earlier: number): boolean {
  const [wants, has] = [videosOf(wanted).map(canonical), videosOf(made).map(canonical)];
  const isSameDevice = (one: VideoDevice | undefined, other: VideoDevice | undefined) =>
    JSON.stringify(toldOf(one)) === JSON.stringify(toldOf(other));
  const [asked, got] = [parseDomainDisplay(wanted), parseDomainDisplay(made)];
  if ('fault' in asked || 'fault' in got || wants.length !== has.length) return false;
  return (
    wants.slice(0, earlier).every((text, at) => text === has[at]) &&
    asked.value.devices.length === got.value.devices.length &&
    asked.value.devices.every((device, at) => isSameDevice(device, got.value.devices[at]))
  );
}

function toldOf(device: VideoDevice | undefined): readonly unknown[] {
  return [device?.model, device?.heads, device?.resolution?.width, device?.resolution?.height, device?.primary];
}

/** The same for every way of writing an element. */
function canonical(element: Element): string {
  const attributes = Array.from(element.attributes as Iterable<Attr>, ({ name, value }) =>
    JSON.stringify([name, value]),
  );
  return `<${element.nodeName}${attributes.sort().join()}>${childElements(element).map(canonical).join('')}</>`;
}

/** Without the display devices and the blanks before them; another device may need another controller to be put on. */
function outsideOf(text: string, withoutControllers: boolean): string {
  const isLeftOut = (element: Element) =>
    element.nodeName === 'video' ||
    (withoutControllers && element.nodeName === 'controller' && attributeOf(element, 'type') === 'pci');
  let rest = '';
  let from = 0;
  for (const element of childElements(devicesOf(text)).filter(isLeftOut)) {
    const start = offsetOf(text, element);
    rest += text.slice(from, start).trimEnd();
    from = elementEnd(text, start);
  }
  return rest + text.slice(from);
}
