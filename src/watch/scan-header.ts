// Where a log line begins: `PREFIX IN=eth0 OUT=eth1 `. Nothing separates the prefix from IN=, and the prefix may hold
// anything; but no name of an interface holds a blank, so the last ` OUT=` of a line is the kernel's, and IN= is in the
// word before it.
const blank = 32;
const equals = 61;
const letterC = 67;
const letterI = 73;
const letterN = 78;
const letterO = 79;
const letterS = 83;
const letterT = 84;
const letterU = 85;

/** Words that come right behind IN= when OUT= is missing, as pve-firewall writes them. */
const starters = ['SRC=', 'MAC=', 'MACSRC=', 'PHYSIN=', 'PHYSOUT='].map(bytesOf);
const physin = bytesOf('PHYSIN=');
const outKey = bytesOf('OUT=');
const inKey = bytesOf('IN=');

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

function standsAt(bytes: Uint8Array, at: number, end: number, key: Uint8Array): boolean {
  if (at + key.length > end) return false;
  for (let index = 0; index < key.length; index++) if (bytes[at + index] !== key[index]) return false;
  return true;
}

/** Where IN= is. Positions in the line; a name is empty where both of its ends are the same. */
export class HeaderSearch {
  #from = 0;
  #end = 0;
  /** The = of a second IN= in one word. */
  #second = -1;
  /** IN=, and so the end of the prefix. */
  prefixTo = 0;
  inFrom = 0;
  inTo = 0;
  outFrom = 0;
  outTo = 0;
  /** Between IN and OUT, where kernels before 2.6.10 or so had it; -1 elsewhere. */
  physinFrom = -1;
  physinTo = -1;
  /** The word has two IN=: one of them belongs to the prefix or to the interface. */
  twice = false;
  /** With both IN= and OUT=, as every kernel prints it. */
  strong = false;

  /** The first place that may be the header; a later ` OUT=` can still show that it was in the prefix. */
  find(bytes: Uint8Array, from: number, end: number): boolean {
    this.#from = from;
    this.#end = end;
    this.#second = -1;
    for (let at = from + 2; at < end; at++) {
      if (bytes[at] !== equals) continue;
      if (bytes[at - 1] === letterN && bytes[at - 2] === letterI && this.#isUsual(bytes, at)) return true;
      if (this.#beginsAt(bytes, at)) return true;
    }
    return false;
  }

  /** `at`: the = of an IN= that is the only one in its word, and OUT= is the next word. */
  #isUsual(bytes: Uint8Array, at: number): boolean {
    const end = this.#end;
    let out = at + 1;
    while (out < end && bytes[out] !== blank && bytes[out] !== equals) out++;
    const isSecond = at === this.#second;
    if (out < end && bytes[out] === equals) this.#second = out;
    if (isSecond || out + 4 >= end || bytes[out] !== blank || bytes[at - 3] === letterS) return false;
    if (bytes[out + 1] !== letterO || bytes[out + 2] !== letterU || bytes[out + 3] !== letterT) return false;
    if (bytes[out + 4] !== equals) return false;
    this.prefixTo = at - 2;
    this.inFrom = at + 1;
    this.inTo = out;
    this.twice = false;
    this.physinFrom = -1;
    this.strong = true;
    this.outFrom = out + 5;
    out += 5;
    while (out < end && bytes[out] !== blank) out++;
    this.outTo = out;
    return true;
  }

  /** Whether the word that has its first = here comes right behind IN=. */
  #beginsAt(bytes: Uint8Array, at: number): boolean {
    const letter = bytes[at - 1];
    if (letter === letterT && this.strongAt(bytes, at - 3)) return true;
    const isPhysical =
      (letter === letterN && bytes[at - 3] === letterS) || (letter === letterT && bytes[at - 4] === letterS);
    if (letter !== letterC && !isPhysical) return false;
    return starters.some((key) => this.#weakAt(bytes, at - key.length + 1, key));
  }

  /** `at`: a word OUT=. */
  strongAt(bytes: Uint8Array, at: number): boolean {
    if (at <= this.#from || bytes[at - 1] !== blank || !standsAt(bytes, at, this.#end, outKey)) return false;
    const wordTo = this.#wordEndBefore(bytes, at);
    const word = this.#wordStart(bytes, wordTo);
    if (standsAt(bytes, word, wordTo, physin)) {
      const earlierTo = this.#wordEndBefore(bytes, word);
      if (this.#inOf(bytes, this.#wordStart(bytes, earlierTo), earlierTo)) {
        this.physinFrom = word + physin.length;
        this.physinTo = wordTo;
        return this.#outAt(bytes, at);
      }
    }
    if (!this.#inOf(bytes, word, wordTo)) return false;
    this.physinFrom = -1;
    return this.#outAt(bytes, at);
  }

  #outAt(bytes: Uint8Array, at: number): boolean {
    this.strong = true;
    this.outFrom = at + outKey.length;
    this.outTo = this.#wordEnd(bytes, this.outFrom);
    return true;
  }

  /** `start`: a word that may come behind a lone IN= or OUT=. */
  #weakAt(bytes: Uint8Array, start: number, key: Uint8Array): boolean {
    if (start <= this.#from || bytes[start - 1] !== blank || !standsAt(bytes, start, this.#end, key)) return false;
    const wordTo = this.#wordEndBefore(bytes, start);
    const word = this.#wordStart(bytes, wordTo);
    this.strong = false;
    this.physinFrom = -1;
    if (standsAt(bytes, word, wordTo, outKey)) {
      this.prefixTo = word;
      this.inFrom = word;
      this.inTo = word;
      this.twice = false;
      this.outFrom = word + outKey.length;
      this.outTo = wordTo;
      return true;
    }
    this.outFrom = wordTo;
    this.outTo = wordTo;
    // whoever leaves OUT= out puts a blank in front of IN=
    return standsAt(bytes, word, wordTo, inKey) && this.#inOf(bytes, word, wordTo);
  }

  /** The first IN= in a word. */
  #inOf(bytes: Uint8Array, from: number, to: number): boolean {
    let found = -1;
    let twice = false;
    for (let at = from + 2; at < to; at++) {
      if (bytes[at] !== equals || bytes[at - 1] !== letterN || bytes[at - 2] !== letterI) continue;
      if (found < 0) found = at;
      else twice = true;
    }
    if (found < 0) return false;
    this.twice = twice;
    this.prefixTo = found - 2;
    this.inFrom = found + 1;
    this.inTo = to;
    return true;
  }

  /** Every IN= of the word. */
  everyIn(bytes: Uint8Array): readonly number[] {
    const found: number[] = [];
    for (let at = this.prefixTo; at + 3 <= this.inTo; at++) if (standsAt(bytes, at, this.inTo, inKey)) found.push(at);
    return found;
  }

  #wordEnd(bytes: Uint8Array, from: number): number {
    let at = from;
    while (at < this.#end && bytes[at] !== blank) at++;
    return at;
  }

  /** Of the word in front of the one that begins here. */
  #wordEndBefore(bytes: Uint8Array, start: number): number {
    let at = start;
    while (at > this.#from && bytes[at - 1] === blank) at--;
    return at;
  }

  #wordStart(bytes: Uint8Array, end: number): number {
    let at = end;
    while (at > this.#from && bytes[at - 1] !== blank) at--;
    return at;
  }
}
