// The head that nearly every line of a kern.log has, by its bytes: `Apr  6 13:19:57 host kernel: [1245761.082097] text`. A
// string of each line would cost more than all the rest of the reading. Any other form is `undefined` here, and read elsewhere.

/** The stamp is microseconds since boot. */
export type SyslogHead = { readonly second: number; readonly from: number; readonly us: number | undefined };

/** `Apr  6 13:19` */
export const minuteLength = 12;

const blank = 0x20;
const bracket = 0x5b;
const closing = 0x5d;
const equals = 0x3d;
const colon = 0x3a;
const dot = 0x2e;
const zero = 0x30;
const tag = Buffer.from('kernel: ', 'latin1');
const hostFrom = 16;
/** With a host name of one letter. */
const leastLength = 26;
const longestHost = 255;
const mostSecondDigits = 10;

/** Of the line that stands from `start` on and before `end`; `from` counts from the beginning of the bytes. */
export function readSyslogHead(bytes: Uint8Array, start: number, end: number): SyslogHead | undefined {
  if (end - start < leastLength || bytes[start + 3] !== blank || bytes[start + 6] !== blank) return undefined;
  if (bytes[start + 9] !== colon || bytes[start + 12] !== colon || bytes[start + 15] !== blank) return undefined;
  const second = twoDigits(bytes, start + 13);
  const hostTo = hostEnd(bytes, start + hostFrom, end);
  if (second > 60 || hostTo < 0 || hostTo + 1 + tag.length > end || !standsAt(bytes, hostTo + 1, tag)) return undefined;
  const at = hostTo + 1 + tag.length;
  if (at >= end || bytes[at] !== bracket) return { second, from: at, us: undefined };
  return withStamp(bytes, at, end, second);
}

/** A word that is no tag and cannot be the beginning of the kernel's text, where a host name is missing; or -1. */
function hostEnd(bytes: Uint8Array, from: number, end: number): number {
  if (bytes[from] === bracket) return -1;
  let at = from;
  for (; bytes[at] !== blank; at++) {
    if (at >= end || at > from + longestHost || bytes[at] === equals) return -1;
  }
  return at === from || bytes[at - 1] === colon ? -1 : at;
}

/** `at`: the bracket. A prefix may begin with one too; that, and a thread behind the stamp, are for others to read. */
function withStamp(bytes: Uint8Array, bracketAt: number, end: number, second: number): SyslogHead | undefined {
  let at = bracketAt + 1;
  while (bytes[at] === blank) at++;
  const first = at;
  let seconds = 0;
  for (let digit = digitAt(bytes, at); digit >= 0; digit = digitAt(bytes, ++at)) seconds = seconds * 10 + digit;
  if (at === first || at - first > mostSecondDigits || bytes[at] !== dot) return undefined;
  let micros = 0;
  const microsTo = at + 7;
  for (at++; at < microsTo; at++) {
    const digit = digitAt(bytes, at);
    if (digit < 0) return undefined;
    micros = micros * 10 + digit;
  }
  if (at + 1 >= end || bytes[at] !== closing || bytes[at + 1] === bracket) return undefined;
  return { second, from: bytes[at + 1] === blank ? at + 2 : at + 1, us: seconds * 1_000_000 + micros };
}

function digitAt(line: Uint8Array, at: number): number {
  const digit = (line[at] ?? 0) - zero;
  return digit >= 0 && digit <= 9 ? digit : -1;
}

/** 100 and more for what is no number. */
function twoDigits(line: Uint8Array, at: number): number {
  const tens = digitAt(line, at);
  const ones = digitAt(line, at + 1);
  return tens < 0 || ones < 0 ? 100 : tens * 10 + ones;
}

function standsAt(line: Uint8Array, at: number, text: Uint8Array): boolean {
  for (let index = 0; index < text.length; index++) if (line[at + index] !== text[index]) return false;
  return true;
}
