// The table of devices that were looked at, in the kernel: made anew when nobody knows what is there, changed by elements
// otherwise. It lives as long as somebody follows the host.
import { join } from 'node:path';
import type { Access } from '../../machine/access.ts';
import { failureText, run } from '../../machine/run.ts';
import { HostError } from '../../model/host-error.ts';
import type { IpLink } from '../../topology/ip-json.ts';
import { isPort, type LiveFacts } from '../../topology/live.ts';
import type { Drift } from '../drift.ts';
import {
  isPresence,
  notIn,
  type Presence,
  type PresenceChange,
  type PresentPort,
  presenceChanges,
  presenceDifference,
  presenceElements,
  presenceTable,
  printPresence,
  printPresenceChanges,
} from '../presence.ts';
import { type DirectChange, never } from './direct-change.ts';
import { isLocked } from './lock.ts';

export type BridgePort = PresentPort & { readonly bridge: string };

/** Of thousands of devices few change from one look to the next. */
const known = new WeakMap<IpLink, BridgePort | 'no port'>();

/** Devices on bridges; those with names that no rule can have are left out. */
export function bridgePorts({ links }: Pick<LiveFacts, 'links'>): readonly BridgePort[] {
  return links.map(portOf).filter((port) => port !== 'no port');
}

function portOf(link: IpLink): BridgePort | 'no port' {
  const before = known.get(link);
  if (before !== undefined) return before;
  const { ifname, ifindex, master } = link;
  const isOne = isPort(link) && master !== undefined && /^[A-Za-z0-9_.-]{1,15}$/.test(ifname);
  const port = isOne ? { name: ifname, index: ifindex, bridge: master } : 'no port';
  known.set(link, port);
  return port;
}

/** Of the one that follows the host; the lock of a single change is another one. */
export function followDirectory(state: string): string {
  return join(state, 'serve');
}

/** Nobody follows the host, and the table of one that was killed is still there: what comes now stays closed. */
export async function presenceLeftBehind(access: Access, state: string): Promise<readonly Drift[]> {
  if (isLocked(followDirectory(state))) return [];
  const { code } = await run(access, 'nft', ['list', 'table', ...presenceTable.split(' ')]);
  const words = `\`bridgekeeper serve\` ended without taking table ${presenceTable} away: guests that start stay closed until it runs again`;
  return code === 0 ? [{ kind: 'table', words }] : [];
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** So many that are gone may stay in the table: who they were never comes again, and to delete costs more than to add. */
const mostLeft = 200;

const nothing: Presence = { guests: [], ports: [] };

export class PresenceTable {
  readonly #access: Access;
  readonly #direct: DirectChange;
  /** What the kernel has, but for those who are gone; undefined when nobody knows. */
  #loaded: Presence | undefined;
  /** Who is gone and still in the table. */
  #left = nothing;

  constructor(access: Access, direct: DirectChange = never) {
    this.#access = access;
    this.#direct = direct;
  }

  /** Somebody else changed it. */
  forget(): void {
    this.#loaded = undefined;
  }

  /** Whether the kernel still has what was put there; numbers are not compared, since nft lists them as names. */
  async isIntact(): Promise<boolean> {
    if (this.#loaded === undefined) return false;
    const { code, stdout } = await run(this.#access, 'nft', ['-j', 'list', 'table', ...presenceTable.split(' ')]);
    return code === 0 && isPresence(jsonOf(stdout.toString('utf8')), both(this.#loaded, this.#left));
  }

  /** The names of these devices are closed too, whatever device has them. Nothing is done before there is a table. */
  async close(devices: readonly PresentPort[]): Promise<void> {
    const loaded = this.#loaded;
    if (loaded === undefined) return;
    const names = new Set(devices.map(({ name }) => name));
    const numbers = new Map(devices.map(({ name, index }) => [index, name]));
    const isMeant = ({ name }: PresentPort): boolean => names.has(name);
    const there = both(loaded, this.#left);
    const known = new Set(there.guests.filter((name) => names.has(name)));
    const come = { guests: [...names].filter((name) => !known.has(name)), ports: [] };
    const isAdmitted = there.ports.some(({ name, index }) => numbers.get(index) === name);
    const gone = { guests: [], ports: isAdmitted ? there.ports.filter(isMeant) : [] };
    const left = isAdmitted ? notIn(this.#left, gone) : this.#left;
    const ports = isAdmitted ? notIn(loaded, gone).ports : loaded.ports;
    await this.#change(presenceChanges(gone, come), { guests: [...loaded.guests, ...come.guests], ports }, left);
  }

  /**
   * @param devices everything on bridges
   * @throws HostError 'tool-failed'; the table is as it was then, or will be made anew
   */
  async update(presence: Presence, devices: readonly PresentPort[]): Promise<void> {
    const loaded = this.#loaded;
    if (loaded === undefined) {
      await this.#load(printPresence(presence));
      this.#keep(presence, nothing);
      return;
    }
    const { gone, come } = presenceDifference(loaded, presence);
    const left = notIn(both(this.#left, gone), come);
    const names = new Set(left.guests);
    const isNeeded = left.ports.length + names.size > mostLeft || devices.some(({ name }) => names.has(name));
    if (isNeeded) await this.#change(presenceChanges(left, come), presence, nothing);
    else await this.#change(presenceChanges(nothing, come), presence, left);
  }

  async remove(): Promise<void> {
    await this.#load(`add table ${presenceTable}\ndelete table ${presenceTable}\n`);
  }

  async #change(changes: readonly PresenceChange[], presence: Presence, left: Presence): Promise<void> {
    if (changes.length > 0) {
      this.#loaded = undefined;
      const isDone = await this.#direct(presenceElements(changes));
      if (!isDone) await this.#load(printPresenceChanges(changes));
    }
    this.#keep(presence, left);
  }

  #keep(presence: Presence, left: Presence): void {
    this.#loaded = presence;
    this.#left = left;
  }

  async #load(input: string): Promise<void> {
    this.#loaded = undefined;
    const ran = await run(this.#access, 'nft', ['-f', '-'], { input });
    if (ran.code !== 0) throw new HostError('tool-failed', failureText(this.#access, ['nft', '-f', '-'], ran));
  }
}

function both(ones: Presence, others: Presence): Presence {
  return { guests: [...ones.guests, ...others.guests], ports: [...ones.ports, ...others.ports] };
}
