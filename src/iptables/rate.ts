// The rates of `-m limit`: the kernel keeps the time between two packets in ten-thousandths of a second, rounded down
// (XT_LIMIT_SCALE), so not every rate is what it says, and several ways to say one are listed alike.
import type { LimitMatch } from '../model/match.ts';

type Rate = Pick<LimitMatch, 'packets' | 'per'>;

const scale = 10_000;

// from long to short, as libxt_limit goes
const units = [
  { per: 'day', ticks: scale * 86_400 },
  { per: 'hour', ticks: scale * 3_600 },
  { per: 'minute', ticks: scale * 60 },
  { per: 'second', ticks: scale },
] as const;

export const unitNames = { second: 'sec', minute: 'min', hour: 'hour', day: 'day' } as const;

/** The time between two packets, in ten-thousandths of a second. */
export function periodOf({ packets, per }: Rate): number {
  const unit = units.find((one) => one.per === per);
  return Math.floor((unit?.ticks ?? 0) / packets);
}

/** The rate as iptables-save says it (libxt_limit.c, print_rate). */
export function listedRate(rate: Rate): Rate {
  const period = periodOf(rate);
  const stop = units.findIndex(
    ({ ticks }, index) => index > 0 && (period > ticks || Math.floor(ticks / period) < ticks % period),
  );
  const unit = units.at(stop === -1 ? -1 : stop - 1);
  return unit === undefined || period === 0 ? rate : { packets: Math.floor(unit.ticks / period), per: unit.per };
}
