// The devices of the host as they were read last: after a change only those are asked that it is about, and all of them every
// so often, and whenever that may not be enough.
import { type BridgePort, bridgePorts } from '../apply/live/presence.ts';
import type { LiveFacts } from '../topology/live.ts';
import { readBeside, readChanged, readFacts } from '../topology/read.ts';
import type { Aside } from './aside.ts';
import { type AskLinks, askedDevices } from './asked-devices.ts';
import type { Changed, ChangedLinks } from './changed-links.ts';

/** What `ip` says of so many is read by this process; of more it is megabytes. */
const fewLinks = 256;

/** Devices of one moment: as ports, and all that is said of them. */
export type Seen = { readonly ports: readonly BridgePort[]; readonly facts: LiveFacts };

export class SeenHost {
  readonly #aside: Aside;
  readonly #changed: ChangedLinks;
  readonly #ask: AskLinks;
  #seen: Seen | undefined;

  constructor(aside: Aside, changed: ChangedLinks, ask: AskLinks) {
    this.#aside = aside;
    this.#changed = changed;
    this.#ask = ask;
  }

  /** Asks the devices that may have changed since, or all of them. @throws HostError, and all are asked the next time */
  async look(at: 'all' | 'changed'): Promise<Seen> {
    const changed = this.#changed.take();
    const before = this.#seen?.facts;
    this.#seen = undefined;
    const isEnough = at === 'changed' && changed !== undefined && before !== undefined;
    const facts = (isEnough ? await readSome(before, changed, this.#ask) : undefined) ?? (await this.#all(before));
    this.#seen = { ports: bridgePorts(facts), facts };
    return this.#seen;
  }

  #all(before: LiveFacts | undefined): Promise<LiveFacts> {
    return (before?.links.length ?? Number.POSITIVE_INFINITY) <= fewLinks
      ? readFacts()
      : this.#aside('facts', undefined);
  }
}

/** Undefined when all have to be asked. @throws HostError as `readHost` */
export async function readSome(
  before: LiveFacts,
  { names, indices }: Changed,
  ask: AskLinks,
): Promise<LiveFacts | undefined> {
  const known = before.links.filter(({ ifindex }) => indices.has(ifindex));
  const all = new Set([...names, ...known.map(({ ifname }) => ifname)]);
  const devices = await askedDevices(before, all, ask);
  const beside = devices === undefined ? undefined : await readBeside(before, all, devices);
  return beside ?? readChanged(before, all);
}
