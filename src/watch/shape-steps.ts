// The shapes of lines as a tree of steps: each step is a text that must stand there, and one field behind it. All steps are
// in one array of numbers, so that going through them makes nothing anew.

/** What stands behind a text. */
export const fields = {
  end: 0,
  number: 1,
  hex: 2,
  ip4: 3,
  ip6: 4,
  /** `MAC=` of Ethernet: 14 octets. */
  frame: 5,
  mac: 6,
  name: 7,
  /** Hex digits in parentheses. */
  options: 8,
} as const;

/** Text that must stand there, and the field behind it. `slot` is the place of its value. */
export type Part = { readonly text: Uint8Array; readonly field: number; readonly slot: number; readonly most: number };

/** Where a step has what, from its beginning on. */
export const stepAt = {
  /** The step that is tried where this one does not stand, or 0. */
  other: 0,
  /** The step behind this one; of the last one, the number of the shape. */
  next: 1,
  /** The field, and its slot from bit 4 on. */
  field: 2,
  most: 3,
  /** How many bytes of text there are. */
  length: 4,
  /** Four bytes each, the lowest first. The last four may overlap with those before; of less than four the rest is zero. */
  text: 5,
} as const;

const room = 1 << 15;
const root = stepAt.next;

export class StepTree {
  readonly code = new Int32Array(room);
  #used: number = stepAt.text;

  /** Where the first step is, or 0. */
  get first(): number {
    return this.code[root] as number;
  }

  clear(): void {
    this.code.fill(0);
    this.#used = stepAt.text;
  }

  /** `false` where there is no room for it, or where already so many others are tried at one place. */
  add(parts: readonly Part[], shape: number, mostOthers: number): boolean {
    let link: number = root;
    for (const part of parts) {
      const step = this.#find(link, part) ?? this.#append(link, part, mostOthers);
      if (step === undefined) return false;
      link = step + stepAt.next;
    }
    this.code[link] = shape;
    return true;
  }

  #find(link: number, part: Part): number | undefined {
    for (let step = this.code[link] as number; step > 0; step = this.code[step + stepAt.other] as number) {
      if (this.#isSame(step, part)) return step;
    }
    return undefined;
  }

  #isSame(step: number, { text, field, slot }: Part): boolean {
    const { code } = this;
    if (code[step + stepAt.field] !== (field | (slot << 4)) || code[step + stepAt.length] !== text.length) return false;
    return packed(text).every((word, index) => code[step + stepAt.text + index] === word);
  }

  /** Behind the steps that are there already. */
  #append(link: number, { text, field, slot, most }: Part, mostOthers: number): number | undefined {
    const { code } = this;
    const words = packed(text);
    const step = this.#used;
    if (step + stepAt.text + words.length > room) return undefined;
    let last = link;
    let others = 0;
    for (let other = code[link] as number; other > 0; other = code[other + stepAt.other] as number) {
      last = other + stepAt.other;
      others++;
    }
    if (others >= mostOthers) return undefined;
    code.set([0, 0, field | (slot << 4), most, text.length, ...words], step);
    code[last] = step;
    this.#used = step + stepAt.text + words.length;
    return step;
  }
}

/** The last four bytes may overlap with those before. */
function packed(text: Uint8Array): readonly number[] {
  const last = Math.max(0, text.length - 4);
  return Array.from({ length: Math.ceil(text.length / 4) }, (_, word) =>
    [3, 2, 1, 0].reduce((bits, byte) => (bits << 8) | (text[Math.min(word * 4, last) + byte] ?? 0), 0),
  );
}
