// Messages of netlink as octets (RFC 3549 section 2.3; Linux include/uapi/linux/netlink.h). Lengths and numbers stand in the byte order
// of the machine, and everything begins at a multiple of four octets.

export type Message = {
  readonly type: number;
  readonly flags: number;
  /** An answer has that of what was asked. */
  readonly sequence: number;
  readonly body: Uint8Array;
};

export type Attribute = {
  readonly type: number;
  /** Octets, or attributes that it is a nest of. */
  readonly value: Uint8Array | readonly Attribute[];
};

/** By their names in linux/netlink.h. */
export const messageFlag = {
  request: 0x001,
  /** One of several, which a message of type `doneType` ends. */
  multi: 0x002,
  ack: 0x004,
  /** What is listed changed meanwhile. */
  interrupted: 0x010,
  /** All of them. */
  dump: 0x300,
  create: 0x400,
  append: 0x800,
} as const;

/** The answer to a message: a negative number of errno(3), or 0. */
export const errorType = 2;
/** The last one of several, with a number as `errorType`. */
export const doneType = 3;

const headerLength = 16;
const attributeHeaderLength = 4;
const nestedFlag = 0x8000;
/** Without its two flags. */
const typeMask = 0x3fff;

/** Whether this machine puts the lowest octet first. */
export const isLittleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

function aligned(length: number): number {
  return (length + 3) & ~3;
}

/** The sender's port is left to the kernel. */
export function encodeMessage({ type, flags, sequence, body }: Message): Uint8Array {
  const octets = new Uint8Array(aligned(headerLength + body.length));
  const view = new DataView(octets.buffer);
  view.setUint32(0, headerLength + body.length, isLittleEndian);
  view.setUint16(4, type, isLittleEndian);
  view.setUint16(6, flags, isLittleEndian);
  view.setUint32(8, sequence, isLittleEndian);
  octets.set(body, headerLength);
  return octets;
}

/**
 * Of one datagram; what is cut off is left out.
 * @param act gets where the message's body begins and ends
 */
export function forEachMessage(octets: Uint8Array, act: (type: number, at: number, end: number) => void): void {
  const view = viewOf(octets);
  for (let at = 0; at + headerLength <= octets.length; ) {
    const length = view.getUint32(at, isLittleEndian);
    if (length < headerLength || at + length > octets.length) break;
    act(view.getUint16(at + 4, isLittleEndian), at + headerLength, at + length);
    at += aligned(length);
  }
}

/** As `forEachMessage`. */
export function decodeMessages(octets: Uint8Array): readonly Message[] {
  const view = viewOf(octets);
  const messages: Message[] = [];
  forEachMessage(octets, (type, at, end) => {
    const flags = view.getUint16(at - headerLength + 6, isLittleEndian);
    const sequence = view.getUint32(at - headerLength + 8, isLittleEndian);
    messages.push({ type, flags, sequence, body: octets.subarray(at, end) });
  });
  return messages;
}

function viewOf(octets: Uint8Array): DataView {
  return new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
}

/** @throws RangeError for one that is too long: its length has 16 bits */
export function encodeAttributes(attributes: readonly Attribute[]): Uint8Array {
  return concatenated(attributes.map(encodeAttribute));
}

function encodeAttribute({ type, value }: Attribute): Uint8Array {
  const isOctets = value instanceof Uint8Array;
  const inside = isOctets ? value : encodeAttributes(value);
  const length = attributeHeaderLength + inside.length;
  if (length > 0xffff) throw new RangeError(`an attribute of ${length} octets`);
  const octets = new Uint8Array(aligned(length));
  const view = new DataView(octets.buffer);
  view.setUint16(0, length, isLittleEndian);
  view.setUint16(2, isOctets ? type : type | nestedFlag, isLittleEndian);
  octets.set(inside, attributeHeaderLength);
  return octets;
}

/** By their types, of several of one type the last one; what is cut off is left out. */
export function decodeAttributes(octets: Uint8Array): ReadonlyMap<number, Uint8Array> {
  const view = viewOf(octets);
  const found = new Map<number, Uint8Array>();
  for (let at = 0; at + attributeHeaderLength <= octets.length; ) {
    const length = view.getUint16(at, isLittleEndian);
    if (length < attributeHeaderLength || at + length > octets.length) break;
    const type = view.getUint16(at + 2, isLittleEndian) & typeMask;
    found.set(type, octets.subarray(at + attributeHeaderLength, at + length));
    at += aligned(length);
  }
  return found;
}

export function concatenated(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** A number of 32 bits in the order of the machine, as most numbers of netlink. */
export function hostOrder(value: number): Uint8Array {
  const octets = new Uint8Array(4);
  new DataView(octets.buffer).setUint32(0, value, isLittleEndian);
  return octets;
}

/** A number of 32 or 64 bits in the order of the network, as those of nf_tables. */
export function networkOrder(value: number, octets: 4 | 8 = 4): Uint8Array {
  const number = new Uint8Array(octets);
  new DataView(number.buffer).setUint32(octets - 4, value);
  return number;
}

/** With the zero that ends it, as names stand in attributes. */
export function encodeText(text: string): Uint8Array {
  return Uint8Array.from([...text].map((character) => character.charCodeAt(0)).concat(0));
}

/** Up to the first zero, octet by octet. */
export function decodeText(octets: Uint8Array): string {
  const end = octets.indexOf(0);
  return String.fromCharCode(...(end < 0 ? octets : octets.subarray(0, end)));
}
