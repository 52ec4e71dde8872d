// Bytes that sources write as text, back to what the kernel said. Each source has its own way; undoing another's would
// make different lines equal.

const backslash = 0x5c;

/** /dev/kmsg: `\xNN` for bytes below 32, above 126 and the backslash itself (kernel/printk/printk.c, msg_add_ext_text). */
export function unescapedKmsg(text: Buffer): Buffer {
  return unescaped(text, () => true);
}

/** dmesg(1): `\xNN` for what cannot be printed; a backslash stands for itself there. */
export function unescapedDmesg(text: Buffer): Buffer {
  return unescaped(text, (byte) => byte < 0x20 || byte >= 0x7f);
}

/** Most lines have none and are returned as they are, without a copy. */
function unescaped(text: Buffer, isEscaped: (byte: number) => boolean): Buffer {
  let from = text.indexOf(backslash);
  if (from < 0) return text;
  const out = Buffer.from(text);
  let length = from;
  for (; from < text.length; from++) {
    const byte = text[from] === backslash ? hexEscape(text, from) : undefined;
    if (byte !== undefined && isEscaped(byte)) {
      out[length++] = byte;
      from += 3;
    } else {
      out[length++] = text[from] ?? 0;
    }
  }
  return out.subarray(0, length);
}

function hexEscape(text: Buffer, at: number): number | undefined {
  if (text[at + 1] !== 0x78) return undefined;
  const high = hexDigit(text[at + 2]);
  const low = hexDigit(text[at + 3]);
  return high === undefined || low === undefined ? undefined : high * 16 + low;
}

function hexDigit(byte = 0): number | undefined {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  return byte >= 0x61 && byte <= 0x66 ? byte - 0x57 : undefined;
}

/** rsyslog: `#ooo` for control characters ($EscapeControlCharactersOnReceive, on as it comes). */
export function unescapedSyslog(text: Buffer): Buffer {
  if (!text.includes(0x23)) return text;
  const plain = text.toString('latin1').replace(/#(0[0-3][0-7]|177)/g, (_, octal: string) => {
    return String.fromCharCode(Number.parseInt(octal, 8));
  });
  return Buffer.from(plain, 'latin1');
}
