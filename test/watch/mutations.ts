// Mutations of log lines, by a seed: what copying, cutting, mixing and hostile names do to them.
import { copiedFiles, fixtureLines, genuineFiles } from './line-fixtures.ts';

/** The same numbers for the same seed (mulberry32). */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** 0 and more, and less than `count`. */
  below(count: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % count;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }
}

export const corpus: readonly Buffer[] = [...genuineFiles, ...copiedFiles]
  .flatMap(fixtureLines)
  .map(({ bytes }) => Buffer.from(bytes));

/** Legal names of interfaces, and words that mean something elsewhere in a line. */
const hostileNames = ['SRC=9.9.9.9', 'IN=', 'OUT=', 'DPT=22]x', 'x[UFW', ']', '[SRC=9.9.9.9', 'MARK=0x7', 'PROTO=TCP'];

const hostileWords = [
  ...[
    ' ',
    '  ',
    'IN=',
    ' OUT=',
    ' IN=a OUT=b ',
    'PHYSIN=x ',
    'MAC= ',
    'SRC=9.9.9.9 ',
    'DST=9.9.9.9 ',
    'LEN=9 ',
    'ID=9 ',
  ],
  ...[
    'PROTO=TCP ',
    'PROTO=ICMP ',
    'TYPE=3 CODE=3 ',
    'SPT=9 ',
    'DPT=9 ',
    'SEQ=9 ',
    'ACK=9 ',
    'ACK ',
    'SYN ',
    'DF ',
    'OPT (',
    ') ',
  ],
  ...[
    'OPT ( ',
    '[',
    ']',
    '] ',
    '[SRC=9.9.9.9 ',
    'INCOMPLETE [9 bytes] ',
    'TRUNCATED',
    'FRAG:9 ',
    'ARP ',
    'MARK=0x9 ',
    'UID=9 GID=9 ',
  ],
  ...[
    '=',
    '==',
    '0x',
    ':',
    '-1',
    '4294967296',
    '99999999999999999999',
    '::',
    '\0',
    '\n',
    '\r',
    '\x1b[31m',
    '\xff\xfe',
    'é',
  ],
];

type Mutation = (dice: Dice, line: Buffer) => Buffer;

const latin = (text: string): Buffer => Buffer.from(text, 'latin1');

function inserted(line: Buffer, at: number, text: Buffer): Buffer {
  return Buffer.concat([line.subarray(0, at), text, line.subarray(at)]);
}

function stretch(dice: Dice, line: Buffer, most: number): readonly [from: number, to: number] {
  const from = dice.below(line.length);
  return [from, Math.min(line.length, from + 1 + dice.below(most))];
}

const flipByte: Mutation = (dice, line) => {
  const flipped = Buffer.from(line);
  const at = dice.below(line.length);
  flipped[at] = dice.below(2) === 0 ? (line[at] as number) ^ (1 << dice.below(8)) : dice.below(256);
  return flipped;
};

const insertWord: Mutation = (dice, line) =>
  inserted(line, dice.below(line.length + 1), latin(dice.pick(hostileWords)));

/** A whole header in the middle begins another line: what follows is that line's. */
const insertOwnWord: Mutation = (dice, line) =>
  inserted(line, dice.below(line.length + 1), latin(dice.pick(hostileWords.filter((word) => !word.includes('OUT=')))));

/** In front of the first IN=, or as the name behind it. */
const hostileBeginning: Mutation = (dice, line) => {
  const at = line.indexOf('IN=');
  if (at < 0) return line;
  return dice.below(2) === 0
    ? inserted(line, at, latin(dice.pick(hostileWords)))
    : inserted(line, at + 3, latin(dice.pick(hostileNames)));
};

const deleted: Mutation = (dice, line) => {
  const [from, to] = stretch(dice, line, 24);
  return Buffer.concat([line.subarray(0, from), line.subarray(to)]);
};

const doubled: Mutation = (dice, line) => {
  const [from, to] = stretch(dice, line, 60);
  return inserted(line, to, line.subarray(from, to));
};

const cut: Mutation = (dice, line) => line.subarray(0, dice.below(line.length + 1));

const spliced: Mutation = (dice, line) => {
  const other = dice.pick(corpus);
  return Buffer.concat([line.subarray(0, dice.below(line.length)), other.subarray(dice.below(other.length))]);
};

const swapped: Mutation = (dice, line) => {
  const words = line.toString('latin1').split(' ');
  const [first, second] = [dice.below(words.length), dice.below(words.length)];
  const word = words[first] as string;
  words[first] = words[second] as string;
  words[second] = word;
  return latin(words.join(' '));
};

const noise: Mutation = (dice, line) => {
  const bytes = Uint8Array.from({ length: 1 + dice.below(12) }, () => dice.below(256));
  return inserted(line, dice.below(line.length + 1), Buffer.from(bytes));
};

const mutations = [
  ...[
    flipByte,
    flipByte,
    flipByte,
    insertWord,
    insertWord,
    hostileBeginning,
    deleted,
    doubled,
    cut,
    spliced,
    swapped,
    noise,
  ],
];

/** Those that carry no text from one part of a line into another. */
const local = [flipByte, flipByte, insertOwnWord, noise, cut];

/** One to four mutations, one upon the other. */
export function mutated(dice: Dice, line: Buffer): Buffer {
  return repeatedly(dice, line, mutations);
}

export function locallyMutated(dice: Dice, line: Buffer): Buffer {
  return repeatedly(dice, line, local);
}

function repeatedly(dice: Dice, line: Buffer, list: readonly Mutation[]): Buffer {
  let text = line;
  for (let rounds = 1 + dice.below(4); rounds > 0 && text.length > 0; rounds--) text = dice.pick(list)(dice, text);
  return text;
}
