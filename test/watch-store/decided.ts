// What sightings make of events, as the program decides it.
import { Dedupe } from '../../src/watch/dedupe.ts';
import { type Seen, type Sighting, seenFirst } from '../../src/watch/same-text.ts';
import { textOf } from './schedules.ts';

export class Decided {
  readonly events = new Map<number, Seen>();
  readonly texts = new Map<number, string>();
  readonly #dedupe: Dedupe;

  /** With a capacity, what is not in memory any more is asked for. */
  constructor(capacity?: number) {
    const recall = (sighting: Sighting, from: number, to: number): readonly Seen[] => {
      const { host, us } = sighting;
      const text = textOf(sighting);
      return [...this.events.values()]
        .filter((seen) => seen.host === host && this.texts.get(seen.id) === text)
        .filter((seen) => (us !== undefined && seen.us === us) || isWithin(seen, from, to, us))
        .map((seen) => ({ ...seen, moved: false, slot: -1 }));
    };
    this.#dedupe = new Dedupe(capacity === undefined ? {} : { capacity, recall });
  }

  see(sighting: Sighting): { readonly id: number; readonly isNew: boolean; readonly gotStamp: boolean } {
    const stamps = new Map([...this.events].map(([id, { us }]) => [id, us]));
    const known = this.#dedupe.find(sighting);
    if (known !== undefined) {
      this.events.set(known.id, known);
      return { id: known.id, isNew: false, gotStamp: stamps.get(known.id) === undefined && known.us !== undefined };
    }
    const id = this.events.size + 1;
    this.#dedupe.add(id, sighting);
    this.events.set(id, seenFirst(id, sighting));
    this.texts.set(id, textOf(sighting));
    return { id, isNew: true, gotStamp: false };
  }
}

function isWithin({ wall, wallSpan, us }: Seen, from: number, to: number, wanted: number | undefined): boolean {
  if (wall === undefined || (wanted !== undefined && us !== undefined)) return false;
  return wall + wallSpan >= from && wall <= to;
}
