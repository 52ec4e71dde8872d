// Events with one and the same text, and which of them a further sighting shows. A few are simply gone through; a crowd,
// as a flood of identical packets makes, is kept in order. Both decide alike.

/** One line as one source showed it. */
export type Sighting = {
  /** Who saw it: one reading of one source. */
  readonly witness: number;
  /** Lines of two machines are never the same event. */
  readonly host: string;
  /** The first `length` bytes of it, and `hashOf` of them. They are copied where they are kept. */
  readonly text: Uint8Array;
  readonly length: number;
  readonly hash: number;
  /** Boot id, where the source knows it. */
  readonly epoch?: string | undefined;
  /** Microseconds of the kernel's clock. */
  readonly us?: number | undefined;
  /** Milliseconds since 1970, and how much later the true time may be. */
  readonly wall?: number | undefined;
  readonly wallSpan?: number | undefined;
  /** Of the kernel's ring: one number, one record. */
  readonly sequence?: number | undefined;
  readonly trust: number;
};

/** An event, and what is known of it by all of its witnesses together. */
export type Seen = {
  readonly id: number;
  readonly host: string;
  epoch: string | undefined;
  us: number | undefined;
  wall: number | undefined;
  wallSpan: number;
  sequence: number | undefined;
  trust: number;
  witnesses: readonly number[];
  /** Its time or its stamp is not what it was when somebody set this to false. */
  moved: boolean;
  /** Where it is remembered; below zero when it is not. */
  slot: number;
};

/** An event as the first sighting shows it. */
export function seenFirst(
  id: number,
  { host, epoch, us, wall, wallSpan = 0, sequence, trust, witness }: Sighting,
): Seen {
  return { id, host, epoch, us, wall, wallSpan, sequence, trust, witnesses: [witness], moved: false, slot: -1 };
}

/** The clocks of daemons differ from the kernel's. */
export const windowMs = 2_000;
/** imklog writes what it finds at its start with the time of its start; stamp and text alike are proof enough. */
const lateMs = 24 * 3_600_000;

/** A better witness makes the event better known. `beforeMove` is called when its place among the others will change. */
export function improve(seen: Seen, sighting: Sighting, beforeMove: () => void): boolean {
  const { epoch, us, wall, wallSpan = 0, sequence, trust, witness } = sighting;
  const isBetterTime = wall !== undefined && (seen.wall === undefined || rank(sighting) > rank(seen));
  const moves = isBetterTime || (us !== undefined && seen.us === undefined);
  if (moves) beforeMove();
  seen.moved ||= moves;
  if (isBetterTime) {
    seen.wall = wall;
    seen.wallSpan = wallSpan;
  }
  seen.us ??= us;
  seen.epoch ??= epoch;
  seen.sequence ??= sequence;
  if (trust > seen.trust) seen.trust = trust;
  seen.witnesses = [...seen.witnesses, witness];
  return moves;
}

/** Who knows the boot has the time from the kernel's clock; others from when they were told. */
function rank({ epoch, wallSpan = 0 }: Pick<Sighting, 'epoch' | 'wallSpan'>): number {
  if (epoch !== undefined) return 2;
  return wallSpan === 0 ? 1 : 0;
}

/** Nearly all texts are those of one event only: it needs no list. */
export type Same = Seen | Few | Crowd;

/** Going through all of them. */
export class Few {
  readonly events: Seen[];

  constructor(events: Seen[]) {
    this.events = events;
  }

  has(id: number): boolean {
    return this.events.some((event) => event.id === id);
  }

  remove(seen: Seen): void {
    const at = this.events.indexOf(seen);
    if (at >= 0) this.events.splice(at, 1);
  }
}

export function matchIn(same: Same, sighting: Sighting): Seen | undefined {
  if (same instanceof Crowd) return same.match(sighting);
  return matchAmong(same instanceof Few ? same.events : [same], sighting);
}

export function hasId(same: Same | undefined, id: number): boolean {
  if (same === undefined) return false;
  return same instanceof Few || same instanceof Crowd ? same.has(id) : same.id === id;
}

/** Which of these it is. */
export function matchAmong(events: readonly Seen[], sighting: Sighting): Seen | undefined {
  return exactly(events, sighting) ?? earliestNear(events, sighting);
}

/** In the order of time the n-th of one source is the n-th of the other. */
function earliestNear(events: readonly Seen[], sighting: Sighting): Seen | undefined {
  let earliest: Seen | undefined;
  for (const event of events) {
    if (!isOpenTo(sighting, event) || !isNear(sighting, event)) continue;
    if (earliest === undefined || inOrder(event, earliest) < 0) earliest = event;
  }
  return earliest;
}

/** In the order of time and by stamp. */
export class Crowd {
  /** Those with a time, in its order. */
  readonly #timeline: Seen[] = [];
  /** Those of them without a stamp. */
  readonly #unstamped: Seen[] = [];
  readonly #byStamp = new Map<number, Seen[]>();
  readonly #byId = new Map<number, Seen>();
  /** By witness: the last event that it was the first to see. */
  readonly #firstOf = new Map<number, Seen>();
  /** Up to where the timeline holds nothing more for a witness that comes in the order of time. */
  readonly #passed = new Map<number, { at: number; wall: number }>();
  #widest = 0;

  constructor(events: readonly Seen[]) {
    for (const event of events) this.insert(event);
  }

  get size(): number {
    return this.#byId.size;
  }

  /** Any of them: all have the same text. */
  get any(): Seen | undefined {
    return this.#byId.values().next().value;
  }

  has(id: number): boolean {
    return this.#byId.has(id);
  }

  insert(seen: Seen): void {
    this.#byId.set(seen.id, seen);
    const [first] = seen.witnesses;
    if (first !== undefined) this.#firstOf.set(first, seen);
    this.#widest = Math.max(this.#widest, seen.wallSpan);
    if (seen.us !== undefined) this.#byStamp.set(seen.us, [...(this.#byStamp.get(seen.us) ?? []), seen]);
    if (seen.wall === undefined) return;
    const at = insertInOrder(this.#timeline, seen);
    for (const passed of this.#passed.values()) passed.at = Math.min(passed.at, at);
    if (seen.us === undefined) insertInOrder(this.#unstamped, seen);
  }

  remove(seen: Seen): void {
    this.#byId.delete(seen.id);
    if (seen.us !== undefined) {
      const rest = (this.#byStamp.get(seen.us) ?? []).filter((event) => event !== seen);
      if (rest.length === 0) this.#byStamp.delete(seen.us);
      else this.#byStamp.set(seen.us, rest);
    }
    if (seen.wall === undefined) return;
    const at = removeInOrder(this.#timeline, seen);
    for (const passed of this.#passed.values()) if (passed.at > at) passed.at--;
    if (seen.us === undefined) removeInOrder(this.#unstamped, seen);
  }

  /**
   * The witness has shown this line for this very moment before, and it was an event that nobody knew: nothing that is
   * kept elsewhere can be meant by its further ones.
   */
  isFirstOf(sighting: Sighting): boolean {
    const event = this.#firstOf.get(sighting.witness);
    return event !== undefined && isSameMoment(event, sighting);
  }

  match(sighting: Sighting): Seen | undefined {
    const { us } = sighting;
    if (us === undefined) return this.#next(sighting);
    return exactly(this.#byStamp.get(us) ?? [], sighting) ?? this.#firstUnstamped(sighting);
  }

  #firstUnstamped(sighting: Sighting): Seen | undefined {
    const { wall, wallSpan = 0 } = sighting;
    if (wall === undefined) return undefined;
    for (let at = this.#begin(this.#unstamped, wall); at < this.#unstamped.length; at++) {
      const event = this.#unstamped[at];
      if (event?.wall === undefined || event.wall > wall + wallSpan + windowMs) return undefined;
      if (isOpenTo(sighting, event) && isNear(sighting, event)) return event;
    }
    return undefined;
  }

  /** For sightings without a stamp. What is passed over is known to the witness, or too old for it. */
  #next(sighting: Sighting): Seen | undefined {
    const { witness, wall, wallSpan = 0 } = sighting;
    if (wall === undefined) return undefined;
    const passed = this.#passed.get(witness);
    let at = passed === undefined || wall < passed.wall ? this.#begin(this.#timeline, wall) : passed.at;
    for (; at < this.#timeline.length; at++) {
      const event = this.#timeline[at];
      if (event?.wall === undefined || event.wall > wall + wallSpan + windowMs) break;
      if (isOpenTo(sighting, event) && isNear(sighting, event)) {
        this.#passed.set(witness, { at, wall });
        return event;
      }
    }
    this.#passed.set(witness, { at, wall });
    return undefined;
  }

  /** The first that may still be near. */
  #begin(events: readonly Seen[], wall: number): number {
    return indexInOrder(events, { wall: wall - windowMs - this.#widest, id: -1 });
  }
}

/**
 * By the kernel's stamp. One boot's stamp is another's only where nobody knows which boot it was. Of several the one
 * with the same number in the ring is meant; else the first one, as the n-th of one source is the n-th of the other.
 */
function exactly(events: readonly Seen[], sighting: Sighting): Seen | undefined {
  let best: Seen | undefined;
  for (const event of events) {
    if (event.us !== sighting.us || event.us === undefined || !isSameBoot(event, sighting)) continue;
    const isKnown = event.witnesses.includes(sighting.witness);
    if (event.sequence !== undefined && sighting.sequence !== undefined) {
      if (event.sequence === sighting.sequence) return event; // also when it is read for a second time
      continue;
    }
    if (!isKnown && (best === undefined || isBetter(event, best, sighting))) best = event;
  }
  return best;
}

function isSameBoot(event: Seen, { epoch, wall }: Sighting): boolean {
  if (event.epoch !== undefined && epoch !== undefined) return event.epoch === epoch;
  return event.wall === undefined || wall === undefined || Math.abs(event.wall - wall) <= lateMs;
}

function isBetter(event: Seen, best: Seen, sighting: Sighting): boolean {
  const byBoot = Number(event.epoch === sighting.epoch) - Number(best.epoch === sighting.epoch);
  if (byBoot !== 0) return byBoot > 0;
  const byTime = distance(event, sighting) - distance(best, sighting);
  return byTime === 0 ? event.id < best.id : byTime < 0;
}

function distance({ wall }: Seen, sighting: Sighting): number {
  return wall === undefined || sighting.wall === undefined ? 0 : Math.abs(wall - sighting.wall);
}

/** Without a stamp on one side time must do; two stamps that differ are two events. */
function isOpenTo({ us, witness }: Sighting, event: Seen): boolean {
  return (us === undefined || event.us === undefined) && !event.witnesses.includes(witness);
}

function isNear({ wall, wallSpan = 0 }: Sighting, event: Seen): boolean {
  if (wall === undefined || event.wall === undefined) return false;
  return wall <= event.wall + event.wallSpan + windowMs && wall + wallSpan >= event.wall - windowMs;
}

/** What has a number in the ring is known by that. */
function isSameMoment(event: Seen, { us, wall, wallSpan = 0, sequence }: Sighting): boolean {
  return sequence === undefined && event.us === us && event.wall === wall && event.wallSpan === wallSpan;
}

type Ordered = Pick<Seen, 'id' | 'wall'>;

function inOrder(a: Ordered, b: Ordered): number {
  return (a.wall ?? 0) - (b.wall ?? 0) || a.id - b.id;
}

/** The index of the first that is not before. */
function indexInOrder(events: readonly Seen[], wanted: Ordered): number {
  let low = 0;
  let high = events.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const event = events[middle];
    if (event !== undefined && inOrder(event, wanted) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function insertInOrder(events: Seen[], seen: Seen): number {
  const last = events.at(-1);
  const at = last === undefined || inOrder(last, seen) < 0 ? events.length : indexInOrder(events, seen);
  events.splice(at, 0, seen);
  return at;
}

function removeInOrder(events: Seen[], seen: Seen): number {
  const at = indexInOrder(events, seen);
  if (events[at] === seen) events.splice(at, 1);
  return at;
}
