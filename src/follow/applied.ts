// Which rules should be loaded, told apart cheaply: the generation's number and files are read only when it is another one.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { readPending, timerPid } from '../apply/live/pending.ts';
import { confirmedId, generationName } from '../apply/live/state.ts';
import type { Aside } from './aside.ts';
import type { Applied } from './aside-work.ts';
import type { GenerationOutcome, Happening } from './happening.ts';

type AppliedNow = {
  readonly applied: Applied | undefined;
  readonly isOther: boolean;
  /** What became of them since the last look. */
  readonly news?: Happening;
};

export class AppliedRules {
  readonly #state: string;
  readonly #aside: Aside;
  #mark = '';
  #inForce: InForce | undefined;
  #applied: Applied | undefined;

  constructor(state: string, aside: Aside) {
    this.#state = state;
    this.#aside = aside;
  }

  /** Undefined when nothing was ever applied. @throws HostError 'unreadable' */
  async now(): Promise<AppliedNow> {
    const mark = this.#markNow();
    if (mark === this.#mark) return { applied: this.#applied, isOther: false };
    this.#applied = await this.#aside('applied', undefined);
    this.#mark = mark;
    const before = this.#inForce;
    const now = inForceOf(mark);
    this.#inForce = now;
    const news = before === undefined ? undefined : newsOf(before, now);
    return { applied: this.#applied, isOther: true, ...(news !== undefined && { news }) };
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

/** The number of a generation, and whether a timer would take it back. */
type InForce = { readonly id: number | undefined; readonly isWaiting: boolean };

function inForceOf(mark: string): InForce {
  const [id, stage] = mark.split(' ');
  return { id: id === 'none' ? undefined : Number(id), isWaiting: stage === 'armed' };
}

/** Numbers grow: a smaller one than before is what was in force before it. */
function newsOf(before: InForce, now: InForce): Happening | undefined {
  const happening = (outcome: GenerationOutcome, words: string): Happening => ({ kind: 'generation', outcome, words });
  if (before.id === now.id) {
    return before.isWaiting && !now.isWaiting
      ? happening('confirmed', `generation ${now.id} was confirmed`)
      : undefined;
  }
  if (now.id === undefined) return happening('taken-back', `generation ${before.id} was taken back: none is in force`);
  if (before.id !== undefined && now.id < before.id) {
    return happening('taken-back', `generation ${before.id} was taken back: ${now.id} is in force again`);
  }
  return now.isWaiting
    ? happening('waits', `generation ${now.id} is loaded, and waits for its confirmation`)
    : happening('applied', `generation ${now.id} was applied`);
}
