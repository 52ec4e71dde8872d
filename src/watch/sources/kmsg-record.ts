// One record of /dev/kmsg as bytes -> its parts (Documentation/ABI/testing/dev-kmsg):
// `priority,sequence,microseconds,flags[,more];text`, then lines that start with a blank.
import { unescapedKmsg } from './escapes.ts';

export type KmsgRecord = {
  readonly sequence: number;
  readonly us: number;
  readonly facility: number;
  readonly text: Buffer;
};

const comma = 0x2c;
const semicolon = 0x3b;
const newline = 0x0a;

/** `undefined` for what is no record. The text may be a part of `bytes`: copy it before these are used again. */
export function parseKmsgRecord(bytes: Buffer): KmsgRecord | undefined {
  const priority = numberAt(bytes, 0);
  const sequence = priority && numberAt(bytes, priority.next);
  const us = sequence && numberAt(bytes, sequence.next);
  if (us === undefined || priority === undefined || sequence === undefined) return undefined;
  const head = bytes.indexOf(semicolon, us.next);
  if (head < 0) return undefined;
  const end = bytes.indexOf(newline, head);
  const text = unescapedKmsg(bytes.subarray(head + 1, end < 0 ? bytes.length : end));
  return { sequence: sequence.value, us: us.value, facility: Math.floor(priority.value / 8), text };
}

/** Decimal digits up to a comma. */
function numberAt(bytes: Buffer, from: number): { readonly value: number; readonly next: number } | undefined {
  let value = 0;
  let at = from;
  for (; at < bytes.length && at - from < 17; at++) {
    const digit = (bytes[at] ?? 0) - 0x30;
    if (digit < 0 || digit > 9) break;
    value = value * 10 + digit;
  }
  if (at === from || bytes[at] !== comma || !Number.isSafeInteger(value)) return undefined;
  return { value, next: at + 1 };
}
