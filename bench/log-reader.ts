// One way to read a log file, as a process of its own: `log-reader.ts WAY FILE [DIRECTORY]`. Prints how many lines it took
// for firewall lines, and the CPU time without the start of the program.
import { closeSync, createReadStream, openSync, readFileSync, readSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Dedupe } from '../src/watch/dedupe.ts';
import { LineReader, parseLogLineAt } from '../src/watch/parse-line.ts';
import type { SourceItem } from '../src/watch/sources/source.ts';
import { readSyslogHead } from '../src/watch/sources/syslog-head.ts';
import { TextLines } from '../src/watch/sources/text-lines.ts';
import { EventStore, sightingOf } from '../src/watch/store/event-store.ts';

const [way = '', file = '', directory = ''] = process.argv.slice(2);
const pieceSize = 1 << 20;

/** As many whole lines as are in a piece; `take` gives how many bytes it took. */
function eachPiece(take: (piece: Buffer) => number): void {
  const fd = openSync(file, 'r');
  const piece = Buffer.alloc(pieceSize);
  const read = (at: number): number => readSync(fd, piece, at, pieceSize - at, null);
  let rest = 0;
  for (let got = read(rest); got > 0; got = read(rest)) {
    const end = rest + got;
    const taken = take(piece.subarray(0, end));
    piece.copyWithin(0, taken, end);
    rest = end - taken;
  }
  closeSync(fd);
}

type TakeLine = (bytes: Buffer, from: number, to: number) => void;

function eachLine(take: TakeLine): void {
  eachPiece((piece) => {
    let from = 0;
    for (let to = piece.indexOf(10); to >= 0; to = piece.indexOf(10, from)) {
      take(piece, from, to);
      from = to + 1;
    }
    return from;
  });
}

const reader = new LineReader();

/** Every field of every line, as numbers. */
function scan(): number {
  let lines = 0;
  eachLine((bytes, from, to) => {
    if (reader.scanAt(bytes, textFrom(bytes, from, to), to)) lines++;
  });
  return lines;
}

/** And an object of each. */
function parse(): number {
  let events = 0;
  eachLine((bytes, from, to) => {
    if (parseLogLineAt(bytes, textFrom(bytes, from, to), to) !== undefined) events++;
  });
  return events;
}

function textFrom(bytes: Buffer, from: number, to: number): number {
  return readSyslogHead(bytes, from, to)?.from ?? from;
}

/** As the source of a log file does it: a batch is what stands in one piece. */
function eachBatch(take: (items: readonly SourceItem[]) => void): void {
  const lines = new TextLines({ kernel: 2, other: 1 }, { notAfter: Date.now });
  eachPiece((piece) => {
    const { items, length } = lines.take(piece);
    take(items);
    return length;
  });
}

function dedupe(): number {
  const known = new Dedupe();
  let events = 0;
  eachBatch((items) => {
    for (const record of items) {
      if (record.kind !== 'record') continue;
      const sighting = sightingOf('', 1, record);
      if (known.find(sighting) !== undefined) continue;
      if (reader.scanAt(record.text, 0, record.text.length)) known.add(++events, sighting);
    }
  });
  return events;
}

function store(): number {
  const kept = new EventStore(directory);
  let events = 0;
  eachBatch((items) => {
    const [fresh = []] = kept.commit([{ host: '', source: 'bench', batch: { items } }], Date.now());
    events += fresh.filter((id) => id > 0).length;
  });
  kept.close();
  return events;
}

// What a user would write first, on the text of a whole line.
const usual =
  /IN=(\S*) OUT=(\S*).*? (?:MAC=(\S+) )?SRC=(\S+) DST=(\S+) LEN=(\d+) .*?PROTO=(\w+)(?: SPT=(\d+) DPT=(\d+))?/;
const pair = /(\w+)=(\S*)/g;

function eventOf(line: string): Record<string, string> {
  return Object.fromEntries([...line.matchAll(pair)].map(([, key = '', value = '']) => [key, value]));
}

async function readlinePairs(): Promise<number> {
  let events = 0;
  for await (const line of createInterface({ input: createReadStream(file) })) if ('IN' in eventOf(line)) events++;
  return events;
}

async function readlineRegex(): Promise<number> {
  let events = 0;
  for await (const line of createInterface({ input: createReadStream(file) })) if (usual.exec(line) !== null) events++;
  return events;
}

function wholeRegex(): number {
  return [...readFileSync(file, 'latin1').matchAll(new RegExp(usual, 'g'))].length;
}

const ways: Readonly<Record<string, () => number | Promise<number>>> = {
  scan,
  parse,
  dedupe,
  store,
  'readline-pairs': readlinePairs,
  'readline-regex': readlineRegex,
  'whole-regex': wholeRegex,
};

const before = process.cpuUsage();
const events = await ways[way]?.();
const { user, system } = process.cpuUsage(before);
console.log(JSON.stringify({ events, ownCpuMs: (user + system) / 1000 }));
