// `--since` and `--until` -> milliseconds since 1970: `2h`, `30m`, `7d`, `today`, `yesterday`, a date, a date and a time.
import { HostError } from '../model/host-error.ts';

const units: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/** @throws HostError 'usage' */
export function parseSince(text: string, now: number): number {
  const ago = /^(\d{1,6})([smhdw])$/.exec(text);
  if (ago !== null) return now - Number(ago[1]) * (units[ago[2] ?? ''] ?? 0);
  if (text === 'now') return now;
  if (text === 'today' || text === 'yesterday') {
    const midnight = new Date(now);
    midnight.setHours(0, 0, 0, 0);
    if (text === 'yesterday') midnight.setDate(midnight.getDate() - 1);
    return midnight.getTime();
  }
  const date = /^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(?:Z|[+-]\d\d:\d\d)?)?$/.test(text);
  // a date alone would be taken for midnight in Greenwich
  const ms = date ? Date.parse(text.length === 10 ? `${text}T00:00` : text.replace(' ', 'T')) : Number.NaN;
  if (!Number.isNaN(ms)) return ms;
  throw new HostError(
    'usage',
    `'${text}' is no time: 30m, 2h, 7d, today, yesterday, 2026-03-17 or 2026-03-17T13:21:53`,
  );
}
