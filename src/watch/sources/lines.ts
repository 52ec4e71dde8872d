// Bytes in pieces -> whole lines, without their newlines.

const newline = 0x0a;

/** The whole lines of `bytes`, and how many bytes they take with their newlines. */
export function wholeLines(bytes: Buffer): { readonly lines: readonly Buffer[]; readonly length: number } {
  const lines: Buffer[] = [];
  let from = 0;
  for (let end = bytes.indexOf(newline); end >= 0; end = bytes.indexOf(newline, from)) {
    lines.push(bytes.subarray(from, end));
    from = end + 1;
  }
  return { lines, length: from };
}
