// How often the scanner looks at the bytes of a line: counted, not timed. Its own process, since counting makes the scanner slow.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LineScan } from '../../src/watch/scan-line.ts';
import { corpus, Dice, mutated } from './mutations.ts';

/** Every byte may be looked at so often, and the end of a line costs a little more. */
const mostPerByte = 30;
const mostAtEnd = 600;

const longest = 1 << 14;

let bytesNow: Uint8Array = new Uint8Array();
let looks = 0;

/** An array of bytes that counts what is read of it: a property with a function behind it for every index. */
const counted = {} as Uint8Array;
for (let index = 0; index < longest; index++) {
  Object.defineProperty(counted, index, {
    get: () => {
      looks++;
      return bytesNow[index];
    },
  });
}

function looksAt(scan: LineScan, bytes: Uint8Array): number {
  bytesNow = bytes;
  looks = 0;
  scan.scan(counted, 0, bytes.length);
  return looks;
}

const scan = new LineScan();

function assertLinear(line: Buffer): number {
  const count = looksAt(scan, line);
  if (count > mostPerByte * line.length + mostAtEnd) {
    assert.fail(`${count} looks at ${line.length} bytes: ${JSON.stringify(line.toString('latin1').slice(0, 300))}`);
  }
  return count / (line.length || 1);
}

test('counting does not change what is read', () => {
  for (const line of corpus) {
    const [plain, counting] = [new LineScan(), new LineScan()];
    assert.equal(plain.scan(line, 0, line.length), true);
    assert.ok(looksAt(counting, line) > 0);
    assert.deepEqual(
      [counting.value, counting.seen, counting.damaged, counting.cut],
      [plain.value, plain.seen, plain.damaged, plain.cut],
    );
  }
});

test('lines of real machines', () => {
  const perByte = corpus.map(assertLinear);
  const [least, most] = [Math.min(...perByte), Math.max(...perByte)];
  assert.ok(most < 8 && least >= 1, `${least} to ${most}`);
});

test('mutated lines', () => {
  const dice = new Dice(20_260_102);
  for (let count = 0; count < 20_000; count++) assertLinear(mutated(dice, dice.pick(corpus)));
});

/** What makes other readers go back again and again. */
const repeated = [
  ...[
    ' ',
    '=',
    'IN=',
    ' OUT=',
    'IN= OUT= ',
    ' IN=a OUT=b',
    'IN=IN=',
    'PHYSIN=',
    ' PHYSIN= OUT=',
    'IN= SRC=',
    'IN= MAC= ',
  ],
  ...[
    'a',
    'a ',
    'A',
    'S',
    'SR ',
    'SRC= ',
    'SRC=1.2.3.4 ',
    '[',
    '] ',
    '[]',
    '(',
    ') ',
    'OPT (',
    'OPT ( ',
    'OPT ( ) ',
    '01',
    '01:',
  ],
  ...[
    'SYN ',
    'ACK ',
    'ID:',
    'INCOMPLETE ',
    'INCOMPLETE [',
    'TRUNCATED',
    'FRAG:',
    'Unknown Ext Hdr ',
    'x.',
    '1',
    '0x',
    'ff',
    '::',
  ],
];
const beginnings = [
  ...[
    '',
    'p IN=v OUT= ',
    'p IN=v OUT= MAC=',
    'p IN=v OUT= SRC=',
    'p IN=v OUT= SRC=1.2.3.4 DST=',
    'p IN=v OUT= SRC=::1 DST=::2 ',
  ],
  'p IN=v OUT= SRC=::1 DST=::2 LEN=1 TC=0 HOPLIMIT=1 FLOWLBL=0 ',
  'p IN=v OUT= SRC=1.2.3.4 DST=5.6.7.8 LEN=1 TOS=0x00 PREC=0x00 TTL=1 ID=1 PROTO=',
  'p IN=v OUT= SRC=1.2.3.4 DST=5.6.7.8 LEN=1 TOS=0x00 PREC=0x00 TTL=1 ID=1 PROTO=TCP SPT=1 DPT=2 WINDOW=1 RES=0x00 URGP=0 OPT (',
  'p IN=v OUT= SRC=1.2.3.4 DST=5.6.7.8 LEN=1 TOS=0x00 PREC=0x00 TTL=1 ID=1 PROTO=ICMP TYPE=3 CODE=1 [',
];

test('the same again and again, 16 KiB of it', () => {
  let worst = 0;
  for (const beginning of beginnings) {
    for (const text of repeated) {
      const line = Buffer.from(beginning + text.repeat(longest / text.length), 'latin1').subarray(0, longest);
      worst = Math.max(worst, assertLinear(line));
    }
  }
  assert.ok(worst > 2);
});
