// Lines of one log, one after the other: what the earlier ones showed of MACs and of attackers counts for the next.
import type { LogEvent } from '../model/log-event.ts';
import { explainEvent } from './explain.ts';
import type { Explanation } from './explanation.ts';
import { SeenMacs } from './seen-macs.ts';
import type { Site } from './site.ts';
import { Witnesses } from './witnesses.ts';

export class Explainer {
  readonly site: Site;
  readonly #seen: SeenMacs;
  readonly #witnesses = new Witnesses();

  constructor(site: Site) {
    this.site = site;
    this.#seen = new SeenMacs(site);
  }

  /** `saidHost`: the machine that the line itself names. */
  explain(event: LogEvent, saidHost?: string): Explanation {
    this.#seen.learn(event);
    const explanation = explainEvent(event, this.site, { seen: this.#seen, witnesses: this.#witnesses, saidHost });
    this.#witnesses.learn(explanation);
    return explanation;
  }
}
