import assert from 'node:assert/strict';
import { test } from 'node:test';
import { printDiagnostic } from '../../src/model/diagnostic.ts';
import { parsePolicy } from '../../src/policy/parse-policy.ts';
import { assertGolden, goldenText } from '../yaml/golden.ts';

test('a policy with many different faults reports all of them at once, each once', () => {
  const { value, diagnostics } = parsePolicy(goldenText('policy/ten-faults.yaml'), 'policy.yaml');
  assert.equal(value, undefined);
  assert.ok(new Set(diagnostics.map(({ code }) => code)).size >= 10);
  assertGolden(`${diagnostics.map(printDiagnostic).join('\n')}\n`, 'policy/ten-faults.txt');
});
