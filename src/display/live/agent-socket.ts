// The guest agent of a QEMU that no libvirt runs, by the socket of its channel. One question a connection, and a number that the
// agent has to repeat first: an answer to an earlier, abandoned question is never taken for the one to ours.
// Source: https://www.qemu.org/docs/master/interop/qemu-ga-ref.html, guest-sync-delimited
import { randomInt } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { HostError } from '../../model/host-error.ts';

const mostAnswer = 16 << 20;
/** In front of a repeated number; it occurs in no text. */
const delimiter = 0xff;
/** What is said before the agent has noticed that somebody is there is lost. */
const againMs = 1_500;

/** @throws HostError 'agent' when nobody answers in time, or with the agent's own words */
export async function askAgentSocket(path: string, command: object, seconds: number): Promise<unknown> {
  const socket = connect(path);
  const timer = setTimeout(() => socket.destroy(new Error('it took too long')), seconds * 1000);
  const lines = linesOf(socket);
  try {
    await inSync(socket, lines);
    socket.write(lineOf(command));
    const { return: value, error } = JSON.parse(await lines.next()) as Answer;
    if (error === undefined) return value;
    throw new HostError('agent', `the guest agent refused: ${String(error.desc)}`);
  } catch (cause) {
    if (cause instanceof HostError) throw cause;
    throw new HostError('agent', `the guest agent does not answer: ${(cause as Error).message}`, cause);
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}

type Answer = { readonly return?: unknown; readonly error?: { readonly desc?: unknown } };

function lineOf(message: object): Buffer {
  return Buffer.from(`${JSON.stringify(message)}\n`);
}

/** Until the number of the last question comes back, behind which only our own answers come. */
async function inSync(socket: Socket, lines: Lines): Promise<void> {
  let id = 0;
  const ask = (): void => {
    id = randomInt(1, 2 ** 31);
    const question = lineOf({ execute: 'guest-sync-delimited', arguments: { id } });
    socket.write(Buffer.concat([Buffer.of(delimiter), question]));
  };
  ask();
  const again = setInterval(ask, againMs);
  try {
    for (;;) {
      const line = await lines.next();
      if (line.startsWith(String.fromCharCode(delimiter)) && (JSON.parse(line.slice(1)) as Answer).return === id)
        return;
    }
  } finally {
    clearInterval(again);
  }
}

type Lines = { readonly next: () => Promise<string> };

/** In Latin-1, which keeps the delimiter; the agent escapes what is not ASCII. */
function linesOf(socket: Socket): Lines {
  const held: string[] = [];
  let rest = '';
  let fault: Error | undefined;
  let wake = (): void => undefined;
  const end = (why: Error): void => {
    fault ??= why;
    wake();
  };
  socket.setEncoding('latin1');
  socket.on('error', end);
  socket.on('close', () => end(new Error('it closed its channel')));
  socket.on('data', (text: string) => {
    const parts = (rest + text).split('\n');
    rest = parts.pop() ?? '';
    held.push(...parts);
    if (rest.length > mostAnswer) socket.destroy(new Error('it answers without an end'));
    wake();
  });
  const next = async (): Promise<string> => {
    while (held.length === 0 && fault === undefined) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    const line = held.shift();
    if (line !== undefined) return line;
    throw fault ?? new Error('it closed its channel');
  };
  return { next };
}
