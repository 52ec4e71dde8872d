// The process that does one errand for the daemon, and ends. It says which programs it starts, since what they change in the
// kernel is the daemon's doing.
import { LoadRefused } from '../apply/live/load-refused.ts';
import { local } from '../machine/access.ts';
import { HostError } from '../model/host-error.ts';
import type { Asked, Told } from './aside.ts';
import { work } from './aside-work.ts';
import { OwnProcesses } from './own-processes.ts';

/** Whoever ends the daemon lets it finish what it has begun, and this is a part of it. */
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined);
// it goes on without the daemon, too
process.on('error', () => undefined);

process.once('message', async ({ errand, state, command, question }: Asked) => {
  const processes = new OwnProcesses((pid, isOver) => tell({ kind: isOver ? 'ended' : 'started', pid }));
  const site = { access: processes.remembering(local), state, command };
  try {
    const act = work[errand] as (place: typeof site, question: unknown) => Promise<unknown>;
    await tell({ kind: 'answer', answer: await act(site, question) });
  } catch (error) {
    await tell(complaint(error));
  }
  if (process.connected) process.disconnect();
});

/** What is sent is not told before it is written: a large answer takes its time. */
function tell(told: Told): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) resolve();
    else process.send(told, undefined, undefined, () => resolve());
  });
}

function complaint(error: unknown): Told {
  if (error instanceof LoadRefused) return { kind: 'refused', refusal: error.refusal };
  if (error instanceof HostError) return { kind: 'trouble', code: error.code, message: error.message };
  return { kind: 'fault', message: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}
