import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { z } from 'zod';
import { schemaFiles } from '../scripts/write-schemas.ts';

const root = join(import.meta.dirname, '..');

test('the schemas in schemas/ are those of the source (npm run schemas)', () => {
  const files = schemaFiles();
  assert.deepEqual([...files.keys()], ['policy.schema.json', 'host.schema.json']);
  for (const [name, text] of files) assert.equal(readFileSync(join(root, 'schemas', name), 'utf8'), text, name);
});

test('the example names its schemas and fits them', () => {
  for (const name of ['policy', 'host']) {
    const text = readFileSync(join(root, 'examples', 'two-bridge', `${name}.yaml`), 'utf8');
    assert.ok(text.startsWith(`# yaml-language-server: $schema=../../schemas/${name}.schema.json\n`));
    const schema = z.fromJSONSchema(JSON.parse(schemaFiles().get(`${name}.schema.json`) ?? '{}'));
    assert.deepEqual(schema.safeParse(parse(text)).error?.issues ?? [], []);
    assert.equal(schema.safeParse({ ...parse(text), extra: 1 }).success, false);
  }
});
