// `60s`, `2m`, `90`: a time to wait.
import { InvalidArgumentError } from 'commander';

const units: Readonly<Record<string, number>> = { '': 1, s: 1, m: 60, h: 3600 };
const most = 24 * 3600;

/** Seconds, a day at most. @throws InvalidArgumentError, which becomes a message and exit code 2 */
export function seconds(text: string): number {
  const [, number, unit = ''] = /^(\d{1,6}(?:\.\d{1,3})?)([smh]?)$/.exec(text) ?? [];
  const time = Number(number) * (units[unit] ?? 0);
  if (number === undefined || time <= 0 || time > most) {
    throw new InvalidArgumentError('a time is wanted, as 60s or 5m, and a day at most');
  }
  return time;
}
