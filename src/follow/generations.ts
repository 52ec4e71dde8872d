// What `nft monitor` prints -> who changed which rules. Each transaction ends with a line that names its process; what it
// printed before only says which tables it was about.
import type { Reason } from './wakes.ts';

const endPattern = /^# new generation \d+(?: by process (\d+) \(.*\))?$/;
const ownPattern = /\b(?:bridge|ip) bk\b/;
const presencePattern = /\bbridge bk_present\b/;
const filterPattern = /\bip filter\b/;
/** The kernel had more to tell than was read in time. */
const lossPattern = /lost some netlink events/i;
/** A set that nft does not know any more, as after tables were made anew. */
const unknownPattern = /^W: /;

const everything: readonly Reason[] = ['rules', 'presence', 'others'];

export class Generations {
  readonly #isOwn: (pid: number) => boolean;
  #rest = '';
  readonly #reasons = new Set<Reason>();
  #isEmpty = true;

  /** @param isOwn whether this process is one that we started */
  constructor(isOwn: (pid: number) => boolean) {
    this.#isOwn = isOwn;
  }

  /** Reasons to look, from transactions that have ended and were not ours. */
  heard(text: string): readonly Reason[] {
    const lines = `${this.#rest}${text}`.split('\n');
    this.#rest = lines.pop() ?? '';
    return lines.flatMap((line) => this.#line(line));
  }

  #line(line: string): readonly Reason[] {
    const end = endPattern.exec(line);
    if (end === null) {
      if (lossPattern.test(line)) return everything;
      this.#isEmpty = false;
      if (unknownPattern.test(line)) for (const reason of everything) this.#reasons.add(reason);
      if (ownPattern.test(line)) this.#reasons.add('rules');
      if (presencePattern.test(line)) this.#reasons.add('presence');
      // our chains may stand in there, or rules that keep guests from each other
      if (filterPattern.test(line)) this.#reasons.add('rules');
      return [];
    }
    const about = this.#isEmpty ? everything : [...this.#reasons.add('others')];
    this.#reasons.clear();
    this.#isEmpty = true;
    return this.#isOwn(Number(end[1])) ? [] : about;
  }
}
