// Every field of every line of real machines, as golden text; and the same fields by a second, slow and obvious reader.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LineReader, parseLogLine } from '../../src/watch/parse-line.ts';
import { assertGolden } from '../yaml/golden.ts';
import { eventText } from './event-words.ts';
import { copiedFiles, fixtureLines, genuineFiles } from './line-fixtures.ts';
import { slowReading, wordsOfEvent } from './slow-reader.ts';

/** Golden files stay short enough to be read. */
const linesInFile = 45;

for (const file of [...genuineFiles, ...copiedFiles, 'container-ufw-startup'] as const) {
  test(`every field of ${file}.log`, () => {
    const texts = fixtureLines(file).map(({ bytes, number }) => `${number} ${eventText(parseLogLine(bytes))}\n`);
    for (let from = 0; from < texts.length; from += linesInFile) {
      const part = texts.length > linesInFile ? `-${from + 1}` : '';
      assertGolden(texts.slice(from, from + linesInFile).join(''), `logs/${file}${part}.txt`);
    }
  });
}

test('the numbers of the files', () => {
  const genuine = genuineFiles.flatMap(fixtureLines).map(({ bytes }) => parseLogLine(bytes));
  const copied = copiedFiles.flatMap(fixtureLines).map(({ bytes }) => parseLogLine(bytes));
  assert.equal(genuine.length, 178);
  assert.deepEqual(new Set(genuine.map((event) => event?.status)), new Set(['ok', 'partial']));
  assert.equal(copied.length, 61);
  assert.equal(copied.filter((event) => event?.status === 'ok').length, 59);
  assert.equal(copied.filter((event) => event?.packet?.dst === null && event.packet.dstText === 'xxx').length, 39);
  const notLog = fixtureLines('container-ufw-startup').map(({ bytes }) => parseLogLine(bytes));
  assert.deepEqual(new Set(notLog), new Set([undefined]));
});

test('of the two mangled lines everything is read but MAC and TTL', () => {
  const events = copiedFiles.flatMap(fixtureLines).map(({ bytes }) => parseLogLine(bytes));
  const damaged = events.filter((event) => event?.status === 'damaged');
  assert.deepEqual(
    damaged.map((event) => event?.rule),
    [32, 5],
  );
  for (const event of damaged) {
    assert.deepEqual(event?.damaged, ['mac', 'ttl']);
    assert.equal(event.mac, null);
    assert.equal(event.packet?.ttl, null);
    assert.equal(event.packet.id, 48_428);
    assert.equal(event.packet.icmpSeq, 2);
  }
});

test('a line is scanned first, and becomes an event only when it is asked for', () => {
  const reader = new LineReader();
  for (const { bytes } of genuineFiles.flatMap(fixtureLines)) {
    assert.equal(reader.scanAt(bytes, 0, bytes.length), true);
    const event = reader.event();
    assert.deepEqual(event, parseLogLine(bytes));
    assert.deepEqual(reader.event(), event);
  }
  assert.equal(reader.scanAt(Buffer.from('martian source'), 0, 14), false);
});

describe('a second reader sees the same', () => {
  for (const file of [...genuineFiles, ...copiedFiles]) {
    test(file, () => {
      let fields = 0;
      for (const { bytes, text, number } of fixtureLines(file)) {
        const event = parseLogLine(bytes);
        assert.ok(event !== undefined, `line ${number}`);
        if (event.status === 'damaged') continue;
        const words = wordsOfEvent(event);
        assert.deepEqual(words, slowReading(text), `line ${number}: ${text}`);
        fields += Object.values(words).flatMap(Object.keys).length;
      }
      assert.ok(fields > 100);
    });
  }
});
