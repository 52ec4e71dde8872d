// Which rules should be loaded, told apart cheaply: the generation's number and files are read only when it is another one.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { readPending, timerPid } from '../apply/live/pending.ts';
import { confirmedId, generationName } from '../apply/live/state.ts';
import type { Aside } from './aside.ts';
import type { Applied } from './aside-work.ts';

export class AppliedRules {
  readonly #state: string;
  readonly #aside: Aside;
  #mark = '';
  #applied: Applied | undefined;

  constructor(state: string, aside: Aside) {
    this.#state = state;
    this.#aside = aside;
  }

  /** Undefined when nothing was ever applied. @throws HostError 'unreadable' */
  async now(): Promise<{ readonly applied: Applied | undefined; readonly isOther: boolean }> {
    const mark = this.#markNow();
    const isOther = mark !== this.#mark;
    if (isOther) {
      this.#applied = await this.#aside('applied', undefined);
      this.#mark = mark;
    }
    return { applied: this.#applied, isOther };
  }

  /** A refresh writes the generation anew: that is no other one. What somebody applied meanwhile is one. */
  isOurs(): void {
    const mark = this.#markNow();
    if (generationOf(mark) === generationOf(this.#mark)) this.#mark = mark;
  }

  /** The time of a change that waits is over, and who should take it back is dead. */
  isOverdue(): boolean {
    const pending = readPending(this.#state);
    return pending?.stage === 'armed' && Date.now() > pending.journal.deadline && timerPid(this.#state) === undefined;
  }

  #markNow(): string {
    const pending = readPending(this.#state);
    const waits = pending?.stage === 'armed' || pending?.stage === 'confirmed';
    const id = waits ? pending?.journal.generation : confirmedId(this.#state);
    if (id === undefined) return 'none';
    const file = join(this.#state, 'generations', generationName(id), 'generation.json');
    const stat = statSync(file, { throwIfNoEntry: false, bigint: true });
    return `${id} ${pending?.stage ?? ''} ${stat?.ino} ${stat?.mtimeNs}`;
  }
}

/** Number and stage; the rest changes with every refresh. */
function generationOf(mark: string): string {
  return mark.split(' ').slice(0, 2).join(' ');
}
