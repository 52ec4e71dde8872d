// Changed display devices -> the definition with exactly these changed: every other byte of the text stays as it is, also
// comments, quotes and line ends. Attributes that this program does not know stay too.
import { tagEnd } from '../topology/xml.ts';
import type { DomainDisplay, PlacedVideo } from './domain-video.ts';
import type { Size } from './size.ts';
import type { VideoDevice, VideoMemory } from './video.ts';

export type VideoChange = {
  readonly device: PlacedVideo;
  readonly memory: VideoMemory;
  readonly heads: number;
  /** undefined leaves it as it is. */
  readonly resolution: Size | undefined;
};

/**
 * @param domain of `parseDomainDisplay` of the same text
 * @param added devices that come behind the last one
 */
export function spliceVideo(
  text: string,
  domain: DomainDisplay,
  changes: readonly VideoChange[],
  added: readonly VideoDevice[],
): string {
  let result = text;
  if (added.length > 0 && domain.behindVideos !== undefined) {
    const indent = indentAt(text, domain.behindVideos - 1);
    const videos = added.map((device) => `${lineEnd(text)}${indent}${videoText(device, indent, lineEnd(text))}`);
    result = spliced(result, domain.behindVideos, domain.behindVideos, videos.join(''));
  }
  // from behind, so that the places in front stay right
  for (const change of changes.toSorted((one, other) => other.device.place.start - one.device.place.start)) {
    const { start, end } = change.device.place;
    result = spliced(result, start, end, modelText(text, change));
  }
  return result;
}

function spliced(text: string, start: number, end: number, middle: string): string {
  return text.slice(0, start) + middle + text.slice(end);
}

function modelText(text: string, { device, memory, heads, resolution }: VideoChange): string {
  const { start, end, resolution: resolutionStart } = device.place;
  const tag = text.slice(start, tagEnd(text, start));
  const inside = text.slice(start + tag.length, end);
  const memoryWords = Object.entries(memory).filter(([name, kib]) => kib !== device.memory[name as keyof VideoMemory]);
  const words: readonly Attribute[] = [
    ...memoryWords.map(([name, kib]) => [name, String(kib)] as const),
    ...(heads === device.heads ? [] : [['heads', String(heads)] as const]),
  ];
  const changedTag = words.reduce(withAttribute, tag);
  if (resolution === undefined) return changedTag + inside;
  if (resolutionStart === undefined)
    return withResolution(changedTag, inside, resolution, indentAt(text, start), lineEnd(text));
  return changedTag + withSize(inside, resolutionStart - start - tag.length, resolution);
}

type Attribute = readonly [name: string, value: string];

/** Inside of the tag: with the quotes that stand there. */
function withAttribute(tag: string, [name, value]: Attribute): string {
  const found = valueIn(tag, name);
  if (found !== undefined) return spliced(tag, found.start, found.end, value);
  const behind = tag.slice(0, tag.endsWith('/>') ? -2 : -1).trimEnd().length;
  return spliced(tag, behind, behind, ` ${name}='${value}'`);
}

/** Where the value of this attribute stands in a well-formed tag, without its quotes. */
function valueIn(tag: string, name: string): { readonly start: number; readonly end: number } | undefined {
  const attribute = /[\s/]*([^\s=/>"']+)\s*=\s*(?:"[^"]*"|'[^']*')/y;
  attribute.lastIndex = /^<[^\s/>]+/.exec(tag)?.[0].length ?? 0;
  for (let found = attribute.exec(tag); found !== null; found = attribute.exec(tag)) {
    const end = attribute.lastIndex - 1;
    if (found[1] === name) return { start: tag.lastIndexOf(tag.charAt(end), end - 1) + 1, end };
  }
  return undefined;
}

function withResolution(tag: string, inside: string, { width, height }: Size, indent: string, end: string): string {
  const element = `<resolution x='${width}' y='${height}'/>`;
  if (inside === '') return `${tag.slice(0, -2).trimEnd()}>${end}${indent}  ${element}${end}${indent}</model>`;
  return `${tag}${end}${indent}  ${element}${inside}`;
}

/** @param start of the `<resolution>` that is there */
function withSize(inside: string, start: number, { width, height }: Size): string {
  const old = inside.slice(start, tagEnd(inside, start));
  const renewed = [['x', String(width)] as const, ['y', String(height)] as const].reduce(withAttribute, old);
  return spliced(inside, start, start + old.length, renewed);
}

function videoText({ model, heads, memory, resolution }: VideoDevice, indent: string, end: string): string {
  const sizes = Object.entries(memory).map(([name, kib]) => ` ${name}='${kib}'`);
  const tag = `<model type='${model}'${sizes.join('')} heads='${heads}'/>`;
  const indented = `${indent}  `;
  const filled = resolution === undefined ? tag : withResolution(tag, '', resolution, indented, end);
  return `<video>${end}${indented}${filled}${end}${indent}</video>`;
}

/** The blanks in front of the line that `at` stands in; none where something else stands there too. */
function indentAt(text: string, at: number): string {
  const lineStart = text.lastIndexOf('\n', at) + 1;
  return /^[ \t]*/.exec(text.slice(lineStart, at + 1))?.[0] ?? '';
}

function lineEnd(text: string): string {
  return text.includes('\r\n') ? '\r\n' : '\n';
}
