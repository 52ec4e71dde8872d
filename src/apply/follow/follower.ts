// The rules that are loaded, kept up to date with a host whose guests come and go, at the cost of what changed: both hosts are
// made small, compiled, and what differs is what differs in the large ones. Where that is not certain, it says so, and
// everything is made anew from the beginning.
import { draftList } from '../../compile/compile.ts';
import type { Numbering } from '../../compile/numbers.ts';
import { settlePolicy } from '../../compile/settle.ts';
import type { Diagnostic } from '../../model/diagnostic.ts';
import type { Host, Port } from '../../model/host.ts';
import { listIps, ofFamily } from '../../model/ip-set.ts';
import type { Policy } from '../../model/policy.ts';
import { type GroundPort, type RuleList, rulesOf } from '../../model/rule-list.ts';
import type { TableChanges } from '../../nft/changes.ts';
import { allowChain } from '../../nft/entrances.ts';
import { lowerNft } from '../../nft/lower.ts';
import { portChain, ruleChain } from '../../nft/parts.ts';
import { printMoves } from '../../nft/print-moves.ts';
import { listChanges, type PortChange } from '../rule-changes.ts';
import type { Manner } from '../target.ts';
import { bridgesOf, type FollowerSeed } from './follower-seed.ts';
import { hostChanges } from './host-changes.ts';
import { LoadedRules, type Own } from './loaded-rules.ts';
import { PortIndex, PortsOfBoth } from './port-index.ts';
import { ruleFacts } from './rule-facts.ts';
import {
  type Anchors,
  anchorsOf,
  areStillAnchors,
  isBorder,
  showKinds,
  smallHost,
  smallPolicy,
  type WholePolicy,
  wholePolicy,
} from './small-host.ts';
import { type Subjects, subjectsOf } from './subjects.ts';

export type Step = {
  /** For nft, one transaction; empty when no rule changes. */
  readonly text: string;
  readonly changes: readonly TableChanges[];
  /** Ports that came, went or changed: as they were, and as they are. */
  readonly was: readonly Port[];
  readonly now: readonly Port[];
  /** Names of guests of whom the host says something else now. */
  readonly guests: ReadonlySet<string>;
  /** What that means, port by port. */
  readonly portChanges: readonly PortChange[];
  /** Rules that were never there before, with their numbers. */
  readonly fresh: Numbering;
  readonly diagnostics: readonly Diagnostic[];
  /** Of the small host, which the text was made from. */
  readonly list?: RuleList;
};

export class Follower {
  readonly #arp: Manner['arp'];
  readonly #whole: WholePolicy;
  readonly #rules: LoadedRules;
  readonly #numbers: Map<string, number>;
  #next: number;
  readonly #ports: PortIndex;
  #host: Host;
  #anchors: Anchors | undefined;
  /** Those that are managed; whenever another one is, everything is made anew. */
  readonly #bridges: string;
  #diagnostics: readonly Diagnostic[];

  /** @param host that the loaded rules were made for */
  constructor({ arp, policy, rules, numbers, bridges, diagnostics }: FollowerSeed, host: Host) {
    this.#arp = arp;
    this.#whole = wholePolicy(policy, host);
    this.#rules = new LoadedRules(rules);
    this.#numbers = new Map(numbers);
    this.#next = highest(this.#numbers) + 1;
    this.#bridges = bridges;
    this.#ports = new PortIndex(host);
    this.#host = host;
    this.#diagnostics = diagnostics;
  }

  get host(): Host {
    return this.#host;
  }

  get diagnostics(): readonly Diagnostic[] {
    return this.#diagnostics;
  }

  /**
   * The way to the rules for the host as it is now, which are taken for loaded then. Undefined when it takes more than a
   * few elements, or when that is not certain: this follower is of no use any more, and a new one has to be made.
   */
  step(host: Host): Step | undefined {
    const changes = hostChanges(this.#host, host, this.#ports);
    if (changes === undefined) return undefined;
    const { was, now } = changes;
    if (was.length === 0 && now.length === 0 && (changes.guests.size === 0 || !this.#whole.index.believesHost)) {
      this.#host = host;
      const { guests } = changes;
      return { text: '', changes: [], was, now, guests, portChanges: [], fresh: {}, diagnostics: this.#diagnostics };
    }
    // who moves to another bridge leaves a hole in one interval and makes one in another: that is no step of few elements
    if (new Set([...was, ...now].map(({ bridge }) => bridge)).size > 1) return undefined;
    const known = new PortsOfBoth(this.#ports, now);
    const subjects = subjectsOf(changes, this.#whole.index, known, [this.#host, host]);
    if (!areGuestPorts(subjects, known, host)) return undefined;
    const anchors = this.#anchorsFor(subjects);
    if (anchors === undefined) return undefined;
    const policy = smallPolicy(this.#whole, subjects, anchors);
    const before = this.#small(policy, smallHost(this.#host, subjects, anchors));
    const after = this.#small(policy, smallHost(host, subjects, anchors));
    if (before === undefined || after === undefined || Object.keys(before.fresh).length > 0) return undefined;
    if (![before, after].every(({ list }) => bridgesOf(list) === this.#bridges)) return undefined;
    const own = ownOf(subjects, before.list, after.list);
    const ruleset = lowerNft(after.list, { arp: this.#arp });
    const moved = this.#rules.change(ruleFacts(lowerNft(before.list, { arp: this.#arp })), ruleFacts(ruleset), own);
    if (moved === undefined) return undefined;
    for (const [id, number] of Object.entries(after.fresh)) this.#numbers.set(id, number);
    this.#next += Object.keys(after.fresh).length;
    this.#host = host;
    this.#ports.replace(was, now);
    this.#anchors = showKinds(anchors, subjects, this.#whole, this.#ports) ? anchors : undefined;
    this.#diagnostics = exchanged(this.#diagnostics, before.diagnostics, after.diagnostics);
    return {
      text: printMoves(moved, ruleset),
      changes: moved,
      was,
      now,
      guests: changes.guests,
      list: after.list,
      portChanges: listChanges(before.list, after.list).ports,
      fresh: after.fresh,
      diagnostics: this.#diagnostics,
    };
  }

  #anchorsFor(subjects: Subjects): Anchors | undefined {
    if (this.#anchors !== undefined && areStillAnchors(this.#anchors, subjects)) return this.#anchors;
    const isClosed = (port: string): boolean => this.#rules.has('bridge closed', [port]);
    return anchorsOf(this.#whole, subjects, this.#host, this.#ports, isClosed);
  }

  #small(policy: Policy, host: Host): Small | undefined {
    const settled = settlePolicy(policy, host);
    const drafted = draftList(settled.value ?? policy, host, this.#whole.outside);
    if (drafted.value === undefined) return undefined;
    const fresh: Record<string, number> = {};
    let next = this.#next;
    for (const id of drafted.value.ids) if (!this.#numbers.has(id)) fresh[id] ??= next++;
    const list = drafted.value.list((id) => this.#numbers.get(id) ?? fresh[id] ?? 0);
    return { list, fresh, diagnostics: [...settled.diagnostics, ...drafted.diagnostics] };
  }
}

type Small = { readonly list: RuleList; readonly fresh: Numbering; readonly diagnostics: readonly Diagnostic[] };

function highest(numbers: ReadonlyMap<string, number>): number {
  let most = 0;
  for (const number of numbers.values()) most = Math.max(most, number);
  return most;
}

/** Cables and uplinks decide about every port, and are not followed. */
function areGuestPorts({ ports }: Subjects, known: PortsOfBoth, { bridges }: Host): boolean {
  const cables = bridges.flatMap((bridge) => bridge.ports.filter(({ peer }) => peer !== undefined));
  const peers = new Set(cables.map(({ peer }) => peer));
  return [...ports].every((name) => !peers.has(name) && !known.named(name).some(isBorder));
}

/** What the few may be called by, before and after. */
function ownOf({ ports, guests }: Subjects, before: RuleList, after: RuleList): Own {
  const ips = new Set<bigint>();
  const macs = new Set<bigint>();
  const chains = new Set<string>();
  const familiar = new Set<string>();
  const bound = [before, after].map((list) => {
    for (const rule of rulesOf(list)) {
      const isOwn = rule.place.kind === 'port' && ports.has(rule.place.port);
      for (const family of ['bridge', 'ip']) (isOwn ? chains : familiar).add(`${family} ${ruleChain(rule)}`);
    }
    const addresses = new Set<bigint>();
    for (const port of list.ground.bridges.flatMap((bridge) => bridge.ports)) {
      const isOwn = ports.has(port.name);
      for (const name of chainsOf(port)) (isOwn ? chains : familiar).add(name);
      if (!isOwn) continue;
      if (port.own?.mac !== undefined) macs.add(BigInt(port.own.mac));
      for (const { bits } of listIps(ofFamily(port.own?.ips ?? [], 4))) addresses.add(bits);
    }
    for (const bits of addresses) ips.add(bits);
    return addresses;
  });
  for (const { addresses } of guests) for (const { bits } of listIps(ofFamily(addresses, 4))) ips.add(bits);
  return { ports, ips, macs, chains, familiar, bound: { before: bound[0] ?? new Set(), after: bound[1] ?? new Set() } };
}

function chainsOf(port: GroundPort): readonly string[] {
  if (port.kind !== 'guest' && port.kind !== 'closed') return [];
  return [`bridge ${portChain('in', port)}`, `bridge ${portChain('out', port)}`, `ip ${allowChain(port.name)}`];
}

function exchanged(
  all: readonly Diagnostic[],
  before: readonly Diagnostic[],
  after: readonly Diagnostic[],
): readonly Diagnostic[] {
  const keyOf = ({ code, message }: Diagnostic): string => `${code} ${message}`;
  const was = new Set(before.map(keyOf));
  const now = new Set(after.map(keyOf));
  const kept = all.filter((one) => !was.has(keyOf(one)) || now.has(keyOf(one)));
  const known = new Set(kept.map(keyOf));
  return [...kept, ...after.filter((one) => !was.has(keyOf(one)) && !known.has(keyOf(one)))];
}
