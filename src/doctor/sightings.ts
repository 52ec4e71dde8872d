// Where a probe was seen. A place that was not asked says nothing; one that has it proves that all before it works.

export type Sightings = {
  /** `BKPROBE-` and twelve hex digits, the last four of the machine's clock. */
  readonly nonce: string;
  /** Why no packet was sent, or `undefined` when one was. */
  readonly unsent: string | undefined;
  /** What the sender was told, when the packet was refused on its way. */
  readonly refusal: string | undefined;
  /** Packets that the rule has seen; `undefined` when it could not be read. */
  readonly counter: number | undefined;
  /** The ring went round while it was looked for: that it is not there says nothing. */
  readonly overrun: boolean;
  /** Of its chain at the hook `output`: what is asked before it can drop the packet. */
  readonly priority: number;
  /** `dmesg`, `kmsg`, `journal` or the path of a file -> how often it stood there. */
  readonly seen: ReadonlyMap<string, number>;
};

/** A log line was written somewhere: whoever has none lost it. */
export function arrived({ seen }: Sightings): boolean {
  return [...seen.values()].some((count) => count > 0);
}

/** `undefined`: it was not asked there, or there was nothing to be seen. */
export function sightingsAt(probe: Sightings | undefined, place: string): number | undefined {
  if (probe === undefined || !arrived(probe)) return undefined;
  const count = probe.seen.get(place);
  return count === 0 && probe.overrun ? undefined : count;
}
