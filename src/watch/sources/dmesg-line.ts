// One line of `dmesg -r` -> its parts: `<priority>[ seconds.micros] text`. Kernels with PRINTK_CALLER put `[ T123]` after
// the stamp; a line without a stamp (printk.time=0) is no record that could be told from another.
import { unescapedDmesg } from './escapes.ts';

export type DmesgLine = {
  readonly us: number;
  readonly facility: number;
  readonly text: Buffer;
};

const head = /^<(\d{1,4})>\[ *(\d{1,10})\.(\d{6})\](?:\[ *[TC]\d+\])? ?/;
/** No head is longer. */
const headRoom = 64;

export function parseDmesgLine(line: Buffer): DmesgLine | undefined {
  const match = head.exec(line.toString('latin1', 0, headRoom));
  if (match === null) return undefined;
  const [all, priority, seconds, micros] = match;
  return {
    us: Number(seconds) * 1_000_000 + Number(micros),
    facility: Number(priority) >> 3,
    text: unescapedDmesg(line.subarray(all.length)),
  };
}
