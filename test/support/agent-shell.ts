// A script in a guest, by QEMU's guest agent: whoever asks it brings the way to the agent.
// Source: https://www.qemu.org/docs/master/interop/qemu-ga-ref.html, guest-exec
import { setTimeout as pause } from 'node:timers/promises';
import type { Ran } from './namespace.ts';

export type Answer = Readonly<Record<string, unknown>>;

/** One question to an agent; undefined when it does not answer. */
export type Ask = (command: object) => Promise<Answer | undefined>;

/** @throws Error when nobody answers, or the script does not end within `seconds` */
export async function runByAgent(ask: Ask, script: string, seconds = 180): Promise<Ran> {
  const started = await ask({
    execute: 'guest-exec',
    arguments: { path: '/bin/sh', arg: ['-c', script], 'capture-output': true },
  });
  if (started === undefined) throw new Error(`${script}: the agent does not answer`);
  for (const deadline = Date.now() + seconds * 1000; Date.now() < deadline; await pause(300)) {
    const ended = await ask({ execute: 'guest-exec-status', arguments: { pid: started.pid } });
    if (ended?.exited !== true) continue;
    const text = (key: string) => Buffer.from(String(ended[key] ?? ''), 'base64').toString('utf8');
    return { code: Number(ended.exitcode ?? 255), stdout: text('out-data'), stderr: text('err-data') };
  }
  throw new Error(`${script}: it did not end`);
}
