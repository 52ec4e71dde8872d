import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { type Diagnostic, printDiagnostic } from '../../src/model/diagnostic.ts';
import { parsePolicy } from '../../src/policy/parse-policy.ts';

const refused: readonly string[] = [
  "a'b",
  'a"b',
  'a\nb',
  'a\r\nb',
  '$(reboot)',
  '`reboot`',
  'a;b',
  'a b',
  'a/b',
  '../x',
  '{',
  '\u0000',
  '\u001b[31m',
  'ä',
  'а', // a Cyrillic letter
  'a\u200bb',
  'x'.repeat(200),
  '__proto__',
];

/** nftables keywords and JavaScript's own names are names like others. */
const accepted: readonly string[] = [
  'drop',
  'accept',
  'table',
  'fwd',
  'in',
  'bridge',
  'constructor',
  'toString',
  '-',
  '..',
  '-j',
];

test('hostile names are refused wherever a name can stand', () => {
  const places: readonly (readonly [where: string, policy: (name: string) => unknown])[] = [
    ['guest', (name) => ({ guests: record(name, { ip: '10.0.0.1' }) })],
    ['outside', (name) => ({ outside: record(name, { ip: '10.0.0.1', behind: 'br0' }) })],
    ['group', (name) => ({ groups: record(name, ['a']) })],
    ['member', (name) => ({ groups: { a: [name] } })],
    ['from', (name) => ({ allow: [{ from: name, to: 'a' }] })],
    ['to', (name) => ({ allow: [{ from: 'a', to: ['a', name] }] })],
    ['id', (name) => ({ allow: [{ from: 'a', to: 'b', id: name }] })],
  ];
  for (const [where, policy] of places) {
    for (const name of refused) {
      const { diagnostics } = parsePolicy(stringify(policy(name)), 'p');
      assert.deepEqual(
        diagnostics.map(({ code }) => code),
        ['bad-name'],
        `${where} ${JSON.stringify(name)}`,
      );
      assert.match(printDiagnostic(diagnostics[0] as Diagnostic), /^[^\p{C}]{1,300}\n[^\p{C}]{1,200}$/u);
    }
    for (const name of accepted) {
      const { diagnostics } = parsePolicy(stringify(policy(name)), 'p');
      assert.deepEqual(diagnostics, [], `${where} ${JSON.stringify(name)}`);
    }
  }
});

test('hostile interface names are refused wherever an interface can stand', () => {
  const places: readonly (readonly [where: string, policy: (name: string) => unknown])[] = [
    ['port', (port) => ({ guests: { a: { ip: '10.0.0.1', port } } })],
    ['behind', (behind) => ({ outside: { a: { ip: '10.0.0.1', behind } } })],
    ['via', (via) => ({ allow: [{ from: 'host', to: 'any', via }] })],
    ['guest-ports', (name) => ({ 'guest-ports': [name] })],
  ];
  for (const [where, policy] of places) {
    for (const name of [...refused, '.', '..', 'sixteen-letters0', '']) {
      const { diagnostics } = parsePolicy(stringify(policy(name)), 'p');
      assert.deepEqual(
        diagnostics.map(({ code }) => code),
        ['bad-interface'],
        `${where} ${JSON.stringify(name)}`,
      );
    }
  }
});

function record(name: string, value: unknown): unknown {
  return new Map([[name, value]]);
}

const words = fc.constantFrom(
  'guests',
  'outside',
  'groups',
  'allow',
  'dhcp',
  'ip',
  'mac',
  'from',
  'to',
  'service',
  'a',
  'host',
  '10.0.0.1',
  'ping',
  '0777',
  '',
  'none',
  '__proto__',
  'constructor',
);
const { tree } = fc.letrec((tie) => ({
  tree: fc.oneof(
    { depthSize: 'small' },
    words,
    fc.oneof(fc.integer(), fc.boolean(), fc.constant(null), fc.string()),
    fc.array(tie('tree'), { maxLength: 3 }),
    fc.array(fc.tuple(words, tie('tree')), { maxLength: 4 }).map((entries) => new Map(entries)),
  ),
}));

test('arbitrary text and arbitrary trees never throw; every fault has a place in the text and stands once', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    tree.map((value) => stringify(value)),
  );
  let values = 0;
  fc.assert(
    fc.property(text, (body) => {
      const { value, diagnostics } = parsePolicy(body, 'p');
      if (value === undefined) assert.notEqual(diagnostics.length, 0);
      else values++;
      const lines = body.split('\n');
      for (const { span } of diagnostics) {
        assert.ok(span.line >= 1 && span.line <= lines.length);
        assert.ok(span.column >= 1 && span.column <= (lines[span.line - 1]?.length ?? 0) + 2);
      }
      const printed = diagnostics.map(printDiagnostic);
      assert.equal(new Set(printed).size, printed.length);
    }),
    { numRuns: 3000 },
  );
  assert.ok(values > 20, 'some were policies');
});

test('mutilated policies never throw', () => {
  const whole = [
    'guests:\n  kali2: { ip: 192.168.50.12, mac: 52:54:00:b1:5d:1f }\n  kali3: { ip: [192.168.50.13] }\n',
    'outside:\n  lamp: { ip: 192.168.0.37, behind: br0 }\n',
    'groups:\n  ext: [host, lamp]\n',
    'allow:\n  - { from: guests, to: [guests, ext], service: ping, log: true }\n  - { from: ext, to: guests }\n',
  ].join('');
  const cut = fc.tuple(fc.nat(whole.length), fc.nat(40), fc.string({ maxLength: 4 }));
  fc.assert(
    fc.property(cut, ([start, length, added]) => {
      parsePolicy(whole.slice(0, start) + added + whole.slice(start + length), 'p');
    }),
    { numRuns: 2000 },
  );
});
