// What the scan of a line knows of one packet, and its place in the grammar.
import { extensionStart, type LayerSections, type Section, sections, wordCount } from './grammar.ts';

/** What was found out about a packet, besides the values of its words. */
export class Layer {
  /** What is added to a word to have its place among the values. */
  readonly base: number;
  readonly sections: LayerSections;
  /** Where IPv6 extension headers begin again and again. */
  readonly extensionStart: number;
  /** 0 as long as nothing told it. */
  family: 0 | 4 | 6 = 0;
  present = false;
  flags = 0;
  /** Something in the TCP header could not be read: what is no flag may have been one. */
  unsure = false;
  truncated = false;
  /** Nothing more of this packet can come. */
  ended = false;
  extensions = 0;
  /** Somebody took the address out. */
  srcGone = false;
  dstGone = false;

  constructor(name: 'outer' | 'inner') {
    this.base = name === 'outer' ? 0 : wordCount;
    this.sections = name === 'outer' ? sections.outer : sections.nested;
    this.extensionStart = extensionStart[name];
  }

  clear(): void {
    this.family = 0;
    this.present = false;
    this.flags = 0;
    this.unsure = false;
    this.truncated = false;
    this.ended = false;
    this.extensions = 0;
    this.srcGone = false;
    this.dstGone = false;
  }

  copy(other: Layer): void {
    this.family = other.family;
    this.present = other.present;
    this.flags = other.flags;
    this.unsure = other.unsure;
    this.truncated = other.truncated;
    this.ended = other.ended;
    this.extensions = other.extensions;
    this.srcGone = other.srcGone;
    this.dstGone = other.dstGone;
  }
}

/** A place in the grammar: a section, the next word of it, and the weights of what was found in it. */
export class Place {
  section: Section = sections.nothing;
  next = 0;
  stop = 0;
  got = 0;

  enter(section: Section): void {
    this.section = section;
    this.next = section.from;
    this.stop = section.to;
    this.got = 0;
  }

  copy(other: Place): void {
    this.section = other.section;
    this.next = other.next;
    this.stop = other.stop;
    this.got = other.got;
  }
}
