// What a syslog daemon, journalctl or dmesg puts before the kernel's text -> when it was, and where the text begins.
// Two forms fill log files and are read by their bytes; the rest are forms of saved texts.
import { type LocalTime, timeWithoutYear } from './calendar.ts';
import { readDmesgHead } from './dmesg-head.ts';
import { minuteLength, readSyslogHead } from './syslog-head.ts';

export type LineHead = {
  /** Where the kernel's text begins. */
  readonly from: number;
  readonly wall?: number;
  readonly wallSpan?: number;
  readonly us?: number;
  readonly sequence?: number;
  readonly facility?: number;
  /** The line says that it is the kernel's; anyone can write that. */
  readonly kernel: boolean;
};

export type HeadBounds = { readonly notAfter: () => number; readonly zone?: number };

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const blank = 0x20;
/** The longest head: ISO time, a host name of 255 characters, tag, stamp. */
const headRoom = 360;

export class LineHeads {
  readonly #bounds: HeadBounds;
  #previous: number | undefined;
  /** The minute of the line before: most lines stand in the same. */
  #minuteText = '';
  readonly #minuteBytes = Buffer.alloc(minuteLength);
  #minute: number | undefined;

  constructor(bounds: HeadBounds) {
    this.#bounds = bounds;
  }

  /** Of the last line that had one. */
  get previous(): number | undefined {
    return this.#previous;
  }

  read(line: Buffer): LineHead {
    return this.#usual(line) ?? this.#readText(line);
  }

  /** What fills log files. */
  #usual(line: Buffer): LineHead | undefined {
    const head = readSyslogHead(line, 0, line.length);
    const minute = head === undefined ? undefined : this.#minuteIn(line);
    if (head === undefined || minute === undefined) return undefined;
    const { second, from, us } = head;
    const wall = minute + second * 1000;
    this.#previous = wall;
    return us === undefined
      ? { wall, wallSpan: 999, from, kernel: true }
      : { wall, wallSpan: 999, from, us, kernel: true };
  }

  #minuteIn(line: Buffer): number | undefined {
    for (let at = 0; at < minuteLength; at++) {
      if (line[at] === this.#minuteBytes[at]) continue;
      line.copy(this.#minuteBytes, 0, 0, minuteLength);
      return this.#minuteOf(line.toString('latin1', 0, minuteLength));
    }
    return this.#minute;
  }

  #readText(line: Buffer): LineHead {
    const text = line.toString('latin1', 0, Math.min(line.length, headRoom));
    const head = this.#rfc3164(text) ?? this.#iso(text) ?? this.#rare(text) ?? { from: 0, kernel: false };
    if (head.wall !== undefined) this.#previous = head.wall;
    return head;
  }

  /** `Apr  6 13:19:57 host kernel: [1245761.082097] text`; journalctl's short-precise adds a fraction. */
  #rfc3164(text: string): LineHead | undefined {
    if (text.charCodeAt(3) !== blank || text.charCodeAt(6) !== blank || text[9] !== ':' || text[12] !== ':')
      return undefined;
    const minute = this.#minuteOf(text.slice(0, minuteLength));
    const second = Number(text.slice(13, 15));
    if (minute === undefined || !(second <= 60)) return undefined;
    const fraction = text[15] === '.' ? /^\.(\d{1,9})/.exec(text.slice(15, 26))?.[1] : undefined;
    const at = 15 + (fraction === undefined ? 0 : fraction.length + 1);
    if (text.charCodeAt(at) !== blank) return undefined;
    const wall = minute + second * 1000 + millisOf(fraction);
    return { wall, ...(fraction === undefined && { wallSpan: 999 }), ...afterTime(text, at + 1) };
  }

  #minuteOf(text: string): number | undefined {
    if (text !== this.#minuteText) {
      this.#minuteText = text;
      this.#minuteBytes.write(text, 'latin1');
      const time = localTime(text);
      const notAfter = this.#bounds.notAfter();
      const { zone } = this.#bounds;
      const previous = this.#previous;
      this.#minute =
        time &&
        timeWithoutYear(time, {
          notAfter,
          ...(previous !== undefined && { previous }),
          ...(zone !== undefined && { zone }),
        });
    }
    return this.#minute;
  }

  /** `2024-04-06T13:19:57.082097+02:00 host kernel: text`, also with `+0200`, `Z`, a blank for the `T`. */
  #iso(text: string): LineHead | undefined {
    if (text[4] !== '-' || text[7] !== '-' || text[13] !== ':') return undefined;
    const match = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?(Z|[+-]\d\d:?\d\d)? /.exec(text);
    if (match === null) return undefined;
    const [all, date, time, fraction, zone = ''] = match;
    const wall = Date.parse(`${date}T${time}${zone.replace(/(\d\d)(\d\d)$/, '$1:$2')}`) + millisOf(fraction);
    if (Number.isNaN(wall)) return undefined;
    // dmesg's own form is the one with a comma, and has no host: what comes next is the kernel's text
    if (/T.{8},\d{6}[+-]/.test(all)) return { wall, from: all.length, kernel: true };
    return { wall, ...(fraction === undefined && { wallSpan: 999 }), ...afterTime(text, all.length) };
  }

  #rare(text: string): LineHead | undefined {
    return (
      kmsgForm(text) ?? readDmesgHead(text, (minute) => this.#minuteOf(minute)) ?? unixForm(text) ?? fullForm(text)
    );
  }
}

function localTime(text: string): LocalTime | undefined {
  const month = months.indexOf(text.slice(0, 3));
  const match = /^[ \d]\d \d\d:\d\d$/.exec(text.slice(4));
  if (month < 0 || match === null) return undefined;
  const [day, hour, minute] = [text.slice(4, 6), text.slice(7, 9), text.slice(10, 12)].map(Number);
  if (day === undefined || hour === undefined || minute === undefined || hour > 23 || minute > 59) return undefined;
  return { month, day, hour, minute };
}

function millisOf(fraction: string | undefined): number {
  return fraction === undefined ? 0 : Number(fraction.padEnd(3, '0').slice(0, 3));
}

/** Then come the host and the tag; either may be missing. */
function afterTime(text: string, at: number): Pick<LineHead, 'from' | 'kernel' | 'us'> {
  const direct = tagEnd(text, at);
  const afterHost = direct === undefined ? text.indexOf(' ', at) + 1 : at;
  if (afterHost === 0 || beginsText.test(text.slice(at, at + 24))) return { from: at, kernel: false };
  const tag = direct ?? tagEnd(text, afterHost);
  return tag === undefined ? { from: afterHost, kernel: false } : { kernel: true, ...afterTag(text, tag) };
}

/** No host name: the text follows the time at once. */
const beginsText = /^(?:\[|RULE \d|\S*IN=|last message repeated |message repeated )/;

function tagEnd(text: string, at: number): number | undefined {
  if (text.startsWith('kernel: ', at)) return at + 8;
  if (text.startsWith('kernel:', at)) return at + 7;
  return undefined;
}

/** imklog keeps the kernel's stamp. A prefix may begin with a bracket too, but not with a number of this form. */
function afterTag(text: string, at: number): Pick<LineHead, 'from' | 'us'> {
  if (text[at] !== '[') return { from: at };
  const match = /^\[ *(\d{1,10})\.(\d{6})\](?:\[ *[TC]\d+\])? ?/.exec(text.slice(at, at + 64));
  if (match === null) return { from: at };
  return { from: at + match[0].length, us: Number(match[1]) * 1_000_000 + Number(match[2]) };
}

/** What `cat /dev/kmsg` prints. */
function kmsgForm(text: string): LineHead | undefined {
  const match = /^(\d{1,4}),(\d{1,16}),(\d{1,16}),[^;]{0,64};/.exec(text);
  if (match === null) return undefined;
  const [all, priority, sequence, us] = match;
  const facility = Number(priority) >> 3;
  return { from: all.length, us: Number(us), sequence: Number(sequence), facility, kernel: facility === 0 };
}

/** journalctl's short-unix. */
function unixForm(text: string): LineHead | undefined {
  const match = /^(\d{9,10})\.(\d{6}) /.exec(text);
  if (match === null) return undefined;
  return { wall: Number(match[1]) * 1000 + millisOf(match[2]), ...afterTime(text, match[0].length) };
}

/** journalctl's short-full: `Sun 2024-03-17 13:21:53 CET host kernel: text`; the zone is taken for ours. */
function fullForm(text: string): LineHead | undefined {
  const match = /^[A-Z][a-z]{2} (\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) ([A-Z0-9+-]{1,6}) /.exec(text);
  if (match === null) return undefined;
  const [all, date, time, zone] = match;
  const wall = Date.parse(`${date}T${time}${zone === 'UTC' ? 'Z' : ''}`);
  return Number.isNaN(wall) ? undefined : { wall, wallSpan: 999, ...afterTime(text, all.length) };
}
