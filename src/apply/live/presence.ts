// The table of devices that were looked at, in the kernel: made anew when nobody knows what is there, changed by elements
// otherwise. It lives as long as somebody follows the host.
import { join } from 'node:path';
import type { Access } from '../../machine/access.ts';
import { failureText, run } from '../../machine/run.ts';
import { HostError } from '../../model/host-error.ts';
import { isPort, type LiveFacts } from '../../topology/live.ts';
import type { Drift } from '../drift.ts';
import {
  isPresence,
  type Presence,
  type PresentPort,
  presenceTable,
  printPresence,
  printPresenceChanges,
} from '../presence.ts';
import { isLocked } from './lock.ts';

export type BridgePort = PresentPort & { readonly bridge: string };

/** Devices on bridges; those with names that no rule can have are left out. */
export function bridgePorts({ links }: Pick<LiveFacts, 'links'>): readonly BridgePort[] {
  return links.flatMap((link) =>
    isPort(link) && link.master !== undefined && /^[A-Za-z0-9_.-]{1,15}$/.test(link.ifname)
      ? [{ name: link.ifname, index: link.ifindex, bridge: link.master }]
      : [],
  );
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

export class PresenceTable {
  readonly #access: Access;
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

  /** These names are closed too, whatever device has them. Nothing is done before there is a table. */
  async close(names: readonly string[]): Promise<void> {
    const was = this.#loaded;
    if (was === undefined) return;
    const ports = was.ports.filter(({ name }) => !names.includes(name));
    await this.update({ ports, guests: [...new Set([...was.guests, ...names])] });
  }

  /** @throws HostError 'tool-failed'; the table is as it was then, or will be made anew */
  async update(presence: Presence): Promise<void> {
    const was = this.#loaded;
    const text = was === undefined ? printPresence(presence) : printPresenceChanges(was, presence);
    if (text === '') return;
    this.#loaded = undefined;
    await this.#load(text);
    this.#loaded = presence;
  }

  async remove(): Promise<void> {
    this.#loaded = undefined;
    await this.#load(`add table ${presenceTable}\ndelete table ${presenceTable}\n`);
  }

  async #load(input: string): Promise<void> {
    const ran = await run(this.#access, 'nft', ['-f', '-'], { input });
    if (ran.code !== 0) throw new HostError('tool-failed', failureText(this.#access, ['nft', '-f', '-'], ran));
  }
}
