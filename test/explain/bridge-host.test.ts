// The published log of the two-bridge host, line by line: what is told, and who is named. Lines 3 and 4 are damaged and name
// nobody; the host's MAC is another one on the second day.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Explainer } from '../../src/explain/explainer.ts';
import { explanationText } from '../../src/explain/sentences.ts';
import { parseLogLine } from '../../src/watch/parse-line.ts';
import { LineHeads } from '../../src/watch/sources/line-head.ts';
import { exampleTexts } from '../support/compiled.ts';
import { assertGolden, goldenText } from '../yaml/golden.ts';
import { exampleSite, explained, namedBy, siteOf } from './lines.ts';

const lines = goldenText('logs/bridge-host-journal.log').split('\n').filter(Boolean);

const rows: readonly (readonly [culprit: string | undefined, victims: string])[] = [
  ['kali2?', 'kali3 and kali4'], // kali3 alone says so
  ['kali2?', 'kali3 and kali4'],
  [undefined, ''], // damaged
  [undefined, ''], // damaged
  [undefined, ''], // what the host sends has no MAC yet
  ['kali3', 'the host and kali4'],
  ['kali3?', 'the host and kali4'], // it came by a link
  ['kali3', 'kali2 and the host'],
  [undefined, ''],
  ['kali3', 'the host and kali2'],
  ['host?', 'kali3 and kali2'],
  ['host?', 'kali3 and kali2'],
  ['host', 'kali2 and kali3'],
  ['host', 'kali2 and kali3'],
];

const texts = lines.map((line) => {
  const bytes = Buffer.from(line, 'latin1');
  const { from } = new LineHeads({ notAfter: () => Date.UTC(2017, 11, 31) }).read(bytes);
  return bytes.toString('latin1', from);
});

const explainer = new Explainer(exampleSite);
const told = texts.map((text, index) => {
  const event = parseLogLine(Buffer.from(text, 'latin1'));
  assert.ok(event !== undefined, text);
  return explainer.explain(event, (lines[index] ?? '').split(' ')[3]);
});

test('the log has 14 lines', () => {
  assert.equal(lines.length, 14);
  assert.equal(rows.length, 14);
});

for (const [index, [culprit, victims]] of rows.entries()) {
  test(`line ${index + 1}: ${culprit ?? 'nobody'} is named`, () => {
    const explanation = told[index];
    assert.ok(explanation !== undefined);
    const text = explanationText(explanation).join('\n');
    assertGolden(`${text}\n`, `explain/line-${String(index + 1).padStart(2, '0')}.txt`);
    assert.equal(namedBy(explanation), culprit);
    assert.equal(/Victims: ([^.]*)\./.exec(text)?.[1] ?? '', victims);
  });
}

test('a damaged line says nothing of an attack, an attacker or victims', () => {
  for (const index of [2, 3]) {
    const explanation = told[index];
    assert.ok(explanation !== undefined);
    const kinds = explanation.findings.map(({ kind }) => kind);
    assert.deepEqual(kinds, ['unreadable', 'decision', 'packet', 'rule']);
    assert.doesNotMatch(explanationText(explanation).join('\n'), /attack|spoof|victim/i);
  }
});

test("alone, without the lines before it, line 12 does not know the host's new MAC and is not certain", () => {
  const explanation = explained([texts[11] ?? '']);
  assert.equal(explanation.culprit, undefined);
  assert.match(
    explanationText(explanation).join('\n'),
    /It may be a packet redirected.*\nIf the host has this MAC now/,
  );
});

test("the host's MAC of the second day is learned from what enters by the host's port, and from nothing else", () => {
  const forged = (texts[9] ?? '').replace('PHYSIN=vmh1', 'PHYSIN=vethb1');
  assert.equal(namedBy(explained([texts[9] ?? '', texts[11] ?? ''])), 'host?');
  assert.equal(namedBy(explained([forged, texts[11] ?? ''])), undefined);
});

test("a MAC that enters by two ports is nobody's", () => {
  const { host, policy } = exampleTexts();
  const site = siteOf({ policy, host: host.replace('guest: kali2, mac: 52:54:00:f2:a4:8d', 'guest: kali2') });
  const byHost = texts[9] ?? '';
  const byGuest = byHost.replace('PHYSIN=vmh1', 'PHYSIN=vk42');
  assert.equal(namedBy(explained([byHost, texts[11] ?? ''], site)), 'host?');
  assert.equal(namedBy(explained([byHost, byGuest, texts[11] ?? ''], site)), undefined);
});
