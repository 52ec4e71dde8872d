// Bytes of a line as text. Names and prefixes come again and again: those seen last are compared, not made anew.

const remembered = 256;
/** Longer texts are not remembered. */
const mostBytes = 128;

type Decoder = { readonly utf8Slice: (this: Uint8Array, from: number, to: number) => string };

const { utf8Slice } = Buffer.prototype as unknown as Decoder;

/** UTF-8; what is none of it comes as U+FFFD. */
export function textOf(bytes: Uint8Array, from: number, to: number): string {
  return utf8Slice.call(bytes, from, to);
}

export class Texts {
  readonly #texts: string[] = new Array<string>(remembered).fill('');
  readonly #bytes = new Uint8Array(remembered * mostBytes);
  readonly #lengths = new Uint8Array(remembered);

  of(bytes: Uint8Array, from: number, to: number): string {
    const length = to - from;
    if (length === 0) return '';
    if (length > mostBytes) return textOf(bytes, from, to);
    // the numbers of rules differ in one byte somewhere in the middle
    let mixed = length;
    for (let at = from; at < to; at = (at + 1) | 0) mixed = (Math.imul(mixed, 31) + (bytes[at] as number)) | 0;
    const place = (mixed ^ (mixed >>> 11)) & (remembered - 1);
    if (this.#isThere(bytes, from, length, place)) return this.#texts[place] as string;
    const text = textOf(bytes, from, to);
    this.#texts[place] = text;
    this.#lengths[place] = length;
    this.#bytes.set(bytes.subarray(from, to), place * mostBytes);
    return text;
  }

  #isThere(bytes: Uint8Array, from: number, length: number, place: number): boolean {
    if (this.#lengths[place] !== length) return false;
    const known = this.#bytes;
    const start = place * mostBytes;
    for (let index = 0; index < length; index++) if (bytes[from + index] !== known[start + index]) return false;
    return true;
  }
}
