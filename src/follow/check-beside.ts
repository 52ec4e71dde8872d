// A check of our rules, which takes seconds on a large host, beside the looks that events ask for. What it found counts only if
// nothing was loaded meanwhile; a check after one in vain has to be waited for, so that what is open is not open for long.
import type { Aside } from './aside.ts';
import type { Checked } from './aside-work.ts';

type Running = {
  /** Gives what was found, or throws; undefined as long as it is not over. */
  end?: () => Checked | undefined;
  isOutdated: boolean;
  readonly over: Promise<void>;
};

export type Taken = {
  /** Undefined when it was in vain. */
  readonly checked?: Checked | undefined;
  /** Whether there was a reason for another one since it began, or it was in vain. */
  readonly again: boolean;
};

/** Everything would have been made anew while a check runs, which would then find nothing to tell. */
export class CheckFirst extends Error {}

export class CheckBeside {
  readonly #aside: Aside;
  readonly #ended: () => void;
  #running: Running | undefined;
  #isWanted = false;
  #wasInVain = false;

  /** @param ended called when there is something to take */
  constructor(aside: Aside, ended: () => void) {
    this.#aside = aside;
    this.#ended = ended;
  }

  /** One runs, or is over, of which something may be learnt. */
  get isOfUse(): boolean {
    return this.#running?.isOutdated === false;
  }

  /** Others loaded something during the last one. */
  get wasInVain(): boolean {
    return this.#wasInVain;
  }

  /** One that runs already does not know of the reason for this one. Undefined then; otherwise until it is over. */
  begin(): Promise<void> | undefined {
    if (this.#running !== undefined) {
      this.#isWanted = true;
      return undefined;
    }
    const running: Running = { isOutdated: false, over: this.#run((end) => Object.assign(running, { end })) };
    this.#running = running;
    return running.over;
  }

  async #run(over: (end: () => Checked | undefined) => void): Promise<void> {
    try {
      const checked = await this.#aside('driftBeside', undefined);
      over(() => checked);
    } catch (error) {
      over(() => {
        throw error;
      });
    }
    this.#ended();
  }

  /** Everything is being checked or made anew: what one finds that began before is of no use. */
  outdate(): void {
    if (this.#running !== undefined) this.#running.isOutdated = true;
    this.#isWanted = false;
    this.#wasInVain = false;
  }

  /** What became of one that is over, once. @throws what the check threw */
  take(): Taken | undefined {
    const { end, isOutdated } = this.#running ?? {};
    if (end === undefined) return undefined;
    const again = this.#isWanted;
    this.#running = undefined;
    this.#isWanted = false;
    if (isOutdated === true) return { again };
    const checked = end();
    this.#wasInVain = checked === undefined;
    return { checked, again: again || this.#wasInVain };
  }

  /** Until none runs. */
  async end(): Promise<void> {
    await this.#running?.over;
  }
}
