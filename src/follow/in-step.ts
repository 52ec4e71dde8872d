// The host as it is -> the rules in force, in one transaction, and the table of present devices after it. The order is what
// keeps a name that was given to another device from being open: devices are read first, then who they are; then the rules
// for them are loaded; and only then those very devices may pass.
import { type Kept, listOfGeneration, targetOfGeneration } from '../apply/live/facts.ts';
import { Following } from '../apply/live/following.ts';
import { type BridgePort, PresenceTable } from '../apply/live/presence.ts';
import { refreshRules } from '../apply/live/refresh.ts';
import type { Site } from '../apply/live/site.ts';
import { groundChanges, groundWith, type PortChange } from '../apply/rule-changes.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import type { Host } from '../model/host.ts';
import { HostError } from '../model/host-error.ts';
import type { Ground, GroundPort } from '../model/rule-list.ts';
import type { Ruleset } from '../model/ruleset.ts';
import { askedAgents } from '../topology/asked-agents.ts';
import { parseHost } from '../topology/host-file.ts';
import { printHost } from '../topology/print-host.ts';
import { readHost } from '../topology/read.ts';
import type { Applied } from './applied.ts';
import { RememberedGuests } from './remembered-guests.ts';

export type Followed = {
  readonly ports: readonly PortChange[];
  readonly diagnostics: readonly Diagnostic[];
  /** Ports that nobody knows and that the loaded rules do not name yet, because drift is only reported. */
  readonly strangers: readonly string[];
};

type Loaded = Pick<Followed, 'ports' | 'diagnostics'>;

export class InStep {
  readonly #site: Site;
  readonly #presence: PresenceTable;
  #isKnown = false;
  /** Where drift is only reported: what elements are reckoned from. */
  #loaded: Ruleset | undefined;
  #ground: Ground | undefined;
  readonly #following: Following;
  readonly #remembered = new RememberedGuests();
  /** The host that was followed last, and what was to be said of it. */
  #followed: { readonly host: string; readonly diagnostics: readonly Diagnostic[] } | undefined;
  /** Ports of managed bridges, and what the loaded rules take them for. */
  #kinds = new Map<string, GroundPort['kind']>();

  constructor(site: Site) {
    this.#site = site;
    this.#presence = new PresenceTable(site.access);
    this.#following = new Following(site);
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

  /** Other rules are in force now: nothing is known of what is loaded. */
  forget(kept: Kept): void {
    this.#isKnown = false;
    this.#loaded = undefined;
    this.#followed = undefined;
    this.#following.forget();
    this.#ground = listOfGeneration(this.#site.state, kept)?.ground;
    this.#kinds = kindsOf(this.#ground);
  }

  /** False when somebody changed the table of present devices: it is made anew with the next step. */
  async isPresenceIntact(): Promise<boolean> {
    const isIntact = await this.#presence.isIntact();
    if (!isIntact) this.#presence.forget();
    return isIntact;
  }

  /** Our rules were read and are as they should be. */
  knows(ruleset: Ruleset | undefined): void {
    this.#isKnown = true;
    this.#loaded = ruleset;
  }

  /**
   * @param devices read before anything else
   * @param how 'anew': the kernel's rules are read, and what somebody changed in ours is put right
   * @throws LoadRefused, HostError: the rules are as they were, and what came since is closed
   */
  async follow(
    devices: readonly BridgePort[],
    { policy, kept }: Applied,
    how: 'by elements' | 'anew',
  ): Promise<Followed> {
    await this.#close(devices);
    const { value, diagnostics } = await readHost(askedAgents(policy));
    if (value === undefined) throw new HostError('host', diagnostics[0]?.message ?? 'this host cannot be described');
    const earlier = () => parseHost(kept.texts.host, 'host.yaml').value;
    const host = this.#remembered.complete(onlyDevices(value, devices), devices, diagnostics, earlier);
    const strangers = policy?.restoreDrift === false ? this.#strangers(kept, host) : [];
    const isReported = policy?.restoreDrift === false;
    const wanted = withoutPorts(host, strangers);
    const loaded = isReported ? await this.#refresh(wanted, how) : await this.#step(wanted, how);
    if (loaded === undefined) return { ports: [], diagnostics, strangers };
    for (const { port, kind } of loaded.ports) {
      if (kind === undefined) this.#kinds.delete(port);
      else this.#kinds.set(port, kind);
    }
    await this.#admit(devices);
    return { ports: loaded.ports, diagnostics: [...diagnostics, ...loaded.diagnostics], strangers };
  }

  /** A guest that comes or goes is a step of its own; everything else is made anew, and what somebody changed put right. */
  async #step(host: Host, how: 'by elements' | 'anew'): Promise<Loaded | undefined> {
    if (how === 'anew') this.#following.forget();
    this.#isKnown = false;
    const followed = await this.#following.refresh(host);
    if (followed === undefined) return undefined;
    this.#isKnown = true;
    const { ground, diagnostics, now = [] } = followed;
    const ports = ground === undefined ? (followed.ports ?? []) : groundChanges(this.#ground, ground);
    if (ground !== undefined) this.#ground = ground;
    else if (this.#ground !== undefined) this.#ground = groundWith(this.#ground, ports, now);
    this.wasLarge ||= ground !== undefined;
    return { ports, diagnostics };
  }

  /** Where drift is only reported: what is believed to be loaded is changed, and nothing else. */
  async #refresh(host: Host, how: 'by elements' | 'anew'): Promise<Loaded | undefined> {
    const known = how === 'anew' ? undefined : this.#loaded;
    const hostText = printHost(host);
    if (known !== undefined && this.#followed?.host === hostText) {
      return { ports: [], diagnostics: this.#followed.diagnostics };
    }
    try {
      this.wasLarge = true;
      const refreshed = await refreshRules(this.#site, host, known);
      if (refreshed === undefined) return undefined;
      const { list, ruleset } = refreshed.target;
      const ports = groundChanges(this.#ground, list.ground);
      this.#ground = list.ground;
      this.knows(ruleset);
      this.#followed = { host: hostText, diagnostics: refreshed.diagnostics };
      return { ports, diagnostics: refreshed.diagnostics };
    } catch (error) {
      // what was believed to be loaded may be wrong
      this.#isKnown = false;
      this.#loaded = undefined;
      this.#followed = undefined;
      throw error;
    }
  }

  /** New ports with nobody behind them. */
  #strangers(kept: Kept, host: Host): readonly string[] {
    const wanted = targetOfGeneration(this.#site.state, kept, host)?.list.ground.bridges ?? [];
    return wanted.flatMap(({ ports }) =>
      ports.filter(({ name, kind }) => kind === 'closed' && !this.#kinds.has(name)).map(({ name }) => name),
    );
  }

  #managed(devices: readonly BridgePort[]): readonly BridgePort[] {
    const managed = new Set(this.#ground?.bridges.map(({ name }) => name));
    return devices.filter(({ bridge }) => managed.has(bridge));
  }

  /** Names that are new are nobody's yet, also while the rules already open them. */
  async #close(devices: readonly BridgePort[]): Promise<void> {
    const strange = this.#managed(devices).filter(({ name }) => !this.#kinds.has(name));
    if (strange.length > 0) await this.#presence.close(strange.map(({ name }) => name));
  }

  /** The devices on managed bridges that were looked at may pass as what the rules say of their names. */
  async #admit(devices: readonly BridgePort[]): Promise<void> {
    const guests = [...this.#kinds].filter(([, kind]) => kind === 'guest').map(([name]) => name);
    await this.#presence.update({ guests, ports: this.#managed(devices) });
  }

  /** Nobody looks any more: names alone count again. */
  async end(): Promise<void> {
    await this.#presence.remove();
  }
}

function kindsOf(ground: Ground | undefined): Map<string, GroundPort['kind']> {
  return new Map(ground?.bridges.flatMap(({ ports }) => ports.map(({ name, kind }) => [name, kind] as const)));
}

/** What came to a bridge after its devices were read waits for the next look. */
function onlyDevices(host: Host, devices: readonly BridgePort[]): Host {
  const read = new Set(devices.map(({ name }) => name));
  const newer = host.bridges.flatMap(({ ports }) => ports.map(({ name }) => name)).filter((name) => !read.has(name));
  return withoutPorts(host, newer);
}

function withoutPorts(host: Host, names: readonly string[]): Host {
  if (names.length === 0) return host;
  const bridges = host.bridges.map((bridge) => ({
    ...bridge,
    ports: bridge.ports.filter(({ name }) => !names.includes(name)),
  }));
  return { ...host, bridges };
}
