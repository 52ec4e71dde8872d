// Lines that are read by their shapes against the same lines read by the grammar: not one field may differ, whatever was
// learned before.
import assert from 'node:assert/strict';
import { totalmem } from 'node:os';
import { test } from 'node:test';
import type { LogEvent } from '../../src/model/log-event.ts';
import { eventOf } from '../../src/watch/build-event.ts';
import { words } from '../../src/watch/grammar.ts';
import { LineShapes } from '../../src/watch/line-shapes.ts';
import { builtInPrefixes } from '../../src/watch/prefixes.ts';
import { LineScan } from '../../src/watch/scan-line.ts';
import { fields, StepTree, stepAt } from '../../src/watch/shape-steps.ts';
import { Texts } from '../../src/watch/texts.ts';
import { corpus, Dice, locallyMutated, mutated } from './mutations.ts';

const count = process.env.BRIDGEKEEPER_FULL === '1' ? 2_000_000 : 60_000;
const seed = Number(process.env.BRIDGEKEEPER_SEED ?? Date.now() % 0x7fff_ffff);

/** Where a number stands, these may stand too: some are values of the field, some are none. */
const instead = [
  ...['0', '1', '7', '00', '01', '254', '255', '256', '999', '1023', '65535', '65536', '16777215', '16777216'],
  ...['999999999', '1000000000', '4294967295', '4294967296', '9999999999', '99999999999', '', 'a', 'f', 'ff', 'FF'],
  ...['0x', 'x', '-1', '+1', '1.1', '1.2.3.4', ':', '::', ' ', '  ', ']', ')', 'xxx', '08', '1 ', ' 1', 'SRC=1', '\r'],
];

function withOtherNumbers(dice: Dice, line: Buffer): Buffer {
  let text = line.toString('latin1');
  for (let times = 1 + dice.below(3); times > 0; times--) {
    const numbers = [...text.matchAll(/[\da-f]+/g)];
    if (numbers.length === 0) break;
    const { index, 0: number } = dice.pick(numbers);
    text = text.slice(0, index) + dice.pick(instead) + text.slice(index + number.length);
  }
  return Buffer.from(text, 'latin1');
}

/** Only digits in place of digits: most of these lines are whole. */
function withOtherDigits(dice: Dice, line: Buffer): Buffer {
  const text = line
    .toString('latin1')
    .replaceAll(/(?<=[1-9])\d/g, (digit) => (dice.below(6) > 0 ? digit : `${dice.below(10)}`));
  return Buffer.from(text, 'latin1');
}

const ways = [
  mutated,
  locallyMutated,
  withOtherNumbers,
  withOtherDigits,
  withOtherDigits,
  (_: Dice, line: Buffer) => line,
];

function eventBy(scan: LineScan, texts: Texts, bytes: Buffer, from: number, to: number): LogEvent | undefined {
  return scan.scan(bytes, from, to) ? eventOf(scan, bytes, texts, builtInPrefixes) : undefined;
}

/** New ones forget what was learned; old ones have learned much that is rare. */
const linesOfScan = 10_000;

test(`${count} lines, read by their shapes and by the grammar`, (t) => {
  const dice = new Dice(seed);
  const [byGrammar, texts] = [new LineScan(), new Texts()];
  let shapes = new LineShapes();
  let byShape = new LineScan(shapes);
  let [lines, missed] = [0, 0];
  for (let number = 0; number < count; number++) {
    if (number % linesOfScan === 0) {
      missed += shapes.missed;
      shapes = new LineShapes();
      byShape = new LineScan(shapes);
    }
    const line = dice.pick(ways)(dice, dice.pick(corpus));
    const before = dice.pick(['', 'a line before', ' IN=a OUT=b SRC=1.2.3.4 ']);
    const all = Buffer.concat([Buffer.from(before), line, dice.pick(corpus)]);
    const [from, to] = [before.length, before.length + line.length];
    const wanted = eventBy(byGrammar, texts, all, from, to);
    const event = eventBy(byShape, texts, all, from, to);
    assert.deepEqual(event, wanted, `seed ${seed}, line ${number}: ${JSON.stringify(line.toString('latin1'))}`);
    if (event !== undefined) lines++;
  }
  missed += shapes.missed;
  t.diagnostic(`${lines - missed} of ${lines} by their shapes, ${shapes.count} at the end`);
  assert.ok(lines - missed > count / 8 && missed > count / 8);
});

test('a line that came before is read by its shape, whatever its numbers, addresses and names are', () => {
  const texts = [
    'p IN=eth0 OUT= MAC=52:54:00:d5:4a:9b:52:54:00:fc:27:c5:08:00 SRC=1.2.3.4 DST=5.6.7.8 LEN=44 TOS=0x00 PREC=0x00 TTL=57 ID=5718 PROTO=TCP SPT=55102 DPT=6379 SEQ=4294967295 ACK=0 WINDOW=65535 RES=0x00 SYN URGP=0 ',
    'q-r IN=v OUT=w MAC=52:54:00:d5:4a:9b:52:54:00:fc:27:c6:86:dd SRC=255.0.10.255 DST=0.0.0.0 LEN=1 TOS=0x00 PREC=0x00 TTL=0 ID=65535 PROTO=TCP SPT=0 DPT=22 SEQ=1 ACK=4000000000 WINDOW=0 RES=0x00 SYN URGP=9 ',
  ];
  const shapes = new LineShapes();
  const scan = new LineScan(shapes);
  for (const text of texts) assert.equal(scan.scan(Buffer.from(text), 0, text.length), true);
  assert.deepEqual([shapes.count, shapes.missed], [1, 1]);
});

test('TOS and PREC are text, but not where they have many values', () => {
  const shapes = new LineShapes();
  const scan = new LineScan(shapes);
  for (let number = 0; number < 256; number++) {
    const hex = number.toString(16).padStart(2, '0');
    const ip = `SRC=1.2.3.4 DST=5.6.7.8 LEN=44 TOS=0x${hex} PREC=0x${hex} TTL=57 ID=5718`;
    const line = Buffer.from(`p IN=a OUT= ${ip} PROTO=TCP SPT=1 DPT=2 WINDOW=1 RES=0x00 SYN URGP=0 `);
    assert.equal(scan.scan(line, 0, line.length), true);
    const { packet } = eventOf(scan, line, new Texts(), builtInPrefixes);
    assert.deepEqual([packet?.tos, packet?.prec, packet?.ttl], [number, number, 57]);
  }
  assert.ok(shapes.count > 1 && shapes.count < 12 && shapes.missed === shapes.count, `${shapes.count}`);
});

const greLine = Buffer.from('p IN=a OUT= SRC=1.2.3.4 DST=5.6.7.8 LEN=44 TOS=0x00 PREC=0x00 TTL=57 ID=1 PROTO=47 ');

test('a line that is said to be longer than its bytes', () => {
  const [byShape, byGrammar] = [new LineScan(new LineShapes()), new LineScan()];
  const fields = (scan: LineScan): unknown => [
    scan.has(words.dst),
    scan.has(words.id),
    scan.has(words.protocol),
    scan.cut,
  ];
  for (let length = greLine.length; length >= 0; length--) {
    const bytes = Buffer.from(greLine.subarray(0, length));
    const isLine = byGrammar.scan(bytes, 0, greLine.length + 9);
    assert.equal(byShape.scan(bytes, 0, greLine.length + 9), isLine);
    if (isLine) assert.deepEqual(fields(byShape), fields(byGrammar), `${length}`);
  }
});

const hasRoom = totalmem() > 2 ** 32;

test('a line far behind in a large buffer', { skip: hasRoom ? false : 'needs 4 GiB of memory' }, () => {
  const offset = 2 ** 31 + 5;
  const far = new Uint8Array(new ArrayBuffer(offset + greLine.length), offset);
  far.set(greLine);
  const scan = new LineScan(new LineShapes());
  for (const bytes of [greLine, far]) {
    assert.equal(scan.scan(bytes, 0, bytes.length), true);
    assert.equal(scan.has(words.protocol), true);
  }
});

test('what decides how a line goes on is in its shape', () => {
  const body = 'SRC=1.2.3.4 DST=5.6.7.8 LEN=44 TOS=0x00 PREC=0x00 TTL=57 ID=5718';
  const shapes = new LineShapes();
  const scan = new LineScan(shapes);
  const rests = [
    ...['PROTO=TCP SPT=1 DPT=2 WINDOW=1 RES=0x00 SYN URGP=0 ', 'PROTO=TCP SPT=1 DPT=2 WINDOW=1 RES=0x00 ACK URGP=0 '],
    ...['PROTO=ICMP TYPE=8 CODE=0 ID=1 SEQ=1 ', 'PROTO=ICMP TYPE=13 CODE=0 ', 'PROTO=47 ', 'FRAG:16 PROTO=47 '],
  ];
  for (const rest of rests) {
    const line = Buffer.from(`p IN=a OUT= ${body} ${rest}`);
    assert.equal(scan.scan(line, 0, line.length), true);
  }
  assert.equal(shapes.count, rests.length);
});

test('what is cut, damaged or ambiguous is never learned', () => {
  const shapes = new LineShapes();
  const scan = new LineScan(shapes);
  for (const text of [
    'p IN=a OUT= SRC=1.2.3.4 DST=5.6.7.8 LEN=44 TOS=0x00 PREC=0x00 TTL=57 ID=5718 PROTO=TCP SPT=1',
    'p IN=a OUT= SRC=1.2.3.4 DST=xxx LEN=44 TOS=0x00 PREC=0x00 TTL=57 ID=5718 PROTO=47 ',
    'p IN=a OUT= SRC=1.2.3.4 DST=5.6.7.8 LEN=44 TOS=0x00 PREC=0x00 TTL=57 ID=?718 PROTO=47 ',
    'p IN=a OUT=b IN=c OUT=d SRC=1.2.3.4 DST=5.6.7.8 LEN=44 TOS=0x00 PREC=0x00 TTL=57 ID=5718 PROTO=47 ',
    'p IN=a OUT= MAC=52:54:00:d5:4a:9b:52:54:00:fc:27:c5:88:cc ',
  ]) {
    assert.equal(scan.scan(Buffer.from(text), 0, text.length), true);
  }
  assert.equal(shapes.count, 0);
});

test('at one place few steps are tried, and there is an end of learning', () => {
  const tree = new StepTree();
  const part = (text: string) => ({ text: Buffer.from(text), field: fields.end, slot: 0, most: 0 });
  const added = Array.from({ length: 5_000 }, (_, number) => tree.add([part(`text ${number}`)], number, 9));
  assert.equal(added[0], true);
  assert.equal(added.at(-1), false);
  let others = 0;
  for (let step = tree.first; step > 0; step = tree.code[step + stepAt.other] as number) others++;
  assert.ok(others > 1 && others <= 10, `${others}`);
});

test('when there is no room for more shapes, they are learned anew after a while', () => {
  const shapes = new LineShapes();
  const scan = new LineScan(shapes);
  const flagNames = ['CWR', 'ECE', 'URG', 'ACK', 'PSH', 'RST', 'SYN', 'FIN'];
  const line = (number: number): Buffer => {
    const flags = flagNames.filter((_, bit) => (number >> bit) & 1).map((flag) => `${flag} `);
    return Buffer.from(
      `p IN=a OUT= SRC=1.2.3.4 DST=5.6.7.8 LEN=44 TOS=0x00 PREC=0x00 TTL=57 ID=1 ${number & 256 ? 'DF ' : ''}PROTO=TCP SPT=1 DPT=2 WINDOW=1 RES=0x00 ${flags.join('')}URGP=0 `,
    );
  };
  const read = (bytes: Buffer): boolean => scan.scan(bytes, 0, bytes.length);
  for (let number = 0; number < 512; number++) read(line(number));
  const full = shapes.count;
  assert.ok(full > 10 && full < 512, `${full}`);
  for (let times = 0; times < 100_000; times++) read(line(511));
  const before = shapes.missed;
  read(line(511));
  read(line(511));
  assert.ok(shapes.count < full && shapes.missed <= before + 1);
});
