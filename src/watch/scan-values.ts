// Values in a log line, byte by byte: numbers, MAC and IP addresses. Each reader starts at the cursor and leaves it
// behind what belongs to the value; what stands there must be looked at by the caller.

const blank = 32;
const dot = 46;
const colon = 58;
const zero = 48;
const letterX = 120;

/** -1 for what is no digit. */
export const hexDigit = new Int8Array(256).fill(-1);
for (let digit = 0; digit < 10; digit++) hexDigit[zero + digit] = digit;
for (let digit = 10; digit < 16; digit++) {
  hexDigit[87 + digit] = digit;
  hexDigit[55 + digit] = digit;
}

/** What cannot be read as a value. */
const unread = -1;

export class Cursor {
  at = 0;
  end = 0;
  /** The last IPv6 address that was read: four times 32 bits. */
  readonly ip6 = new Uint32Array(4);

  /** As the kernel prints it: no sign, no leading zeros. */
  decimal(bytes: Uint8Array, most: number): number {
    const { end } = this;
    let { at } = this;
    if (at >= end) return unread;
    let value = (bytes[at] as number) - zero;
    if (value < 0 || value > 9) return unread;
    const first = value;
    const from = at++;
    while (at < end) {
      const digit = (bytes[at] as number) - zero;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
      at++;
    }
    this.at = at;
    return value > most || (first === 0 && at - from > 1) ? unread : value;
  }

  /** With `0x` or without; leading zeros are usual. */
  hex(bytes: Uint8Array, most: number): number {
    const { end } = this;
    let { at } = this;
    if (at + 1 < end && bytes[at] === zero && bytes[at + 1] === letterX) at += 2;
    const from = at;
    let value = 0;
    while (at < end) {
      const digit = hexDigit[bytes[at] as number] as number;
      if (digit < 0) break;
      value = value * 16 + digit;
      at++;
    }
    this.at = at;
    return at === from || at - from > 8 || value > most ? unread : value;
  }

  /** Dotted quad as 32 bits. */
  ip4(bytes: Uint8Array): number {
    const { end } = this;
    let { at } = this;
    let value = 0;
    for (let part = 0; part < 4; part++) {
      if (part > 0 && (at >= end || bytes[at++] !== dot)) return unread;
      const packed = shortOctet(bytes, at, end);
      if (packed === 0) return unread;
      value = (value << 8) | (packed >> 4);
      at += packed & 15;
    }
    this.at = at;
    return value >>> 0;
  }

  /** Six pairs of digits. */
  mac(bytes: Uint8Array): number {
    const mac = macAt(bytes, this.at, this.end);
    if (mac !== unread) this.at += 17;
    return mac;
  }

  /** IPv6 into `ip6`: eight groups of four digits as the kernel prints them, or as other writers do. */
  ip6Words(bytes: Uint8Array): boolean {
    return this.#fullIp6(bytes) || this.#shortIp6(bytes);
  }

  #fullIp6(bytes: Uint8Array): boolean {
    const { at, end, ip6 } = this;
    if (at + 39 > end) return false;
    for (let word = 0; word < 4; word++) {
      const from = at + word * 10;
      const high = groupAt(bytes, from);
      const low = groupAt(bytes, from + 5);
      if ((high | low) < 0 || bytes[from + 4] !== colon || (word < 3 && bytes[from + 9] !== colon)) return false;
      ip6[word] = (high << 16) | low;
    }
    this.at = at + 39;
    return true;
  }

  #shortIp6(bytes: Uint8Array): boolean {
    const { end, ip6 } = this;
    let { at } = this;
    let groups = 0;
    let gap = -1;
    ip6.fill(0);
    if (at + 1 < end && bytes[at] === colon && bytes[at + 1] === colon) {
      gap = 0;
      at += 2;
    }
    while (groups < 8 && at < end && (hexDigit[bytes[at] as number] as number) >= 0) {
      let group = 0;
      const from = at;
      while (at < end && at - from < 5) {
        const digit = hexDigit[bytes[at] as number] as number;
        if (digit < 0) break;
        group = group * 16 + digit;
        at++;
      }
      if (at - from > 4) return false;
      put(ip6, groups, group);
      groups++;
      if (groups === 8 || at >= end || bytes[at] !== colon) break;
      at++;
      if (at < end && bytes[at] === colon) {
        if (gap >= 0) return false;
        gap = groups;
        at++;
      } else if (at >= end || (hexDigit[bytes[at] as number] as number) < 0) {
        return false;
      }
    }
    this.at = at;
    if (gap < 0) return groups === 8;
    if (groups === 8) return false;
    shiftUp(ip6, gap, groups);
    return true;
  }
}

/**
 * Digits up to a blank or the end, as the kernel prints them: the number times 16, and how many digits it has; 0 where
 * there is no such number, or a longer one. One value instead of two: this is called for most words of a line.
 */
export function shortNumber(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  let number = 0;
  while (at < end) {
    const digit = (bytes[at] as number) - zero;
    if (digit < 0 || digit > 9) break;
    number = (Math.imul(number, 10) + digit) | 0;
    at++;
  }
  const length = at - from;
  if (length === 0 || length > 7 || (at < end && bytes[at] !== blank)) return 0;
  return bytes[from] === zero && length > 1 ? 0 : (number << 4) | length;
}

/** Up to three digits, packed as in `shortNumber`; what stands behind them must be looked at by the caller. */
function shortOctet(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  let octet = 0;
  while (at < end && at < from + 4) {
    const digit = (bytes[at] as number) - zero;
    if (digit < 0 || digit > 9) break;
    octet = (Math.imul(octet, 10) + digit) | 0;
    at++;
  }
  const length = at - from;
  if (length === 0 || length > 3 || octet > 255) return 0;
  return bytes[from] === zero && length > 1 ? 0 : (octet << 4) | length;
}

/** The same for hex digits, with `0x` in front or not. */
export function shortHex(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  if (at + 1 < end && bytes[at] === zero && bytes[at + 1] === letterX) at += 2;
  const first = at;
  let number = 0;
  while (at < end) {
    const digit = hexDigit[bytes[at] as number] as number;
    if (digit < 0) break;
    number = (number << 4) | digit;
    at++;
  }
  if (at === first || at - first > 5 || (at < end && bytes[at] !== blank)) return 0;
  return (number << 4) | (at - from);
}

/** Six pairs of digits with colons between them, or `unread`. */
export function macAt(bytes: Uint8Array, at: number, end: number): number {
  if (at + 17 > end) return unread;
  let mac = 0;
  for (let octet = at; octet < at + 18; octet += 3) {
    const pair = hexPair(bytes, octet);
    if (pair < 0 || (octet < at + 15 && bytes[octet + 2] !== colon)) return unread;
    mac = mac * 256 + pair;
  }
  return mac;
}

/** Four bytes as one number; the end of the line counts as blanks. */
export function headAt(bytes: Uint8Array, at: number, end: number): number {
  if (at + 4 <= end) {
    return (
      ((bytes[at] as number) << 24) |
      ((bytes[at + 1] as number) << 16) |
      ((bytes[at + 2] as number) << 8) |
      (bytes[at + 3] as number)
    );
  }
  let head = 0;
  for (let index = at; index < at + 4; index++) head = (head << 8) | (index < end ? (bytes[index] as number) : blank);
  return head;
}

/** Four digits, or less than zero. */
function groupAt(bytes: Uint8Array, at: number): number {
  return (hexPair(bytes, at) << 8) | hexPair(bytes, at + 2);
}

export function hexPair(bytes: Uint8Array, at: number): number {
  return ((hexDigit[bytes[at] as number] as number) << 4) | (hexDigit[bytes[at + 1] as number] as number);
}

function put(ip6: Uint32Array, group: number, value: number): void {
  const word = group >> 1;
  const shift = group & 1 ? 0 : 16;
  ip6[word] = ((ip6[word] as number) & ~(0xffff << shift)) | (value << shift);
}

function groupOf(ip6: Uint32Array, group: number): number {
  return ((ip6[group >> 1] as number) >>> (group & 1 ? 0 : 16)) & 0xffff;
}

/** The groups behind the gap go to the end. */
function shiftUp(ip6: Uint32Array, gap: number, groups: number): void {
  for (let back = 1; back <= 8 - gap; back++) {
    const from = groups - back;
    put(ip6, 8 - back, from >= gap ? groupOf(ip6, from) : 0);
  }
}

/** The text stands here, before `end`. */
export function startsWith(bytes: Uint8Array, at: number, end: number, text: string): boolean {
  if (at + text.length > end) return false;
  for (let index = 0; index < text.length; index++) if (bytes[at + index] !== text.charCodeAt(index)) return false;
  return true;
}
