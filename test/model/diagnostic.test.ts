import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Diagnostic,
  error,
  hasErrors,
  inTextOrder,
  printDiagnostic,
  type Span,
  warning,
} from '../../src/model/diagnostic.ts';

const at = (line: number, column = 1, file = 'policy.yaml'): Span => ({ file, line, column });

const printed: readonly (readonly [text: string, diagnostic: Diagnostic])[] = [
  ["policy.yaml:5:31: error[unknown-key]: unknown key 'prot'", error('unknown-key', "unknown key 'prot'", at(5, 31))],
  [
    "policy.yaml:5:31: error[unknown-key]: unknown key 'prot'\n  hint: did you mean 'port'?",
    error('unknown-key', "unknown key 'prot'", at(5, 31), { hint: "did you mean 'port'?" }),
  ],
  [
    'host.yaml:9:1: warning[unknown-port]: closed\n  host.yaml:2:3: the bridge\n  host.yaml:4:5: the port',
    warning('unknown-port', 'closed', at(9, 1, 'host.yaml'), {
      related: [
        { message: 'the bridge', span: at(2, 3, 'host.yaml') },
        { message: 'the port', span: at(4, 5, 'host.yaml') },
      ],
    }),
  ],
];

test('a diagnostic in words: place, severity, code, message, then what helps', () => {
  for (const [text, diagnostic] of printed) assert.equal(printDiagnostic(diagnostic), text);
});

test('in the order of the text, file by file; what is at one place stays in its order', () => {
  const places = [at(10, 2), at(9, 30), at(10, 1), at(1, 1, 'host.yaml'), at(10, 1)];
  const diagnostics = places.map((span, index) => error('syntax', `${index}`, span));
  assert.deepEqual(
    inTextOrder(diagnostics).map(({ message }) => message),
    ['3', '1', '2', '4', '0'],
  );
});

test('warnings are no errors', () => {
  const [fault, doubt] = [error('syntax', '', at(1)), warning('syntax', '', at(1))];
  assert.deepEqual([[], [doubt], [fault], [doubt, fault]].map(hasErrors), [false, false, true, true]);
});
