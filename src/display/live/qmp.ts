// One connection to QEMU's own monitor, for guests that no libvirt runs. Lines of JSON; events between the answers are left
// out, and an answer belongs to the question with its id, never to an earlier one.
// Source: https://www.qemu.org/docs/master/interop/qmp-spec.html
import { connect, type Socket } from 'node:net';
import { HostError } from '../../model/host-error.ts';

const mostLine = 16 * 1024 * 1024;

export class Qmp {
  readonly #socket: Socket;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #rest = '';
  #last = 0;
  #fault: HostError | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => this.#take(text));
    socket.on('error', (cause) => this.#end(`QEMU's monitor: ${cause.message}`, cause));
    socket.on('close', () => this.#end("QEMU's monitor was closed"));
  }

  /** @throws HostError 'qmp' when nobody answers there */
  static async open(path: string): Promise<Qmp> {
    const qmp = new Qmp(connect(path));
    await qmp.ask('qmp_capabilities');
    return qmp;
  }

  /** @throws HostError 'qmp' with QEMU's own words, or after `seconds` without an answer */
  async ask(command: string, args: Readonly<Record<string, unknown>> = {}, seconds = 30): Promise<unknown> {
    if (this.#fault !== undefined) throw this.#fault;
    const id = ++this.#last;
    const answer = Promise.withResolvers<unknown>();
    this.#waiting.set(id, answer);
    this.#socket.write(`${JSON.stringify({ execute: command, arguments: args, id })}\n`);
    const timer = setTimeout(
      () => answer.reject(new HostError('qmp', `QEMU did not answer ${command} within ${seconds} s`)),
      seconds * 1000,
    );
    try {
      return await answer.promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(id);
    }
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    if (this.#rest.length > mostLine) this.#end('QEMU sends a line without an end');
    for (const line of lines) this.#takeLine(line);
  }

  #takeLine(line: string): void {
    const message = parsed(line);
    const answer = typeof message?.id === 'number' ? this.#waiting.get(message.id) : undefined;
    if (message?.error === undefined) answer?.resolve(message?.return);
    else answer?.reject(new HostError('qmp', `QEMU refused: ${message.error.desc ?? 'without a reason'}`));
  }

  #end(message: string, cause?: unknown): void {
    this.#fault ??= new HostError('qmp', message, cause);
    for (const answer of this.#waiting.values()) answer.reject(this.#fault);
    this.#socket.destroy();
  }
}

type Message = { readonly id?: unknown; readonly return?: unknown; readonly error?: { readonly desc?: string } };

function parsed(line: string): Message | undefined {
  try {
    return JSON.parse(line) as Message;
  } catch {
    return undefined;
  }
}
