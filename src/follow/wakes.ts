// Why the host is to be looked at again. Many reasons at once are one look; what comes during a look leads to the next.
import { setTimeout as sleep } from 'node:timers/promises';

export type Reason =
  /** A link, or a port of a bridge. */
  | 'links'
  /** A guest, as the hypervisor says. */
  | 'guests'
  /** Our tables, changed by somebody else, or nobody knows. */
  | 'rules'
  /** A check of our tables has ended. */
  | 'checked'
  /** The table of present devices. */
  | 'presence'
  /** Other tables. */
  | 'others'
  /** A change was applied, confirmed or taken back. */
  | 'state'
  /** The administrator wants everything to be read again. */
  | 'again'
  | 'time';

/** A guest that starts is announced several times: its device, its bridge, its being up. */
const gatherMs = 10;

export class Wakes {
  #reasons = new Set<Reason>();
  #awaited: (() => void) | undefined;

  wake(...reasons: readonly Reason[]): void {
    for (const reason of reasons) this.#reasons.add(reason);
    this.#awaited?.();
  }

  /** What came since the last call; after so many milliseconds time itself is the reason. */
  async next(ms: number, signal: AbortSignal): Promise<ReadonlySet<Reason>> {
    if (this.#reasons.size === 0 && !signal.aborted) await this.#something(ms, signal);
    if (this.#reasons.size > 0) await sleep(gatherMs);
    const reasons = this.#reasons;
    this.#reasons = new Set();
    return reasons.size === 0 ? new Set(['time']) : reasons;
  }

  #something(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        this.#awaited = undefined;
        resolve();
      };
      const timer = setTimeout(end, ms);
      signal.addEventListener('abort', end);
      this.#awaited = end;
    });
  }
}
