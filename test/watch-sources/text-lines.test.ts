// Lines of a piece taken at once give what they give one by one, whatever stands beside what: repeats, escapes, other
// forms, other messages, words of loss, and pieces that end in the middle of a line.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';
import type { SourceItem } from '../../src/watch/sources/source.ts';
import { TextLines } from '../../src/watch/sources/text-lines.ts';
import { Random } from '../kernel/random.ts';
import { genuineFiles } from '../watch/line-fixtures.ts';
import { goldenPath } from '../yaml/golden.ts';

const linesIn = (file: string) =>
  readFileSync(goldenPath(`logs/${file}.log`), 'latin1')
    .split('\n')
    .filter(Boolean);
const kernelTexts = genuineFiles.flatMap(linesIn).map((line) => line.slice(line.indexOf(';') + 1));
const copied = ['container-dmesg', 'container-rsyslog-kern', 'bridge-host-journal', 'kvm-guest-journal'].flatMap(
  linesIn,
);

const time = (random: Random): string =>
  `Apr ${random.pick([' 6', '17'])} 13:${random.pick([19, 20])}:5${random.between(0, 9)}`;

/** Forms that fill files are read in one way, all others in another. */
const forms: readonly ((random: Random) => string)[] = [
  (random) =>
    `${time(random)} host kernel: [${random.between(1, 99_999)}.${random.between(100_000, 999_999)}] ${random.pick(kernelTexts)}`,
  (random) => `${time(random)} host kernel: ${random.pick(kernelTexts)}`,
  (random) => `${time(random)} host kernel: ${random.pick(kernelTexts).replace('IN=', 'IN=#033#011')}`,
  (random) =>
    `${time(random)} host kernel: message repeated ${random.between(2, 4)} times: [ ${random.pick(kernelTexts)}]`,
  (random) => `${time(random)} host last message repeated ${random.between(2, 4)} times`,
  (random) => `${time(random)} host kernel: message of a rule IN=eth0 OUT= `,
  (random) => `${time(random)} host sshd[7]: Accepted publickey for root`,
  (random) => `${time(random)} host kernel: usb 1-1: new device`,
  (random) => `${time(random)} host rsyslogd: imjournal: ${random.between(2, 9)} messages lost due to rate-limiting`,
  (random) => `2026-04-06T13:19:5${random.between(0, 9)}.5+02:00 host kernel: ${random.pick(kernelTexts)}`,
  (random) => random.pick(copied),
  () => '',
  () => 'IN=',
];

const options = [
  { kernel: 2, other: 1 },
  { notAfter: () => Date.UTC(2026, 3, 20), zone: 0 },
] as const;

it('a piece at once and line by line', () => {
  const kinds = { records: 0, folded: 0, gaps: 0, escaped: 0, halves: 0 };
  for (let seed = 1; seed <= 300; seed++) {
    const random = new Random(seed);
    const lines = Array.from({ length: random.between(1, 60) }, () => random.pick(forms)(random));
    const bytes = Buffer.from(`${lines.join('\n')}\n`, 'latin1');
    const one = new TextLines(...options);
    const wanted = lines.flatMap((line) => one.items(Buffer.from(line, 'latin1')));
    const other = new TextLines(...options);
    const items: SourceItem[] = [];
    for (let from = 0; from < bytes.length; ) {
      const piece = bytes.subarray(from, random.chance(0.5) ? bytes.length : from + random.between(900, 4_000));
      const taken = other.take(piece);
      items.push(...taken.items);
      if (taken.length < piece.length) kinds.halves++;
      from += taken.length;
    }
    assert.deepEqual(items.map(plain), wanted.map(plain), `seed ${seed}`);
    for (const item of items) {
      if (item.kind === 'gap') kinds.gaps++;
      else if (item.kind === 'record') {
        kinds.records++;
        if (item.folded) kinds.folded++;
        if (item.text.includes(27)) kinds.escaped++;
      }
    }
  }
  for (const [kind, count] of Object.entries(kinds)) assert.ok(count > 50, `${kind}: ${count}`);
});

/** A view of a piece and a copy are the same text. */
function plain(item: SourceItem): object {
  return item.kind === 'record' ? { ...item, text: Buffer.from(item.text).toString('latin1') } : item;
}
