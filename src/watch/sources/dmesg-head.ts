// What dmesg puts before the kernel's text in its forms for people -> when it was, and where the text begins (print_record()
// of util-linux' sys-utils/dmesg.c): plain, raw, with decoded words (-x), with times of the wall (-T), relative (-H), deltas.
import type { LineHead } from './line-head.ts';

/** A minute without a year, as `Nov 29 01:06`. */
export type MinuteOf = (text: string) => number | undefined;

type Stamp = Omit<LineHead, 'kernel'>;

const stampForms: readonly ((text: string, minuteOf: MinuteOf) => Stamp | undefined)[] = [
  sinceBoot,
  wallTime,
  relative,
  deltaOnly,
];

export function readDmesgHead(text: string, minuteOf: MinuteOf): LineHead | undefined {
  const decoded = decodedWords(text);
  const raw = /^<(\d{1,4})>/.exec(text);
  const facility = decoded?.facility ?? (raw === null ? undefined : Number(raw[1]) >> 3);
  const from = decoded?.from ?? raw?.[0].length ?? 0;
  const stamp = stampIn(text.slice(from), minuteOf);
  if (stamp === undefined && decoded === undefined) return undefined;
  const after = stamp === undefined ? from : withoutCaller(text, from + stamp.from);
  // what programs write into the ring is not the kernel's, where the form tells
  const kernel = decoded === undefined || decoded.facility === 0;
  return { ...stamp, ...(facility !== undefined && { facility }), from: withoutTag(text, after), kernel };
}

function stampIn(text: string, minuteOf: MinuteOf): Stamp | undefined {
  if (text[0] !== '[') return undefined;
  for (const form of stampForms) {
    const stamp = form(text, minuteOf);
    if (stamp !== undefined) return stamp;
  }
  return undefined;
}

/** Numbers of <sys/syslog.h>, in their order. */
const facilities = 'kern user mail daemon auth syslog lpr news uucp cron authpriv ftp'.split(' ');
const levels = /^(?:emerg|alert|crit|err|warn|notice|info|debug) *$/;

/** `kern  :warn  : `: two words of at least six places each. */
function decodedWords(text: string): { readonly from: number; readonly facility: number } | undefined {
  const match = /^([a-z]{3,8} {0,3}):([a-z]{3,6} {0,3}): /.exec(text);
  if (match === null || !levels.test(match[2] ?? '')) return undefined;
  const facility = facilities.indexOf((match[1] ?? '').trim());
  return facility < 0 ? undefined : { from: match[0].length, facility };
}

/** `[ 1830.195601] `, with `-d` also what has passed since the line before: `[ 1830.195601 <    0.000005>] `. */
function sinceBoot(text: string): Stamp | undefined {
  const match = /^\[ *(\d{1,10})\.(\d{6})(?: < *-?\d{1,10}\.\d{6}>)?\] ?/.exec(text);
  return match === null ? undefined : { from: match[0].length, us: Number(match[1]) * 1_000_000 + Number(match[2]) };
}

/** `-T`: computed by dmesg and wrong after a suspend; no stamp. */
function wallTime(text: string): Stamp | undefined {
  const match = /^\[[A-Z][a-z]{2} ([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4})(?: < *-?\d{1,10}\.\d{6}>)?\] ?/.exec(
    text,
  );
  const wall = match === null ? Number.NaN : Date.parse(match[1] ?? '');
  return match === null || Number.isNaN(wall) ? undefined : { from: match[0].length, wall, wallSpan: 999 };
}

/** Of `-H` only the first line of a minute tells it; the others tell what has passed since a line that need not be here. */
function relative(text: string, minuteOf: MinuteOf): Stamp | undefined {
  const passed = /^\[ {0,2}[+-]\d{1,10}\.\d{6}\] ?/.exec(text);
  if (passed !== null) return { from: passed[0].length };
  const match = /^\[([A-Z][a-z]{2})([ \d]\d) (\d\d:\d\d)\] ?/.exec(text);
  const wall = match === null ? undefined : minuteOf(`${match[1]} ${match[2]} ${match[3]}`);
  return match === null || wall === undefined ? undefined : { from: match[0].length, wall, wallSpan: 59_999 };
}

function deltaOnly(text: string): Stamp | undefined {
  const match = /^\[< *-?\d{1,10}\.\d{6}>\] ?/.exec(text);
  return match === null ? undefined : { from: match[0].length };
}

/**
 * Kernels with PRINTK_CALLER name thread or processor: `[T123]` at once behind the stamp, or filled up with blanks behind a
 * blank. A rule's prefix may look like a short one without blanks there, and stays.
 */
function withoutCaller(text: string, at: number): number {
  const direct = text[at - 1] === ']' ? /^\[ *[TC]\d{1,10}\] ?/ : /^\[(?: {1,14}[TC]\d{1,10}|[TC]\d{5,10})\] ?/;
  return at + (direct.exec(text.slice(at, at + 32))?.[0].length ?? 0);
}

/** journalctl's short-monotonic: host and tag follow. */
function withoutTag(text: string, at: number): number {
  return at + (/^\S{1,255} kernel: ?/.exec(text.slice(at))?.[0].length ?? 0);
}
