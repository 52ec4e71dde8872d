// How far events reach: by host the latest time, and the last stamp of each boot. What comes behind all of that can be
// none of them. Most lines are of the host and the boot of the line before: these are not looked up again.
import { type Seen, type Sighting, windowMs } from './same-text.ts';

/** By host. */
export type Edges = Readonly<Record<string, Edge>>;

export type Edge = {
  readonly wall: number;
  /** The latest event without a stamp. */
  readonly unstamped: number;
  readonly us: number;
  /** The last stamp of each boot; '' are those of which nobody knows. */
  readonly epochs: Readonly<Record<string, number>>;
};

type Boot = { readonly epoch: string; us: number };

class HostEdge {
  wall: number;
  unstamped: number;
  us: number;
  readonly #boots = new Map<string, Boot>();
  #latest: Boot | undefined;

  constructor({ wall, unstamped, us, epochs }: Edge) {
    this.wall = wall;
    this.unstamped = unstamped;
    this.us = us;
    for (const [epoch, last] of Object.entries(epochs)) this.#boots.set(epoch, { epoch, us: last });
  }

  get plain(): Edge {
    const { wall, unstamped, us } = this;
    return { wall, unstamped, us, epochs: Object.fromEntries([...this.#boots].map(([name, last]) => [name, last.us])) };
  }

  extend(epoch: string, us: number, until: number): void {
    if (until > this.wall) this.wall = until;
    if (Number.isNaN(us)) {
      if (until > this.unstamped) this.unstamped = until;
      return;
    }
    if (us > this.us) this.us = us;
    const boot = this.#boot(epoch);
    if (us > boot.us) boot.us = us;
  }

  #boot(epoch: string): Boot {
    if (this.#latest?.epoch === epoch) return this.#latest;
    const boot = this.#boots.get(epoch) ?? { epoch, us: -1 };
    this.#boots.set(epoch, boot);
    this.#latest = boot;
    return boot;
  }

  lastStamp(epoch: string | undefined): number {
    if (epoch === undefined) return this.us;
    return Math.max(this.#boots.get(epoch)?.us ?? -1, this.#boots.get('')?.us ?? -1);
  }
}

export class HostEdges {
  readonly #hosts = new Map<string, HostEdge>();
  #latestHost: string | undefined;
  #latest: HostEdge | undefined;

  constructor(edges: Edges) {
    for (const [host, edge] of Object.entries(edges)) this.#hosts.set(host, new HostEdge(edge));
  }

  get plain(): Edges {
    return Object.fromEntries([...this.#hosts].map(([host, edge]) => [host, edge.plain]));
  }

  /** With a stamp and a time, or NaN for what is not known. */
  extend(host: string, epoch: string | undefined, us: number, until: number): void {
    const edge = this.#of(host) ?? this.#begin(host);
    edge.extend(epoch ?? '', us, until);
  }

  extendBy({ host, epoch, us, wall, wallSpan }: Seen): void {
    this.extend(host, epoch, us ?? Number.NaN, wall === undefined ? Number.NaN : wall + wallSpan);
  }

  #begin(host: string): HostEdge {
    const edge = new HostEdge({ wall: -1, unstamped: -1, us: -1, epochs: {} });
    this.#hosts.set(host, edge);
    this.#latest = edge;
    return edge;
  }

  /** None of the events within these edges can be what was seen. */
  isBehind({ host, epoch, us, wall }: Sighting): boolean {
    const edge = this.#of(host);
    if (edge === undefined) return true;
    const earliest = wall === undefined ? undefined : wall - windowMs;
    if (us === undefined) return earliest === undefined || earliest > edge.wall;
    return us > edge.lastStamp(epoch) && (earliest === undefined || earliest > edge.unstamped);
  }

  #of(host: string): HostEdge | undefined {
    if (host !== this.#latestHost) {
      this.#latestHost = host;
      this.#latest = this.#hosts.get(host);
    }
    return this.#latest;
  }
}
