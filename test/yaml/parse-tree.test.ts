import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseTree } from '../../src/yaml/parse-tree.ts';
import { plainValue, wordsOf } from '../../src/yaml/tree.ts';
import { assertPrompt } from '../support/slowness.ts';
import { marked, placesOf } from './marked.ts';

test('faults of the text itself stand where they are, one a line', () => {
  const rows: readonly (readonly [codes: readonly string[], text: string])[] = [
    [['syntax'], '¦'],
    [['syntax'], '¦# only a comment'],
    [['syntax'], 'a: { b: 1\n¦c: 2'],
    [['syntax'], 'a:\n¦\tb: 1'],
    [['syntax', 'syntax'], 'a: ¦b: c\nd: ¦e: f'],
    [['syntax'], 'a: 1\n¦--- 2'],
    [['syntax'], 'a: ¦!foo 1'],
    [['syntax'], 'a: ¦*x'],
    [['syntax'], 'a: &a [¦*a]'],
    [['syntax'], 'a: "b¦\ufffdc"'],
    [['duplicate-key'], 'a: 1\nb: 2\n¦a: 3'],
    [['duplicate-key', 'duplicate-key'], 'a: { b: 1, ¦b: 2 }\n¦a: 3'],
    [['not-text'], '? ¦[a]\n: 1'],
    [['syntax'], '¦\ufeff'],
  ];
  for (const [codes, row] of rows) {
    const { text, places } = marked(row);
    const { diagnostics } = parseTree(text, 'x.yaml');
    assert.deepEqual(
      placesOf(diagnostics),
      codes.map((code, index) => `${places[index]} ${code}`),
      text,
    );
  }
});

test('every value has its place, also after tabs, wide characters, CRLF and a byte order mark', () => {
  const { text, places } = marked('\ufeff¦a: "ä😀"\r\nb: [¦x,\t¦"y"]\r\n# c\r\n¦d: &e ¦z\r\nf: ¦*e');
  const { value } = parseTree(text.slice(0), 'x.yaml');
  assert.equal(value?.kind, 'map');
  const entries = [...value.entries.values()];
  const spans = [
    entries[0]?.span,
    ...wordsOf(entries[1]?.value).map(({ span }) => span),
    entries[2]?.span,
    entries[2]?.value.span,
    entries[3]?.value.span,
  ];
  // the byte order mark is no character of the first line
  const expected = ['1:1', ...places.slice(1)];
  assert.deepEqual(
    spans.map((span) => `${span?.line}:${span?.column}`),
    expected,
  );
});

test('anchors and aliases stand for each other; later anchors of the same name win', () => {
  const { value, diagnostics } = parseTree('a: &x 1\nb: *x\nc: &x [2]\nd: [*x, *x]', 'x.yaml');
  assert.deepEqual(diagnostics, []);
  assert.ok(value !== undefined);
  const plain = plainValue(value) as Record<string, unknown>;
  assert.deepEqual({ ...plain }, { a: 1, b: 1, c: [2], d: [[2], [2]] });
});

test('what grows without end is refused quickly and once', () => {
  const rows: readonly (readonly [what: string, text: string])[] = [
    ['deep lists', '['.repeat(100_000)],
    ['deep maps', '{a: '.repeat(100_000)],
    ['deep and long', '[\n'.repeat(100_000)],
    ['deep and closed', `${'['.repeat(200)}${']'.repeat(200)}`],
    [
      'a billion aliases',
      `a0: &a0 [x]\n${Array.from({ length: 30 }, (_, i) => `a${i + 1}: &a${i + 1} [*a${i}, *a${i}]`).join('\n')}`,
    ],
    ['a huge file', 'a'.repeat(1 << 21)],
  ];
  for (const [what, text] of rows) {
    const start = performance.now();
    const { value, diagnostics } = parseTree(text, 'x.yaml');
    assert.equal(value, undefined, what);
    assert.deepEqual([diagnostics.length, diagnostics[0]?.code], [1, 'syntax'], what);
    assertPrompt(performance.now() - start, 5_000, what);
  }
});

test('many keys cost no more than their number', () => {
  const text = Array.from({ length: 50_000 }, (_, i) => `k${i}: 1`).join('\n');
  const start = performance.now();
  assert.equal(parseTree(text, 'x.yaml').value?.kind, 'map');
  assertPrompt(performance.now() - start, 10_000);
});

test('arbitrary text never throws', () => {
  const pieces = fc.constantFrom(
    'a',
    ':',
    ' ',
    '\n',
    '- ',
    '{',
    '}',
    '[',
    ']',
    '&a ',
    '*a',
    '!',
    '|',
    '>',
    '"',
    "'",
    '#',
    '? ',
    '%YAML 1.1\n',
    '---',
    '...',
    '\t',
    ',',
    '<<',
    '0777',
    '~',
    '\\',
  );
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(pieces, { maxLength: 40 }).map((parts) => parts.join('')),
  );
  let trees = 0;
  fc.assert(
    fc.property(text, (body) => {
      const { value, diagnostics } = parseTree(body, 'x.yaml');
      if (value === undefined) assert.notEqual(diagnostics.length, 0);
      else trees++;
    }),
    { numRuns: 2000 },
  );
  assert.ok(trees > 100, 'some texts were YAML');
});
