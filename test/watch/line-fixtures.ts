// The lines of real machines in test/golden/logs/, without what their sources put in front of the kernel's text.
import { readFileSync } from 'node:fs';
import { goldenPath } from '../yaml/golden.ts';

export type FixtureLine = {
  readonly file: string;
  readonly number: number;
  readonly bytes: Uint8Array;
  readonly text: string;
};

/** Written by the kernel of a test machine: not one byte is missing. */
export const genuineFiles = ['kernel-plain', 'kernel-all', 'kernel-long'] as const;

/** Copied from forum posts and from an article: two lines were mangled on the way. */
export const copiedFiles = [
  'kvm-guest-journal',
  'container-dmesg',
  'container-rsyslog-kern',
  'bridge-host-journal',
] as const;

/** kmsg's numbers; date, host and tag of syslog; the stamp of the ring. */
const head =
  /^(?:\d+,\d+,\d+,-;|(?:[A-Z][a-z]{2} [ \d]\d [\d:]{8} \S+ (?=kernel: ))?(?:kernel: )?(?:\[ *\d+\.\d+\] )?)/;

export function fixtureLines(file: string): readonly FixtureLine[] {
  const lines = readFileSync(goldenPath(`logs/${file}.log`), 'latin1').split('\n');
  return lines
    .filter((line) => line !== '')
    .map((line, index) => {
      const text = line.replace(head, '');
      return { file, number: index + 1, bytes: Buffer.from(text, 'latin1'), text };
    });
}
