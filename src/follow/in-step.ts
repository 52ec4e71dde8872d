// The host as it is -> the rules in force, in one transaction, and the table of present devices after it. The order is what
// keeps a name that was given to another device from being open: devices are read first, then who they are; then the rules
// for them are loaded; and only then those very devices may pass.
import type { Drift } from '../apply/drift.ts';
import type { Anew } from '../apply/live/anew.ts';
import type { DirectChange } from '../apply/live/direct-change.ts';
import { Following } from '../apply/live/following.ts';
import { type BridgePort, PresenceTable } from '../apply/live/presence.ts';
import type { Site } from '../apply/live/site.ts';
import { groundChanges, groundWith, type PortChange } from '../apply/rule-changes.ts';
import { type Wanted, wantedWith } from '../apply/wanted.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import type { Host } from '../model/host.ts';
import { HostError } from '../model/host-error.ts';
import type { Ground, GroundPort } from '../model/rule-list.ts';
import { printHost } from '../topology/print-host.ts';
import { hostNow } from '../topology/read.ts';
import type { Aside } from './aside.ts';
import type { Applied } from './aside-work.ts';
import { RememberedGuests } from './remembered-guests.ts';
import type { SeenGuests } from './seen-guests.ts';
import type { Seen } from './seen-host.ts';

export type Followed = {
  readonly ports: readonly PortChange[];
  readonly diagnostics: readonly Diagnostic[];
  /** Ports that nobody knows and that the loaded rules do not name yet, because drift is only reported. */
  readonly strangers: readonly string[];
  /** What somebody else had changed in our rules, and was put right. */
  readonly drift: readonly Drift[];
};

/** 'anew': the kernel's rules are read, and what somebody changed in ours is put right. */
export type How = 'by elements' | 'anew';

type Loaded = Pick<Followed, 'ports' | 'diagnostics'> & Partial<Pick<Followed, 'strangers' | 'drift'>>;

type InStepParts = {
  readonly aside: Aside;
  readonly guests: SeenGuests;
  readonly direct: DirectChange;
  /** Before everything is made anew where a step is not enough: may throw. */
  readonly beforeAnew: () => void;
};

export class InStep {
  readonly #aside: Aside;
  readonly #guests: SeenGuests;
  readonly #presence: PresenceTable;
  #isKnown = false;
  #how: How = 'anew';
  #ground: Ground | undefined;
  #wanted: readonly Wanted[] = [];
  readonly #following: Following;
  readonly #remembered = new RememberedGuests();
  /** Where drift is only reported: the host that was followed last, and what was to be said of it. */
  #followed: { readonly host: string; readonly loaded: Loaded } | undefined;
  /** Ports of managed bridges, and what the loaded rules take them for. */
  #kinds = new Map<string, GroundPort['kind']>();
  /** Of these the guests'. */
  #guestPorts = new Set<string>();

  constructor(site: Site, { aside, guests, direct, beforeAnew }: InStepParts) {
    this.#aside = aside;
    this.#guests = guests;
    this.#presence = new PresenceTable(site.access, direct);
    const anew = (host: Host): Promise<Anew | undefined> => {
      if (this.#how === 'by elements') beforeAnew();
      return aside('anew', host);
    };
    this.#following = new Following(site, anew, direct);
  }

  /** Whether the rules that are loaded are those that should be, as far as this process knows. */
  get isKnown(): boolean {
    return this.#isKnown;
  }

  /** Everything was compiled: there is memory to be given back. */
  wasLarge = false;

  get ground(): Ground | undefined {
    return this.#ground;
  }

  /** Connections that the rules allow, as examples. */
  get wanted(): readonly Wanted[] {
    return this.#wanted;
  }

  /** Other rules are in force now: nothing is known of what is loaded. */
  forget({ ground, wanted }: Applied): void {
    this.#isKnown = false;
    this.#followed = undefined;
    this.#following.forget();
    this.#ground = ground;
    this.#wanted = wanted;
    this.#kinds = kindsOf(ground);
    this.#guestPorts = new Set([...this.#kinds].flatMap(([name, kind]) => (kind === 'guest' ? [name] : [])));
  }

  /** False when somebody changed the table of present devices: it is made anew with the next step. */
  async isPresenceIntact(): Promise<boolean> {
    const isIntact = await this.#presence.isIntact();
    if (!isIntact) this.#presence.forget();
    return isIntact;
  }

  /** Our rules were read and are as they should be; or they are taken for it, where drift is only reported. */
  knows(): void {
    this.#isKnown = true;
  }

  /**
   * @param seen before anything else is asked
   * @throws LoadRefused, HostError, and what `beforeAnew` throws: the rules are as they were, and what came since is closed
   */
  async follow({ ports: devices, facts }: Seen, applied: Applied, how: How): Promise<Followed> {
    await this.#close(devices);
    const { value, diagnostics } = await hostNow(facts, () => this.#guests.ask(facts.links, applied.agents));
    if (value === undefined) throw new HostError('host', diagnostics[0]?.message ?? 'this host cannot be described');
    const host = this.#remembered.complete(value, devices, diagnostics, applied.inhabited);
    const loaded = applied.restoresDrift ? await this.#step(host, how) : await this.#report(host, how);
    const { strangers = [], drift = [] } = loaded ?? {};
    if (loaded === undefined) return { ports: [], diagnostics, strangers, drift };
    for (const { port, kind } of loaded.ports) this.#learn(port, kind);
    await this.#admit(devices);
    return { ports: loaded.ports, diagnostics: [...diagnostics, ...loaded.diagnostics], strangers, drift };
  }

  /** A guest that comes or goes is a step of its own; everything else is made anew, and what somebody changed put right. */
  async #step(host: Host, how: How): Promise<Loaded | undefined> {
    this.#how = how;
    if (how === 'anew') this.#following.forget();
    this.#isKnown = false;
    const followed = await this.#following.refresh(host);
    if (followed === undefined) return undefined;
    this.#isKnown = true;
    const { ground, diagnostics, drift = [], now = [], wanted = [] } = followed;
    const ports = ground === undefined ? (followed.ports ?? []) : groundChanges(this.#ground, ground);
    if (ground !== undefined) this.#ground = ground;
    else if (this.#ground !== undefined) this.#ground = groundWith(this.#ground, ports, now);
    const changed = new Set(ports.map(({ port }) => port));
    this.#wanted = ground === undefined ? wantedWith(this.#wanted, changed, wanted) : wanted;
    this.wasLarge ||= ground !== undefined;
    return { ports, diagnostics, drift };
  }

  /** Where drift is only reported: what is believed to be loaded is changed, and nothing else. */
  async #report(host: Host, how: How): Promise<Loaded | undefined> {
    const hostText = printHost(host);
    if (how === 'by elements' && this.#isKnown && this.#followed?.host === hostText) {
      return { ...this.#followed.loaded, ports: [] };
    }
    // what was believed to be loaded may be wrong
    this.#isKnown = false;
    this.#followed = undefined;
    this.wasLarge = true;
    const known = new Set(this.#kinds.keys());
    const from = how === 'anew' ? 'as listed' : 'as kept';
    const reported = await this.#aside('reported', { host, known, from });
    if (reported === undefined) return undefined;
    const { ground, wanted, diagnostics, strangers } = reported;
    const loaded = { ports: groundChanges(this.#ground, ground), diagnostics, strangers };
    this.#ground = ground;
    this.#wanted = wanted;
    this.#isKnown = true;
    this.#followed = { host: hostText, loaded };
    return loaded;
  }

  #learn(port: string, kind: GroundPort['kind'] | undefined): void {
    if (kind === undefined) this.#kinds.delete(port);
    else this.#kinds.set(port, kind);
    if (kind === 'guest') this.#guestPorts.add(port);
    else this.#guestPorts.delete(port);
  }

  #managedNames(): ReadonlySet<string> {
    return new Set(this.#ground?.bridges.map(({ name }) => name));
  }

  /** Names that are new are nobody's yet, also while the rules already open them. */
  async #close(devices: readonly BridgePort[]): Promise<void> {
    const managed = this.#managedNames();
    const strange = devices.filter(({ name, bridge }) => !this.#kinds.has(name) && managed.has(bridge));
    if (strange.length > 0) await this.#presence.close(strange);
  }

  /** The devices on managed bridges that were looked at may pass as what the rules say of their names. */
  async #admit(devices: readonly BridgePort[]): Promise<void> {
    const managed = this.#managedNames();
    await this.#presence.update(
      { guests: [...this.#guestPorts], ports: devices.filter(({ bridge }) => managed.has(bridge)) },
      devices,
    );
  }

  /** Nobody looks any more: names alone count again. */
  async end(): Promise<void> {
    await this.#presence.remove();
  }
}

function kindsOf(ground: Ground | undefined): Map<string, GroundPort['kind']> {
  return new Map(ground?.bridges.flatMap(({ ports }) => ports.map(({ name, kind }) => [name, kind] as const)));
}
