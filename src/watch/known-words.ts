// Whether a word of the grammar stands somewhere, in whatever place: no packet of the kernel's has it twice.
import { heads, keyBytes, keyLength, keyRoom, kindOf, kinds, masks, wordCount } from './grammar.ts';
import { headAt } from './scan-values.ts';

const opening = 91;

/** Whether this word stands here. A word without a value ends in a blank, or with the line. */
function isWord(bytes: Uint8Array, at: number, end: number, word: number): boolean {
  const length = keyLength[word] as number;
  const flag = kindOf[word] === kinds.flag && at + length === end + 1;
  if (at + length > end && !flag) return false;
  const key = word * keyRoom;
  const count = flag ? length - 1 : length;
  for (let index = 0; index < count; index++) if (bytes[at + index] !== keyBytes[key + index]) return false;
  return true;
}

/** A word of the grammar in a wrong place. */
export function isKnownWord(bytes: Uint8Array, at: number, end: number): boolean {
  if (bytes[at] === opening) return true;
  const head = headAt(bytes, at, end);
  for (let word = 1; word < wordCount; word++) {
    if ((head & (masks[word] as number)) !== heads[word] || kindOf[word] === kinds.close) continue;
    if (isWord(bytes, at, end, word)) return true;
  }
  return false;
}
