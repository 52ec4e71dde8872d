// Tells systemd that we are ready and alive (sd_notify(3)), by its own program: Node has no datagram sockets of that kind.
// The unit has to say NotifyAccess=all, since it is a process of ours that speaks.
import type { Access } from '../machine/access.ts';
import { run } from '../machine/run.ts';

export type Readiness = {
  readonly isReady: () => Promise<void>;
  /** May be called as often as one likes. */
  readonly isAlive: () => void;
};

const silent: Readiness = { isReady: async () => undefined, isAlive: () => undefined };

export function readiness(access: Access): Readiness {
  if (!process.env.NOTIFY_SOCKET) return silent;
  // microseconds, and twice as often as it must be
  const everyMs = Number(process.env.WATCHDOG_USEC ?? Number.NaN) / 2_000;
  let last = 0;
  return {
    isReady: async () => {
      await run(access, 'systemd-notify', ['--ready']);
    },
    isAlive: () => {
      if (!(Date.now() - last >= everyMs)) return;
      last = Date.now();
      run(access, 'systemd-notify', ['WATCHDOG=1']).catch(() => undefined);
    },
  };
}
