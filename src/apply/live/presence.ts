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
  type PresentPort,
  portKey,
  presenceTable,
  printPresence,
  printPresenceChanges,
} from '../presence.ts';
import { isLocked } from './lock.ts';

export type BridgePort = PresentPort & { readonly bridge: string };

/** Of thousands of devices few change from one look to the next. */
const known = new WeakMap<IpLink, BridgePort>();

/** Devices on bridges; those with names that no rule can have are left out. */
export function bridgePorts({ links }: Pick<LiveFacts, 'links'>): readonly BridgePort[] {
  const ports: BridgePort[] = [];
  for (const link of links) {
    if (!isPort(link) || link.master === undefined) continue;
    const port = known.get(link) ?? portOf(link, link.master);
    if (port !== undefined) ports.push(port);
  }
  return ports;
}

function portOf(link: IpLink, bridge: string): BridgePort | undefined {
  if (!/^[A-Za-z0-9_.-]{1,15}$/.test(link.ifname)) return undefined;
  const port = { name: link.ifname, index: link.ifindex, bridge };
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

export class PresenceTable {
  readonly #access: Access;
  /** What the kernel has. */
  #loaded: Presence | undefined;

  constructor(access: Access) {
    this.#access = access;
  }

  /** Somebody else changed it. */
  forget(): void {
    this.#loaded = undefined;
  }

  /** Whether the kernel still has what was put there; numbers are not compared, since nft lists them as names. */
  async isIntact(): Promise<boolean> {
    if (this.#loaded === undefined) return false;
    const { code, stdout } = await run(this.#access, 'nft', ['-j', 'list', 'table', ...presenceTable.split(' ')]);
    return code === 0 && isPresence(jsonOf(stdout.toString('utf8')), this.#loaded);
  }

  /** The names of these devices are closed too, whatever device has them. Nothing is done before there is a table. */
  async close(devices: readonly PresentPort[]): Promise<void> {
    const was = this.#loaded;
    if (was === undefined) return;
    const names = devices.map(({ name }) => name);
    const admitted = new Set(was.ports.map(portKey));
    const guests = [...new Set([...was.guests, ...names])];
    if (!devices.some((device) => admitted.has(portKey(device)))) await this.#change(was, { ports: was.ports, guests });
    else await this.#change(was, { ports: was.ports.filter(({ name }) => !names.includes(name)), guests });
  }

  /**
   * @param devices everything on bridges
   * @throws HostError 'tool-failed'; the table is as it was then, or will be made anew
   */
  async update(presence: Presence, devices: readonly PresentPort[]): Promise<void> {
    const was = this.#loaded;
    if (was === undefined) {
      await this.#load(printPresence(presence), presence);
      return;
    }
    const left = notIn(was, presence);
    const names = new Set(left.guests);
    const isNeeded = left.ports.length + names.size > mostLeft || devices.some(({ name }) => names.has(name));
    if (isNeeded) await this.#change(was, presence);
    else await this.#change(was, { guests: [...presence.guests, ...names], ports: [...presence.ports, ...left.ports] });
  }

  async remove(): Promise<void> {
    await this.#load(`add table ${presenceTable}\ndelete table ${presenceTable}\n`, undefined);
  }

  async #change(was: Presence, is: Presence): Promise<void> {
    const text = printPresenceChanges(was, is);
    if (text === '') this.#loaded = is;
    else await this.#load(text, is);
  }

  async #load(input: string, presence: Presence | undefined): Promise<void> {
    this.#loaded = undefined;
    const ran = await run(this.#access, 'nft', ['-f', '-'], { input });
    if (ran.code !== 0) throw new HostError('tool-failed', failureText(this.#access, ['nft', '-f', '-'], ran));
    this.#loaded = presence;
  }
}
