// The kernel's stamps count microseconds from boot; this turns them into wall time and keeps that true while the clocks
// drift apart, are set, or stand still in a suspended machine.
import { readFileSync } from 'node:fs';

export class BootClock {
  /** Wall milliseconds of the kernel's stamp 0. */
  #base: number;
  /** How much later the other machine's clock is than ours. */
  readonly #ahead: number;

  /** The kernel stamps by local_clock(), which is near to CLOCK_MONOTONIC at first and drifts. */
  constructor(base: number = Date.now() - Number(process.hrtime.bigint() / 1000n) / 1000, ahead = 0) {
    this.#base = base;
    this.#ahead = ahead;
  }

  now(): number {
    return Date.now() + this.#ahead;
  }

  wallOf(us: number): number {
    return Math.round(this.#base + us / 1000);
  }

  /** A record that came between two looks at the ring was stamped between them. */
  learn(us: number, earliest: number, latest: number): void {
    this.#base = Math.min(Math.max(this.#base, earliest - us / 1000), latest - us / 1000);
  }
}

/** Names the boot, without dashes as the journal writes it; undefined where /proc does not tell. */
export function bootId(): string | undefined {
  try {
    return plainBootId(readFileSync('/proc/sys/kernel/random/boot_id', 'latin1'));
  } catch {
    return undefined;
  }
}

export function plainBootId(text: string): string | undefined {
  const id = text.trim().replaceAll('-', '').toLowerCase();
  return /^[0-9a-f]{32}$/.test(id) ? id : undefined;
}
