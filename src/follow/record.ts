// What happened, kept: STATE/drift.log, one JSON object a line, on the disk when it is told. The older half lies in
// drift.log.1.
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Told } from './happening.ts';

const mostBytes = 1_000_000;

function recordFile(state: string): string {
  return join(state, 'drift.log');
}

/** As it is kept, and as it is printed for programs. */
export function printRecord({ at, happening }: Told): string {
  return JSON.stringify({ version: 1, at: new Date(at).toISOString(), ...happening });
}

/** @throws what node:fs throws */
export function keepRecords(state: string, told: readonly Told[]): void {
  const file = recordFile(state);
  if (sizeOf(file) > mostBytes) renameSync(file, `${file}.1`);
  const fd = openSync(file, 'a', 0o640);
  try {
    writeFileSync(fd, told.map((one) => `${printRecord(one)}\n`).join(''));
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

/** The last records, the oldest first; a line that was cut off by a crash is left out. */
export function lastRecords(state: string, most: number): readonly Readonly<Record<string, unknown>>[] {
  const lines = [`${recordFile(state)}.1`, recordFile(state)].flatMap((file) =>
    sizeOf(file) === 0 ? [] : readFileSync(file, 'utf8').trimEnd().split('\n'),
  );
  return lines
    .slice(-most)
    .map(objectOf)
    .filter((record) => record !== undefined);
}

function objectOf(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : undefined;
  } catch {
    return undefined;
  }
}
