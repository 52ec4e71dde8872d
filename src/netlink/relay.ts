// Speaks to nf_tables by way of a small script (relay-script.ts): asks it to change elements of sets, and hears who changed what. It
// knows neither how the script is started nor who starts it again. The same script carries questions about devices.
import { HostError } from '../model/host-error.ts';
import { LinkQuestions } from './link-questions.ts';
import { concatenated, decodeMessages, errorType, isLittleEndian, type Message } from './message.ts';
import { encodeBatch, type Notice, Notices, type SetElements } from './nf-tables.ts';
import { inputPiece, pieceKind } from './relay-script.ts';

export type RelayEars = {
  readonly heard: (notice: Notice) => void;
  /** The kernel had more to tell than was read in time. */
  readonly lost: () => void;
};

type Waiting = {
  /** Those that were not answered yet. */
  readonly sequences: Set<number>;
  readonly done: (failure?: string) => void;
};

const pieceHeader = 5;
const longestMs = 10_000;
/** A socket does not take more at once (net.core.wmem_default). */
const mostOctets = 100_000;

export class Relay {
  readonly links = new LinkQuestions();
  readonly #ears: RelayEars;
  readonly #notices = new Notices();
  #write: ((octets: Uint8Array) => void) | undefined;
  #rest: Uint8Array = new Uint8Array(0);
  #state: 'new' | 'ready' | 'impossible' = 'new';
  #sequence = 1;
  #waiting = new Set<Waiting>();

  constructor(ears: RelayEars) {
    this.#ears = ears;
  }

  /** The script ended before it could say anything: there is no perl here, or not any more, or no such socket. */
  get isImpossible(): boolean {
    return this.#state === 'impossible';
  }

  /** @param write to the script's standard input; undefined when it has ended */
  attach(write: ((octets: Uint8Array) => void) | undefined): void {
    this.#write = write;
    this.links.attach(write);
    this.#rest = new Uint8Array(0);
    if (write !== undefined) {
      // one that ran before says nothing of this one
      this.#state = 'new';
      return;
    }
    if (this.#state === 'new') this.#state = 'impossible';
    this.#giveUp('the relay to nf_tables ended');
  }

  /**
   * In one transaction; comes when it is committed.
   * @returns false, and nothing was done, when nobody is there to carry it or it is too much for one datagram
   * @throws HostError 'tool-failed' when the kernel refuses it, which changes nothing, or when it is not known what became of it
   */
  async change(changes: readonly SetElements[]): Promise<boolean> {
    const batch = encodeBatch(changes, this.#sequence);
    const write = this.#write;
    if (write === undefined || this.#state !== 'ready' || batch.octets.length > mostOctets) return false;
    if (batch.sequences.size === 0) return true;
    this.#sequence += batch.sequences.size + 2;
    const failure = await new Promise<string | undefined>((resolve) => {
      const timer = setTimeout(() => waiting.done('no answer'), longestMs);
      const waiting: Waiting = {
        sequences: new Set(batch.sequences),
        done: (words) => {
          clearTimeout(timer);
          this.#waiting.delete(waiting);
          resolve(words);
        },
      };
      this.#waiting.add(waiting);
      write(inputPiece('nfTables', batch.octets));
    });
    if (failure === undefined) return true;
    throw new HostError('tool-failed', `nf_tables did not take a change of ${changes[0]?.table}: ${failure}`);
  }

  /** What the script printed, in whatever pieces. */
  hear(chunk: Uint8Array): void {
    const octets = this.#rest.length === 0 ? chunk : concatenated([this.#rest, chunk]);
    const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
    let at = 0;
    while (at + pieceHeader <= octets.length) {
      const end = at + pieceHeader + view.getUint32(at + 1, isLittleEndian);
      if (end > octets.length) break;
      this.#piece(octets[at] ?? pieceKind.lost, octets.subarray(at + pieceHeader, end));
      at = end;
    }
    this.#rest = octets.slice(at);
  }

  #piece(kind: number, octets: Uint8Array): void {
    if (kind === pieceKind.ready) this.#state = 'ready';
    else if (kind === pieceKind.answer) for (const message of decodeMessages(octets)) this.#answer(message);
    else if (kind === pieceKind.notice) this.#tell(octets);
    else if (kind === pieceKind.refused) this.#giveUp(String.fromCharCode(...octets));
    else if (kind === pieceKind.lost) this.#lost();
    else this.links.hear(kind, octets);
  }

  #tell(octets: Uint8Array): void {
    for (const notice of this.#notices.heard(octets)) this.#ears.heard(notice);
  }

  #answer({ type, sequence, body }: Message): void {
    if (type !== errorType || body.length < 4) return;
    const error = new DataView(body.buffer, body.byteOffset).getInt32(0, isLittleEndian);
    for (const waiting of this.#waiting) {
      if (error !== 0 && waiting.sequences.has(sequence)) waiting.done(`error ${-error}`);
      else if (waiting.sequences.delete(sequence) && waiting.sequences.size === 0) waiting.done();
    }
  }

  /** An answer may have been among it. */
  #lost(): void {
    this.#giveUp('its answer was lost');
    this.#ears.lost();
  }

  #giveUp(words: string): void {
    for (const waiting of this.#waiting) waiting.done(words);
  }
}
