// Month, day and time without a year -> milliseconds. Syslog's old format leaves the year and the zone out (RFC 3164);
// the order of the lines and the date of the file give the year, this machine's zone or a given one the rest.

const day = 86_400_000;
const hour = 3_600_000;
/** From one 29 February to the next there are up to eight years (1896 to 1904). */
const yearsBack = 9;

export type LocalTime = {
  /** 0 is January. */
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
};

export type Bounds = {
  /** The line before; lines of one file stand in order, but for a clock that was set. */
  readonly previous?: number;
  /** When the file was last written; never place a line more than a day later. */
  readonly notAfter: number;
  /** Minutes east of Greenwich, where it is not this machine's own zone. */
  readonly zone?: number;
};

/** `undefined` for a day that does not exist. */
export function timeWithoutYear(time: LocalTime, { previous, notAfter, zone }: Bounds): number | undefined {
  const last = new Date(notAfter).getUTCFullYear() + 1;
  const found = Array.from({ length: yearsBack + 1 }, (_, back) => inYear(last - back, time, zone)).filter(
    (ms) => ms !== undefined && ms <= notAfter + day,
  ) as readonly number[];
  // newest first: the oldest that is not before the line before
  const after = previous === undefined ? undefined : found.findLast((ms) => ms >= previous - day);
  const ms = after ?? found[0];
  return ms === undefined || previous === undefined || zone !== undefined ? ms : secondTime(ms, previous);
}

function inYear(year: number, { month, day, hour, minute }: LocalTime, zone: number | undefined): number | undefined {
  if (zone !== undefined) {
    const utc = new Date(Date.UTC(year, month, day, hour, minute));
    return utc.getUTCMonth() === month && utc.getUTCDate() === day ? utc.getTime() - zone * 60_000 : undefined;
  }
  const date = new Date(year, month, day, hour, minute);
  return date.getMonth() === month && date.getDate() === day ? date.getTime() : undefined;
}

/** In autumn an hour comes twice; the order tells which one it is. */
function secondTime(ms: number, previous: number): number {
  if (ms > previous - hour / 2) return ms;
  const later = new Date(ms + hour);
  const first = new Date(ms);
  return later.getHours() === first.getHours() && later.getMinutes() === first.getMinutes() ? ms + hour : ms;
}
