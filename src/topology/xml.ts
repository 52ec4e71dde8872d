// A text from libvirt -> its XML tree. Size, depth and number of elements are capped before the library sees the text, and
// document types, which could declare entities, are refused: what a guest's owner wrote into its definition costs little.
import { DOMParser, type Element } from '@xmldom/xmldom';
import { type Read, wrong } from '../yaml/words.ts';

/** libvirt itself sends no longer texts (REMOTE_STRING_MAX in its remote_protocol.x). */
const mostCharacters = 4 * 1024 * 1024;
const mostElements = 50_000;
const deepest = 64;
/** In one tag; the library looks through all of them for each. */
const mostAttributes = 256;

/** Elements know where they stand: see `offsetOf`. */
export function parseXml(text: string): Read<Element> {
  const fault = text.length > mostCharacters ? 'it is longer than 4 MiB' : capFault(text);
  if (fault !== undefined) return wrong('bad-definition', fault);
  try {
    const parser = new DOMParser({ locator: true, onError: refuse, normalizeLineEndings });
    const root = parser.parseFromString(text, 'text/xml').documentElement;
    return root === null ? wrong('bad-definition', 'it is empty') : { value: root };
  } catch {
    return wrong('bad-definition', 'it is not well-formed XML');
  }
}

/** A sign that stands for an unknown one is a sign like others: it is only a guess that the text was read wrongly. */
function refuse(level: string, message: string): void {
  if (level === 'warning' && message.startsWith('Unicode replacement character')) return;
  throw new Error(message);
}

/** As XML 1.0 has it: the library's own takes U+0085, U+2028 and U+2029 for line ends too, which libvirt does not. */
function normalizeLineEndings(text: string): string {
  return text.replace(/\r\n?/g, '\n');
}

/** Goes over the tags alone, in one pass: what they say is for the library. */
function capFault(text: string): string | undefined {
  let elements = 0;
  let depth = 0;
  for (let at = text.indexOf('<'); at >= 0; at = text.indexOf('<', at)) {
    const passive = passiveEnd(text, at);
    if (passive === undefined) return 'it declares a document type';
    if (passive > at) {
      at = passive;
      continue;
    }
    const { end, attributes } = tagExtent(text, at);
    if (attributes > mostAttributes) return `a tag of it has more than ${mostAttributes} attributes`;
    if (text[at + 1] === '/') depth--;
    else elements++;
    if (text[at + 1] !== '/' && text[end - 2] !== '/') depth++;
    if (depth > deepest) return `its elements stand more than ${deepest} deep`;
    if (elements > mostElements) return `it has more than ${mostElements} elements`;
    at = end;
  }
  return undefined;
}

const passives = [
  ['<!--', '-->'],
  ['<![CDATA[', ']]>'],
  ['<?', '?>'],
] as const;

/** Behind a comment, a section of text or an instruction; `at` if there is a tag; `undefined` for a declaration. */
function passiveEnd(text: string, at: number): number | undefined {
  for (const [opening, closing] of passives) {
    if (!text.startsWith(opening, at)) continue;
    const end = text.indexOf(closing, at + opening.length);
    return end < 0 ? text.length : end + closing.length;
  }
  return text[at + 1] === '!' ? undefined : at;
}

/** Behind the `>` of the tag that begins at `at`: one in quotes is text. */
export function tagEnd(text: string, at: number): number {
  return tagExtent(text, at).end;
}

function tagExtent(text: string, at: number): { readonly end: number; readonly attributes: number } {
  const marks = /[>"']/g;
  marks.lastIndex = at;
  let attributes = 0;
  for (let mark = marks.exec(text); mark !== null; mark = marks.exec(text)) {
    if (mark[0] === '>') return { end: marks.lastIndex, attributes };
    const closing = text.indexOf(mark[0], marks.lastIndex);
    if (closing < 0) break;
    attributes++;
    marks.lastIndex = closing + 1;
  }
  return { end: text.length, attributes };
}

/** The elements of this name that stand directly in another; libvirt's own are in no namespace, all others are not its. */
export function elementsOf(parent: Element | undefined, name: string): readonly Element[] {
  return childElements(parent).filter((child) => child.nodeName === name && child.namespaceURI === null);
}

export function childElements(parent: Element | undefined): readonly Element[] {
  const children: Element[] = [];
  for (let node = parent?.firstChild ?? null; node !== null; node = node.nextSibling) {
    if (node.nodeType === 1) children.push(node as Element);
  }
  return children;
}

/** `undefined` if there is none. */
export function attributeOf(element: Element | undefined, name: string): string | undefined {
  return element?.getAttribute(name) ?? undefined;
}

/** Behind the end tag of the element whose tag begins at `start`; the text is well-formed. */
export function elementEnd(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at >= 0 && at < text.length; at = text.indexOf('<', at)) {
    const passive = passiveEnd(text, at) ?? at;
    if (passive > at) {
      at = passive;
      continue;
    }
    const end = tagEnd(text, at);
    if (text[at + 1] === '/') depth--;
    else if (text[end - 2] !== '/') depth++;
    if (depth === 0) return end;
    at = end;
  }
  throw new Error('an element of well-formed XML has no end');
}

/** Where the tag of an element begins in the text that it was parsed from. @throws Error when the parser counts otherwise */
export function offsetOf(text: string, element: Element): number {
  const { lineNumber = 0, columnNumber = 0 } = element;
  let start = 0;
  for (let line = 1; line < lineNumber; line++) start = endOfLine(text, start);
  const offset = start + columnNumber - 1;
  if (!text.startsWith(`<${element.nodeName}`, offset))
    throw new Error(`<${element.nodeName}> is not where it should be`);
  return offset;
}

function endOfLine(text: string, from: number): number {
  const ends = /\r\n?|\n/g;
  ends.lastIndex = from;
  return ends.exec(text) === null ? text.length : ends.lastIndex;
}
