// Which sightings are one event, said slowly: every event is kept for ever, and every sighting is held against each.
import type { Sighting } from '../../src/watch/same-text.ts';
import { textOf } from './schedules.ts';

export type SlowEvent = {
  readonly id: number;
  readonly host: string;
  readonly text: string;
  epoch?: string | undefined;
  us?: number | undefined;
  wall?: number | undefined;
  wallSpan: number;
  sequence?: number | undefined;
  trust: number;
  readonly witnesses: number[];
};

const windowMs = 2_000;
const dayMs = 24 * 3_600_000;

export class SlowDedupe {
  readonly events: SlowEvent[] = [];

  see(sighting: Sighting): { readonly event: SlowEvent; readonly isNew: boolean } {
    const known = this.#known(sighting);
    if (known === undefined) {
      const { witness, host, epoch, us, wall, wallSpan = 0, sequence, trust } = sighting;
      const facts = { host, text: textOf(sighting), epoch, us, wall, wallSpan, sequence, trust };
      const event = { ...facts, id: this.events.length + 1, witnesses: [witness] };
      this.events.push(event);
      return { event, isNew: true };
    }
    if (!known.witnesses.includes(sighting.witness)) better(known, sighting);
    return { event: known, isNew: false };
  }

  #known(sighting: Sighting): SlowEvent | undefined {
    const wanted = textOf(sighting);
    const same = this.events.filter(({ host, text }) => host === sighting.host && text === wanted);
    const unseen = same.filter(({ witnesses }) => !witnesses.includes(sighting.witness));
    if (sighting.us === undefined) return earliest(unseen.filter((event) => isNear(event, sighting)));
    const stamped = same.filter((event) => event.us === sighting.us && isOneBoot(event, sighting));
    const numbered = stamped.find(({ sequence }) => sequence !== undefined && sequence === sighting.sequence);
    const unnumbered = stamped.filter(({ sequence }) => sequence === undefined || sighting.sequence === undefined);
    return (
      numbered ??
      bestStamped(
        unnumbered.filter((event) => unseen.includes(event)),
        sighting,
      ) ??
      earliest(unseen.filter((event) => event.us === undefined && isNear(event, sighting)))
    );
  }
}

function isNear(event: SlowEvent, { wall, wallSpan = 0 }: Sighting): boolean {
  if (wall === undefined || event.wall === undefined) return false;
  const apart = Math.max(wall - (event.wall + event.wallSpan), event.wall - (wall + wallSpan));
  return apart <= windowMs;
}

/** A boot that nobody names is told from others by the time. */
function isOneBoot({ epoch, wall }: SlowEvent, sighting: Sighting): boolean {
  if (epoch !== undefined && sighting.epoch !== undefined) return epoch === sighting.epoch;
  return wall === undefined || sighting.wall === undefined || Math.abs(wall - sighting.wall) <= dayMs;
}

function earliest(events: readonly SlowEvent[]): SlowEvent | undefined {
  return [...events].sort((a, b) => (a.wall ?? 0) - (b.wall ?? 0) || a.id - b.id)[0];
}

function bestStamped(events: readonly SlowEvent[], { epoch, wall }: Sighting): SlowEvent | undefined {
  const apart = (event: SlowEvent) =>
    event.wall === undefined || wall === undefined ? 0 : Math.abs(event.wall - wall);
  const other = (event: SlowEvent) => Number(event.epoch !== epoch);
  return [...events].sort((a, b) => other(a) - other(b) || apart(a) - apart(b) || a.id - b.id)[0];
}

/** The time of one who knows the boot is the kernel's; exact seconds are better than whole ones. */
function better(event: SlowEvent, { witness, epoch, us, wall, wallSpan = 0, sequence, trust }: Sighting): void {
  const worth = (known: string | undefined, span: number) => (known !== undefined ? 2 : span === 0 ? 1 : 0);
  if (wall !== undefined && (event.wall === undefined || worth(epoch, wallSpan) > worth(event.epoch, event.wallSpan))) {
    event.wall = wall;
    event.wallSpan = wallSpan;
  }
  event.us ??= us;
  event.epoch ??= epoch;
  event.sequence ??= sequence;
  event.trust = Math.max(event.trust, trust);
  event.witnesses.push(witness);
}
