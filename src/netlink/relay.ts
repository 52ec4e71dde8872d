// Speaks to nf_tables by way of a small script (relay-script.ts): has it change rules and elements, and hears who changed what. It
// knows neither how the script is started nor who starts it again. The same script carries questions about devices.
import { HostError } from '../model/host-error.ts';
import { LinkQuestions } from './link-questions.ts';
import { concatenated, decodeMessages, errorType, isLittleEndian, type Message } from './message.ts';
import { type Notice, Notices } from './notices.ts';
import { inputPiece, pieceKind } from './relay-script.ts';
import { type Batch, encodeTransaction, type TableChange } from './transaction.ts';

export type RelayEars = {
  /** From now on everything is heard; what was before was not. */
  readonly ready: () => void;
  readonly heard: (notice: Notice) => void;
  /** The kernel had more to tell than was read in time. */
  readonly lost: () => void;
};

/** To the script. */
export type RelayLine = {
  /** To its standard input. */
  readonly write: (octets: Uint8Array) => void;
  /** Whatever it is doing. */
  readonly kill: () => void;
};

type Ending = 'committed' | 'refused' | { readonly unknown: string };

type Waiting = Pick<Batch, 'first' | 'last'> & { readonly done: (ending: Ending) => void };

const pieceHeader = 5;
const longestMs = 10_000;
/** A socket does not take more at once (net.core.wmem_default). */
const mostOctets = 100_000;

export class Relay {
  readonly links = new LinkQuestions();
  readonly #ears: RelayEars;
  readonly #notices = new Notices();
  #line: RelayLine | undefined;
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

  /** Undefined when it has ended. */
  attach(line: RelayLine | undefined): void {
    this.#line = line;
    this.links.attach(line?.write);
    this.#rest = new Uint8Array(0);
    if (line !== undefined) {
      // one that ran before says nothing of this one
      this.#state = 'new';
      return;
    }
    if (this.#state === 'new') this.#state = 'impossible';
    this.#giveUp('the relay to nf_tables ended');
  }

  /**
   * In one transaction; comes when it is committed.
   * @returns false, and nothing was done, when nobody is there to carry it, it is too much for one datagram, only nft can say it, or
   * the kernel refuses it: nft says why
   * @throws HostError 'tool-failed' when it is not known what became of it
   */
  async change(changes: readonly TableChange[]): Promise<boolean> {
    const batch = encodeTransaction(changes, this.#sequence);
    const line = this.#line;
    if (line === undefined || this.#state !== 'ready' || batch === undefined) return false;
    if (batch.isEmpty) return true;
    if (batch.octets.length > mostOctets) return false;
    this.#sequence = batch.last + 2;
    const ending = await new Promise<Ending>((resolve) => {
      const timer = setTimeout(() => this.#silent(line), longestMs);
      const waiting: Waiting = {
        ...batch,
        done: (what) => {
          clearTimeout(timer);
          this.#waiting.delete(waiting);
          resolve(what);
        },
      };
      this.#waiting.add(waiting);
      line.write(inputPiece('nfTables', batch.octets));
    });
    if (typeof ending === 'string') return ending === 'committed';
    throw new HostError('tool-failed', `nf_tables did not take a change of ${changes[0]?.table}: ${ending.unknown}`);
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
    if (kind === pieceKind.ready) this.#ready();
    else if (kind === pieceKind.answer) for (const message of decodeMessages(octets)) this.#answer(message);
    else if (kind === pieceKind.notice) this.#tell(octets);
    else if (kind === pieceKind.refused) this.#notSent(String.fromCharCode(...octets));
    else if (kind === pieceKind.lost) this.#giveUp('its answer was lost');
    else if (kind === pieceKind.noticesLost) this.#ears.lost();
    else this.links.hear(kind, octets);
  }

  #ready(): void {
    this.#state = 'ready';
    this.#ears.ready();
  }

  #tell(octets: Uint8Array): void {
    for (const notice of this.#notices.heard(octets)) this.#ears.heard(notice);
  }

  #answer({ type, sequence, body }: Message): void {
    if (type !== errorType || body.length < 4) return;
    const error = new DataView(body.buffer, body.byteOffset).getInt32(0, isLittleEndian);
    for (const waiting of this.#waiting) {
      if (sequence < waiting.first || sequence > waiting.last) continue;
      // errors come before what says that the last one was understood
      if (error !== 0) waiting.done('refused');
      else if (sequence === waiting.last) waiting.done('committed');
    }
  }

  /** The kernel never got it; of several it is not known which. */
  #notSent(words: string): void {
    const [waiting, ...more] = this.#waiting;
    if (more.length === 0) waiting?.done('refused');
    else this.#giveUp(words);
  }

  /** What it still has of us must not be done later, when something else was done instead. */
  #silent(line: RelayLine): void {
    line.kill();
    if (line === this.#line) this.attach(undefined);
    this.#giveUp('no answer');
  }

  #giveUp(words: string): void {
    for (const waiting of this.#waiting) waiting.done({ unknown: words });
  }
}
