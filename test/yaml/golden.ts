// Golden files: what a test prints is compared with a file; UPDATE_GOLDEN=1 writes it anew.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = join(import.meta.dirname, '..', 'golden');

export function goldenPath(name: string): string {
  return join(folder, name);
}

export function goldenText(name: string): string {
  return readFileSync(goldenPath(name), 'utf8');
}

export function assertGolden(actual: string, name: string): void {
  if (process.env.UPDATE_GOLDEN === '1') writeFileSync(goldenPath(name), actual);
  assert.equal(actual, goldenText(name));
}
