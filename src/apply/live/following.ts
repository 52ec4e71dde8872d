// The policy that is in force, kept up with a host whose guests come and go: for whoever does it again and again. What a
// single guest changes costs as much as that guest; everything else is done by refresh.ts.
import type { Diagnostic } from '../../model/diagnostic.ts';
import type { Host } from '../../model/host.ts';
import type { Ground, GroundPort } from '../../model/rule-list.ts';
import { directChanges } from '../../netlink/table-changes.ts';
import { isElementsOnly } from '../../nft/changes.ts';
import type { Drift } from '../drift.ts';
import { Follower, type Step } from '../follow/follower.ts';
import { keepManaged, managedByName } from '../kept-bridges.ts';
import { refusalOf } from '../refusal.ts';
import type { PortChange } from '../rule-changes.ts';
import { printSince } from '../since.ts';
import { type Wanted, wantedConnections } from '../wanted.ts';
import { type Anew, type Basis, refreshAnew } from './anew.ts';
import { type DirectChange, never } from './direct-change.ts';
import { giveMemoryBack } from './give-back.ts';
import { type LoadResult, loadFile } from './kernel.ts';
import { LoadRefused } from './load-refused.ts';
import { withLock } from './lock.ts';
import { readPending } from './pending.ts';
import { addSince, removeSince, sinceNumbers } from './since.ts';
import type { Site } from './site.ts';
import { addNumbers, confirmedId, readGenerationFile } from './state.ts';

export type Followed = {
  readonly changed: boolean;
  /** Whether elements and chains of single ports were all that changed. */
  readonly elementsOnly: boolean;
  /** Of a single step: what it changed, port by port. */
  readonly ports?: readonly PortChange[];
  /** Those ports as they are now. */
  readonly now?: readonly GroundPort[];
  /** Connections that the rules allow, as examples: of those ports, or of all when everything was made anew. */
  readonly wanted?: readonly Wanted[];
  /** When everything was made anew. */
  readonly ground?: Ground;
  /** What somebody else had changed, and was put right then. */
  readonly drift?: readonly Drift[];
  readonly diagnostics: readonly Diagnostic[];
};

const quietMs = 1_000;

/** More would make the boot slow, and the directory long: all of it is written anew then. */
const mostSince = 500;

export class Following {
  readonly #site: Site;
  readonly #anew: (host: Host) => Promise<Anew | undefined>;
  readonly #direct: DirectChange;
  #follower: Follower | undefined;
  #basis: Basis | undefined;

  /** @param anew does what `refreshAnew` does, wherever */
  constructor(
    site: Site,
    anew = (host: Host): Promise<Anew | undefined> => refreshAnew(site, host),
    direct: DirectChange = never,
  ) {
    this.#site = site;
    this.#anew = anew;
    this.#direct = direct;
  }

  /** Somebody else may have changed what is loaded: the next time the kernel is asked. */
  forget(): void {
    this.#follower = undefined;
    this.#basis = undefined;
  }

  /**
   * Brings what is loaded up to date with the host.
   * @returns undefined when nothing was ever applied
   * @throws LoadRefused, and nothing was changed; HostError 'policy' when the policy does not fit the host at all
   */
  async refresh(host: Host): Promise<Followed | undefined> {
    const followed = await withLock(this.#site.state, this.#site.command, async () => {
      const step = this.#step(host);
      return step === undefined ? undefined : this.#load(step, host);
    });
    return followed ?? this.#refreshWhole(host);
  }

  /** Writes what changed since the generation was written into the generation itself: for when it is quiet. */
  settle(): Promise<Followed | undefined> {
    const host = this.#follower?.host;
    const isDue = host !== undefined && (this.#basis?.last ?? 0) > 0;
    return isDue ? this.#refreshWhole(host) : Promise.resolve(undefined);
  }

  #step(host: Host): Step | undefined {
    if (this.#follower === undefined || !this.#isBasis()) return undefined;
    const step = this.#follower.step(keepManaged(host, managedByName(this.#follower.host)));
    if (step === undefined) this.forget();
    return step;
  }

  /** No change waits, and nobody wrote a generation or a change of one since. */
  #isBasis(): boolean {
    const { state } = this.#site;
    if (this.#basis === undefined || this.#basis.last >= mostSince || readPending(state) !== undefined) return false;
    const { generation, last } = this.#basis;
    const current = confirmedId(state);
    if (current !== generation.id || readGenerationFile(state, current).rulesDigest !== generation.rulesDigest) {
      return false;
    }
    return (sinceNumbers(state, generation).at(-1) ?? 0) === last;
  }

  /** The change is on the disk before it is loaded: after a crash no port is open that was closed before it. */
  async #load(step: Step, host: Host): Promise<Followed> {
    const { state } = this.#site;
    const { portChanges: ports, diagnostics, changes } = step;
    const basis = this.#basis;
    const now = step.list?.ground.bridges.flatMap((bridge) => bridge.ports) ?? [];
    const wanted = step.list === undefined ? [] : wantedConnections(step.list);
    if (step.text === '' || basis === undefined)
      return { changed: false, elementsOnly: true, ports, now, wanted, diagnostics };
    if (Object.keys(step.fresh).length > 0) addNumbers(state, step.fresh);
    const number = basis.last + 1;
    const file = addSince(state, basis.generation, number, { nft: step.text, json: printSince(step, host) });
    const result = await this.#put(step, file).catch((error: unknown) => {
      // it may be loaded: the file stays, as the disk must never open more, and everything is made anew
      this.forget();
      throw error;
    });
    if (result.loaded) {
      this.#basis = { ...basis, last: number };
      return { changed: true, elementsOnly: isElementsOnly(changes), ports, now, wanted, diagnostics };
    }
    removeSince(state, basis.generation, number);
    this.forget();
    const policyFile = basis.generation.policyFile;
    throw new LoadRefused(refusalOf({ tool: 'nft', text: step.text }, result.said, step.list, policyFile));
  }

  /** What nft would be asked for its words of is asked of it. @throws HostError */
  async #put({ text, changes }: Step, file: string): Promise<LoadResult> {
    const direct = directChanges(changes);
    if (direct !== undefined && (await this.#direct(direct))) return { loaded: true };
    return loadFile(this.#site.access, { tool: 'nft', text }, file);
  }

  /** Takes the lock for itself: whoever is quicker than it is found in the generation. */
  async #refreshWhole(host: Host): Promise<Followed | undefined> {
    this.forget();
    const anew = await this.#anew(host);
    if (anew === undefined) return undefined;
    const { begun, ...followed } = anew;
    if (begun !== undefined) {
      this.#follower = new Follower(begun.seed, keepManaged(host, new Set(begun.managed)));
      this.#basis = begun.basis;
    }
    // what was compiled is still in somebody's hands
    setTimeout(giveMemoryBack, quietMs).unref();
    return followed;
  }
}
