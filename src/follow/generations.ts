// Who changed which rules: by what the kernel tells (netlink/notices.ts), or where nobody carries that, by what `nft monitor` prints.
// A transaction ends with the name of its process; what was said before only says which tables it was about.
import type { Notice } from '../netlink/notices.ts';
import type { Reason } from './wakes.ts';

const endPattern = /^# new generation \d+(?: by process (\d+) \(.*\))?$/;
const tablePattern = /\b(?:bridge|ip) (?:bk|bk_present|filter)\b/;
/** The kernel had more to tell than was read in time. */
const lossPattern = /lost some netlink events/i;
/** A set that nft does not know any more, as after tables were made anew. */
const unknownPattern = /^W: /;

const everything: readonly Reason[] = ['rules', 'presence', 'others'];

/** By family and name. */
const reasonsOf: ReadonlyMap<string, Reason> = new Map([
  ['bridge bk', 'rules'],
  ['ip bk', 'rules'],
  ['bridge bk_present', 'presence'],
  // our chains may stand in there, or rules that keep guests from each other
  ['ip filter', 'rules'],
]);

/** Reasons to look, from transactions that have ended and were not ours. */
export class Generations {
  readonly #isOwn: (pid: number) => boolean;
  #rest = '';
  readonly #reasons = new Set<Reason>();
  #isEmpty = true;

  /** @param isOwn whether this process is one that we started */
  constructor(isOwn: (pid: number) => boolean) {
    this.#isOwn = isOwn;
  }

  told(notice: Notice): readonly Reason[] {
    if (notice.kind === 'end') return this.#end(notice.pid);
    this.#change(`${notice.family} ${notice.table}`);
    return [];
  }

  /** @param text of `nft monitor`, in whatever pieces */
  printed(text: string): readonly Reason[] {
    const lines = `${this.#rest}${text}`.split('\n');
    this.#rest = lines.pop() ?? '';
    return lines.flatMap((line) => this.#line(line));
  }

  /** Notices are missing: what comes next may be the end of a transaction whose beginning nobody heard. */
  lost(): readonly Reason[] {
    return everything;
  }

  #line(line: string): readonly Reason[] {
    if (lossPattern.test(line)) return this.lost();
    const end = endPattern.exec(line);
    if (end !== null) return this.#end(end[1] === undefined ? undefined : Number(end[1]));
    if (unknownPattern.test(line)) for (const reason of everything) this.#reasons.add(reason);
    this.#change(tablePattern.exec(line)?.[0]);
    return [];
  }

  #change(table: string | undefined): void {
    const reason = reasonsOf.get(table ?? '');
    if (reason !== undefined) this.#reasons.add(reason);
    this.#isEmpty = false;
  }

  #end(pid: number | undefined): readonly Reason[] {
    const about = this.#isEmpty ? everything : [...this.#reasons.add('others')];
    this.#reasons.clear();
    this.#isEmpty = true;
    return pid !== undefined && this.#isOwn(pid) ? [] : about;
  }
}
