import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Diagnostic, diagnosticCodes } from '../src/model/diagnostic.ts';
import { parsePolicy } from '../src/policy/parse-policy.ts';
import { parseHost } from '../src/topology/host-file.ts';

const page = readFileSync(join(import.meta.dirname, '..', 'docs', 'diagnostics.md'), 'utf8');
const sections = page.split(/^## /m).slice(1);

test('docs/diagnostics.md has a section for each code, in the order of the list, and for nothing else', () => {
  assert.deepEqual(
    sections.map((section) => section.split('\n')[0]),
    [...diagnosticCodes],
  );
});

test('each section explains, shows and mends', () => {
  for (const section of sections) assert.match(section, /^\S+\n\n[A-Z`][\s\S]+^```[\s\S]+^```\n\nTo mend: /m, section);
});

test('each example of a file has the fault that it stands under, and no other', () => {
  let examples = 0;
  for (const section of sections) {
    const [code] = section.split('\n');
    for (const [, text = ''] of section.matchAll(/^```yaml\n([\s\S]*?)^```/gm)) {
      const codes = faultsOf(text).map((fault) => fault.code);
      assert.deepEqual([...new Set(codes)], [code], text);
      examples++;
    }
  }
  assert.ok(examples > 20);
});

test('each printed example carries its own code', () => {
  for (const section of sections) {
    const [code] = section.split('\n');
    for (const [, text = ''] of section.matchAll(/^```text\n([\s\S]*?)^```/gm)) {
      for (const line of text.trimEnd().split('\n'))
        assert.match(line, new RegExp(`^\\S+:\\d+:\\d+: \\w+\\[${code}\\]: `));
    }
  }
});

function faultsOf(text: string): readonly Diagnostic[] {
  const parse = text.startsWith('# host.yaml\n') ? parseHost : parsePolicy;
  return parse(text, 'example').diagnostics;
}
