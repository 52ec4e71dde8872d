// Asks the kernel about devices by way of the relay's script: what it says of taps and bridges. Everything that is not certain is no
// answer: another question, to `ip`, costs only time.
import {
  concatenated,
  decodeMessages,
  doneType,
  errorType,
  isLittleEndian,
  type Message,
  messageFlag,
} from './message.ts';
import { inputPiece, pieceKind } from './relay-script.ts';
import {
  addressType,
  decodeAddress,
  decodeLink,
  encodeAddressQuestion,
  encodeLinkQuestion,
  type KernelLink,
  linkType,
} from './route.ts';

/** With its addresses: of others than link-local ones nothing is said. */
export type AnsweredLink = KernelLink & { readonly addresses: readonly string[] };

type Waiting = {
  readonly answers: ReadonlyMap<number, Message[]>;
  /** Those that were not answered yet. */
  readonly left: Set<number>;
  readonly done: (isAnswered: boolean) => void;
};

type Question = (sequence: number) => Uint8Array;

const longestMs = 1_000;
const noDevice = -19;

export class LinkQuestions {
  #write: ((octets: Uint8Array) => void) | undefined;
  #isReady = false;
  #sequence = 1;
  readonly #waiting = new Set<Waiting>();

  /** @param write to the script's standard input; undefined when it has ended */
  attach(write: ((octets: Uint8Array) => void) | undefined): void {
    this.#write = write;
    this.#isReady = false;
    this.#giveUp();
  }

  /** A piece of what the script printed. */
  hear(kind: number, octets: Uint8Array): void {
    if (kind === pieceKind.linksReady) this.#isReady = true;
    else if (kind === pieceKind.links) for (const message of decodeMessages(octets)) this.#answer(message);
    else this.#giveUp();
  }

  /** Those that have these names, in their order; undefined when one of them is something else, or it was not answered. */
  async ask(names: readonly string[]): Promise<readonly (AnsweredLink | 'gone')[] | undefined> {
    if (names.length === 0) return [];
    const answers = await this.#answers(names.map((name) => (sequence) => encodeLinkQuestion(name, sequence)));
    const answered: (AnsweredLink | 'gone')[] = [];
    for (const [at, name] of names.entries()) {
      const link = linkOf(answers?.[at], name);
      const one = link === undefined || link === 'gone' ? link : await this.#withAddresses(link);
      if (one === undefined) return undefined;
      answered.push(one);
    }
    return answered;
  }

  /** One device after the other: while the kernel lists something it refuses to list anything else. */
  async #withAddresses(link: KernelLink): Promise<AnsweredLink | undefined> {
    const [answer] = (await this.#answers([(sequence) => encodeAddressQuestion(link.index, sequence)])) ?? [];
    const end = answer?.at(-1);
    if (answer === undefined || end?.type !== doneType || numberIn(end) !== 0) return undefined;
    if (answer.some(({ flags }) => (flags & messageFlag.interrupted) !== 0)) return undefined;
    const addresses = answer.slice(0, -1).map((message) => addressOf(message, link.index));
    const known = addresses.filter((address) => address !== undefined);
    return known.length === addresses.length ? { ...link, addresses: known } : undefined;
  }

  /** What came for each, in their order. */
  async #answers(questions: readonly Question[]): Promise<readonly (readonly Message[])[] | undefined> {
    const write = this.#write;
    if (write === undefined || !this.#isReady) return undefined;
    const sequences = questions.map(() => this.#sequence++);
    const datagram = concatenated(questions.map((question, at) => question(sequences[at] ?? 0)));
    const answers = new Map<number, Message[]>(sequences.map((sequence) => [sequence, []]));
    const isAnswered = await new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => waiting.done(false), longestMs);
      const waiting: Waiting = {
        answers,
        left: new Set(sequences),
        done: (isWhole) => {
          clearTimeout(timer);
          this.#waiting.delete(waiting);
          resolve(isWhole);
        },
      };
      this.#waiting.add(waiting);
      write(inputPiece('links', datagram));
    });
    return isAnswered ? [...answers.values()] : undefined;
  }

  #answer(message: Message): void {
    const isLast = message.type === errorType || message.type === doneType || (message.flags & messageFlag.multi) === 0;
    for (const waiting of this.#waiting) {
      if (!waiting.left.has(message.sequence)) continue;
      waiting.answers.get(message.sequence)?.push(message);
      if (isLast && waiting.left.delete(message.sequence) && waiting.left.size === 0) waiting.done(true);
    }
  }

  #giveUp(): void {
    for (const waiting of this.#waiting) waiting.done(false);
  }
}

/** By another name that it has the kernel finds a device too. */
function linkOf(answer: readonly Message[] | undefined, name: string): KernelLink | 'gone' | undefined {
  const [message, ...more] = answer ?? [];
  if (message === undefined || more.length > 0) return undefined;
  if (message.type === errorType) return numberIn(message) === noDevice ? 'gone' : undefined;
  const link = message.type === linkType ? decodeLink(message.body) : undefined;
  return link?.name === name ? link : undefined;
}

function addressOf({ type, body }: Message, index: number): string | undefined {
  const address = type === addressType ? decodeAddress(body) : undefined;
  return address?.index === index ? address.local : undefined;
}

function numberIn({ body }: Message): number | undefined {
  return body.length < 4 ? undefined : new DataView(body.buffer, body.byteOffset).getInt32(0, isLittleEndian);
}
