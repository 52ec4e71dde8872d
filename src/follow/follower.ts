// One look at the host after another: ports and guests first, since they wait for it; then what somebody changed in our
// rules and in the kernel's switches; then whose rules stand in the way; last the policy's file.
import { cameLater, type Drift, hostDrift } from '../apply/drift.ts';
import { readBridgeCalls } from '../apply/live/bridge-calls.ts';
import type { DirectChange } from '../apply/live/direct-change.ts';
import { LoadRefused } from '../apply/live/load-refused.ts';
import { readOthers } from '../apply/live/others.ts';
import type { BridgePort } from '../apply/live/presence.ts';
import { savedCopies } from '../apply/live/saved-copies.ts';
import type { Site } from '../apply/live/site.ts';
import { obstacles } from '../apply/obstacles.ts';
import { presenceTable } from '../apply/presence.ts';
import { type Wanted, wantedKind } from '../apply/wanted.ts';
import { type Diagnostic, hasErrors, printDiagnostic } from '../model/diagnostic.ts';
import { HostError } from '../model/host-error.ts';
import { AppliedRules } from './applied.ts';
import type { Aside } from './aside.ts';
import type { Applied, Checked } from './aside-work.ts';
import type { AskLinks } from './asked-devices.ts';
import type { ChangedLinks } from './changed-links.ts';
import { CheckBeside, CheckFirst } from './check-beside.ts';
import { collectGarbage } from './garbage.ts';
import type { Happening } from './happening.ts';
import { type Followed, type How, InStep } from './in-step.ts';
import { hasLegacyTables, isCalledForAll } from './kernel-files.ts';
import { Pace } from './pace.ts';
import { PolicyFile } from './policy-file.ts';
import type { SeenGuests } from './seen-guests.ts';
import { type Seen, SeenHost } from './seen-host.ts';
import { Standing } from './standing.ts';
import type { Reason } from './wakes.ts';

/** Milliseconds between looks that nothing was the reason for: one costs little, the other reads everything. */
const soonMs = 900;
const soonShare = 100;
const lateMs = 60_000;
const lateShare = 60;

export type FollowerParts = {
  readonly aside: Aside;
  /** Devices that may have changed. */
  readonly links: ChangedLinks;
  readonly askLinks: AskLinks;
  readonly guests: SeenGuests;
  readonly direct: DirectChange;
  readonly policyFile: string;
  /** All that one thing was the reason for. */
  readonly tell: (happenings: readonly Happening[]) => void;
  /** Asks for a look. */
  readonly wake: (reason: Reason) => void;
};

export class Follower {
  readonly #site: Site;
  readonly #tell: (happenings: readonly Happening[]) => void;
  readonly #applied: AppliedRules;
  readonly #inStep: InStep;
  readonly #file: PolicyFile;
  readonly #aside: Aside;
  readonly #host: SeenHost;
  readonly #check: CheckBeside;
  readonly #guests: SeenGuests;
  readonly #portsPace = new Pace(soonMs, soonShare);
  readonly #hostPace = new Pace(lateMs, lateShare);
  readonly #rulesPace = new Pace(lateMs, lateShare);
  readonly #switchesPace = new Pace(soonMs);
  readonly #retryPace = new Pace(soonMs);
  readonly #standing = {
    faults: new Standing<Happening>(),
    drift: new Map<string, Standing<Drift>>(),
    file: new Standing<Happening>(),
    trouble: new Standing<Happening>(),
  };
  /** Connections of which it is known whether others let them pass. */
  #tried: { readonly wanted: readonly Wanted[]; readonly kinds: ReadonlySet<string> } = {
    wanted: [],
    kinds: new Set(),
  };
  /** Those that were followed last. */
  #devices: readonly BridgePort[] = [];
  #isBehind = true;
  #hasFailed = false;
  #isChecking = false;
  /** This look read or compiled everything. */
  #isLarge = false;

  constructor(site: Site, { aside, links, askLinks, guests, direct, policyFile, tell, wake }: FollowerParts) {
    this.#site = site;
    this.#tell = tell;
    this.#aside = aside;
    this.#applied = new AppliedRules(site.state, aside);
    this.#inStep = new InStep(site, {
      aside,
      guests,
      direct,
      beforeAnew: () => {
        if (this.#check.isOfUse) throw new CheckFirst();
      },
    });
    this.#guests = guests;
    this.#host = new SeenHost(aside, links, askLinks);
    this.#check = new CheckBeside(aside, () => wake('checked'));
    this.#file = new PolicyFile(policyFile, aside);
  }

  /** What the machine refuses is told once, and tried again: soon, as it may have been a moment's, and then at a pace. */
  async look(reasons: ReadonlySet<Reason>): Promise<void> {
    const troubles = new Map<string, Happening>();
    try {
      await this.#look(reasons);
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
      if (!this.#hasFailed) this.#retryPace.hasten();
      this.#hasFailed = true;
      this.#isBehind = true;
      troubles.set(error.message, { kind: 'trouble', words: error.message });
    }
    if (this.#isLarge) collectGarbage();
    this.#isLarge = false;
    // until all was looked at again it is not over
    if (troubles.size > 0 || !this.#isBehind) this.#tellBegun(this.#standing.trouble, troubles);
  }

  async #look(reasons: ReadonlySet<Reason>): Promise<void> {
    const { applied, isOther, news } = await this.#applied.now();
    if (news !== undefined) this.#tell([news]);
    if (applied === undefined) {
      const words = 'nothing was applied yet: run `bridgekeeper apply`';
      this.#tellBegun(this.#standing.file, new Map([[words, { kind: 'policy', words }]]));
      return;
    }
    if (isOther) this.#inStep.forget(applied);
    if (reasons.has('again')) this.#file.forget();
    const isAll = isOther || reasons.has('again') || (this.#isBehind && this.#retryPace.isDue());
    if (isAll) await this.#retryPace.timed(() => this.#lookInOrder(reasons, applied, isAll));
    else await this.#lookInOrder(reasons, applied, isAll);
    if (isAll) this.#isBehind = this.#hasFailed = false;
  }

  async #lookInOrder(reasons: ReadonlySet<Reason>, applied: Applied, isAll: boolean): Promise<void> {
    // where rules are missing everything is open: that comes before all else
    await this.#lookAtRules(reasons, applied, isAll);
    if (reasons.has('presence')) await this.#lookAtPresence(applied);
    await this.#lookAtPorts(reasons, applied, isAll);
    await this.#lookAtSwitches(reasons, applied, isAll);
    await this.#tellFile(applied);
  }

  /** Ours alone: it is put right whatever the policy says of the rules. */
  async #lookAtPresence(applied: Applied): Promise<void> {
    if (!this.#inStep.isKnown || (await this.#inStep.isPresenceIntact())) return;
    await this.#byElements(await this.#host.look('changed'), applied);
    this.#tellOne({ kind: 'table', words: `table ${presenceTable} was changed or taken away` }, 'restored');
  }

  async #lookAtPorts(reasons: ReadonlySet<Reason>, applied: Applied, isAll: boolean): Promise<void> {
    const isCalled = isAll || reasons.has('links') || reasons.has('guests');
    if (isAll || this.#hostPace.isDue()) this.#guests.forget();
    if (!isCalled && !this.#portsPace.isDue() && !this.#hostPace.isDue()) return;
    // events say whom to ask; what no event told of is seen when all are asked
    if (isCalled && !isAll && !this.#hostPace.isDue()) {
      await this.#byElements(await this.#host.look('changed'), applied);
      return;
    }
    const seen = await this.#portsPace.timed(() => this.#host.look('all'));
    if (!isCalled && isSame(seen.ports, this.#devices) && !this.#hostPace.isDue()) return;
    await this.#hostPace.timed(() => this.#byElements(seen, applied));
  }

  /** A refusal shows that somebody changed what is loaded; and what is made anew would hide what he changed. */
  async #byElements(seen: Seen, applied: Applied): Promise<void> {
    try {
      this.#tellRestored(await this.#follow(seen, applied, 'by elements'));
    } catch (error) {
      const isFirst = error instanceof CheckFirst || error instanceof LoadRefused;
      if (!isFirst || !applied.restoresDrift) throw error;
      await this.#rules(applied);
      this.#tellRestored(await this.#follow(await this.#host.look('changed'), applied, 'by elements'));
    }
  }

  /** @returns what somebody else had changed, and was put right by the way */
  async #follow(seen: Seen, applied: Applied, how: How): Promise<readonly Drift[]> {
    const followed = await this.#inStep.follow(seen, applied, how);
    this.#devices = seen.ports;
    this.#isLarge ||= this.#inStep.wasLarge;
    this.#inStep.wasLarge = false;
    this.#applied.isOurs();
    this.#tellFollowed(followed);
    return followed.drift;
  }

  #tellFollowed({ ports, diagnostics, strangers }: Followed): void {
    const told = ports.map(({ port, bridge, guest, words }): Happening => {
      const whose = guest === undefined ? {} : { guest };
      return { kind: 'port', port, bridge, ...whose, words: `port ${port} of ${bridge} ${words.join(', ')}` };
    });
    if (told.length > 0) this.#tell(told);
    const faults = diagnostics.filter(isNews).map(printDiagnostic);
    this.#tellBegun(this.#standing.faults, new Map(faults.map((words) => [words, { kind: 'fault', words }])));
    this.#tellDrift(
      'ports',
      strangers.map((name) => ({ kind: 'port', port: name, words: cameLater(name) })),
    );
  }

  /** At the beginning, and after others loaded something during a check, it is waited for; else it runs beside. */
  async #lookAtRules(reasons: ReadonlySet<Reason>, applied: Applied, isAll: boolean): Promise<void> {
    const taken = isAll ? undefined : this.#check.take();
    if (isAll || this.#check.wasInVain) return this.#rules(applied);
    if (taken?.checked !== undefined) await this.#act(taken.checked, applied);
    const isCalled = taken?.again === true || reasons.has('rules') || this.#applied.isOverdue();
    if (!isCalled && (this.#isChecking || !this.#rulesPace.isDue())) return;
    const over = this.#check.begin();
    if (over === undefined) return;
    this.#isChecking = true;
    void this.#rulesPace
      .timed(() => over)
      .then(() => {
        this.#isChecking = false;
      });
  }

  async #rules(applied: Applied): Promise<void> {
    this.#check.outdate();
    await this.#rulesPace.timed(async () => {
      const checked = await this.#aside('drift', undefined);
      // without restoring, what should be loaded is what elements are reckoned from
      if (checked.isApplied && (checked.drift.length === 0 || !applied.restoresDrift)) this.#inStep.knows();
      await this.#act(checked, applied);
    });
  }

  async #act({ drift: found }: Checked, applied: Applied): Promise<void> {
    this.#isLarge = true;
    if (found.length > 0 && applied.restoresDrift) await this.#restore('rules', found, applied);
    else this.#tellDrift('rules', found);
  }

  /** What is still so afterwards could not be put right. */
  async #restore(about: string, found: readonly Drift[], applied: Applied): Promise<void> {
    this.#guests.forget();
    this.#check.outdate();
    const besides = await this.#follow(await this.#host.look('all'), applied, 'anew');
    const left = about === 'rules' ? (await this.#aside('drift', undefined)).drift : await this.#switchDrift();
    const words = new Set(left.map((one) => one.words));
    const all = new Map([...found, ...besides].map((one) => [one.words, one]));
    this.#tellRestored([...all.values()].filter((one) => !words.has(one.words)));
    this.#tellDrift(about, left);
  }

  async #lookAtSwitches(reasons: ReadonlySet<Reason>, applied: Applied, isAll: boolean): Promise<void> {
    const { ground } = this.#inStep;
    if (ground === undefined) return;
    if (!isAll && !reasons.has('others') && !this.#switchesPace.isDue()) return;
    const found = await this.#switchesPace.timed(() => this.#switchDrift());
    const isNew = found.some(({ words }) => !this.#isStanding('switches', words));
    if (isNew && applied.restoresDrift) {
      // what is made anew would hide what somebody changed in our rules at the same time
      if (this.#check.isOfUse) await this.#rules(applied);
      await this.#restore('switches', found, applied);
    } else this.#tellDrift('switches', found);
    if (isAll || reasons.has('others') || hasLegacyTables() || this.#wantsMore()) await this.#lookAtOthers();
  }

  async #switchDrift(): Promise<readonly Drift[]> {
    const { ground } = this.#inStep;
    if (ground === undefined || isCalledForAll()) return [];
    return hostDrift({ bridges: [] }, ground, await readBridgeCalls(this.#site.access)).filter(
      ({ kind }) => kind === 'sysctl',
    );
  }

  async #lookAtOthers(): Promise<void> {
    const { wanted } = this.#inStep;
    const { access } = this.#site;
    const { deaf } = await readBridgeCalls(access);
    const found = [...obstacles(await readOthers(access), wanted, deaf), ...(await savedCopies(access))];
    this.#tellDrift('others', found);
    this.#tried = { wanted, kinds: new Set(wanted.map(wantedKind)) };
  }

  /** As when the first guest of a bridge came. */
  #wantsMore(): boolean {
    const { wanted } = this.#inStep;
    return wanted !== this.#tried.wanted && wanted.some((one) => !this.#tried.kinds.has(wantedKind(one)));
  }

  async #tellFile(applied: Applied): Promise<void> {
    const words = await this.#file.words(applied);
    this.#tellBegun(this.#standing.file, new Map(words.map((one) => [one, { kind: 'policy', words: one }])));
  }

  #tellBegun(standing: Standing<Happening>, now: ReadonlyMap<string, Happening>): void {
    const { begun } = standing.now(now);
    if (begun.length > 0) this.#tell(begun);
  }

  #driftAbout(about: string): Standing<Drift> {
    const standing = this.#standing.drift.get(about) ?? new Standing<Drift>();
    this.#standing.drift.set(about, standing);
    return standing;
  }

  #isStanding(about: string, words: string): boolean {
    return this.#driftAbout(about).has(words);
  }

  #tellDrift(about: string, found: readonly Drift[]): void {
    const items = new Map(shortened(found).map((drift) => [drift.words, drift]));
    const { begun, over } = this.#driftAbout(about).now(items);
    for (const drift of begun) this.#tellOne(drift, 'reported');
    for (const drift of over) this.#tellOne(drift, 'over');
  }

  #tellRestored(restored: readonly Drift[]): void {
    for (const drift of shortened(restored)) this.#tellOne(drift, 'restored');
  }

  #tellOne({ kind, port, words }: Drift, outcome: 'restored' | 'reported' | 'over'): void {
    this.#tell([{ kind: 'drift', what: kind, ...(port === undefined ? {} : { port }), words, outcome }]);
  }

  async end(): Promise<void> {
    await this.#check.end();
    await this.#inStep.end();
  }
}

function isSame(ones: readonly BridgePort[], others: readonly BridgePort[]): boolean {
  const known = new Map(others.map((port) => [port.index, port]));
  return (
    ones.length === others.length &&
    ones.every(({ index, name, bridge }) => known.get(index)?.name === name && known.get(index)?.bridge === bridge)
  );
}

/** Where all is gone, a line for each chain of thousands of guests says less. */
const mostLines = 10;

function shortened(found: readonly Drift[]): readonly Drift[] {
  const [first] = found;
  if (first === undefined || found.length <= mostLines) return found;
  const more = `and ${found.length - mostLines} more things of ours are not as they were loaded`;
  return [...found.slice(0, mostLines), { kind: first.kind, words: more }];
}

/** That a guest does not run, and so has no port, is no news. */
function isNews(diagnostic: Diagnostic): boolean {
  return hasErrors([diagnostic]) ? diagnostic.code !== 'unknown-port' : diagnostic.span.file === '<host>';
}
