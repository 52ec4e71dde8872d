// What the daemon has done by a process of its own: whatever compiles, parses or lists a large host. That takes hundreds of
// megabytes for some seconds, which are gone with the process. Answers are plain data, and small.

import type { Drift } from '../apply/drift.ts';
import { type Anew, refreshAnew } from '../apply/live/anew.ts';
import { currentGeneration, listOfGeneration, policyOfGeneration, targetOfGeneration } from '../apply/live/facts.ts';
import { readOwnDrift, readOwnDriftBeside } from '../apply/live/own-drift.ts';
import { readPending } from '../apply/live/pending.ts';
import { type Reckoning, refreshRules } from '../apply/live/refresh.ts';
import type { Site } from '../apply/live/site.ts';
import { type Wanted, wantedConnections } from '../apply/wanted.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import { allPorts, type Host } from '../model/host.ts';
import type { Ground } from '../model/rule-list.ts';
import { type AskedAgents, askedAgents } from '../topology/asked-agents.ts';
import { parseHost } from '../topology/host-file.ts';
import type { LiveFacts } from '../topology/live.ts';
import { readFacts } from '../topology/read.ts';
import { wordsOfPolicyFile } from './policy-file.ts';

/** The rules that should be loaded, as far as who follows must know them. */
export type Applied = {
  readonly id: number;
  readonly policyDigest: string;
  /** Whether this version can read the policy still. */
  readonly isReadable: boolean;
  readonly restoresDrift: boolean;
  readonly agents: AskedAgents;
  /** Undefined when this version cannot make the rules any more. */
  readonly ground: Ground | undefined;
  /** Connections that they allow, as examples. */
  readonly wanted: readonly Wanted[];
  /** Ports behind which somebody was when the rules were made. */
  readonly inhabited: ReadonlySet<string>;
};

export type Reported = {
  readonly ground: Ground;
  readonly wanted: readonly Wanted[];
  readonly diagnostics: readonly Diagnostic[];
  /** Ports that nobody knows and that the rules shall not name yet. */
  readonly strangers: readonly string[];
};

/** One function for everything that can be asked. */
export const work = {
  applied,
  drift,
  driftBeside,
  anew: (site: Site, host: Host): Promise<Anew | undefined> => refreshAnew(site, host),
  reported,
  facts: (_site: Site): Promise<LiveFacts> => readFacts(),
  policyFile: async (_site: Site, asked: Parameters<typeof wordsOfPolicyFile>[0]) => wordsOfPolicyFile(asked),
};

/** Undefined when nothing was ever applied. @throws HostError 'unreadable' */
async function applied({ state }: Site): Promise<Applied | undefined> {
  const kept = currentGeneration(state, readPending(state));
  if (kept === undefined) return undefined;
  const policy = policyOfGeneration(kept);
  const host = parseHost(kept.texts.host, 'host.yaml').value;
  const ports = host === undefined ? [] : allPorts(host);
  const list = listOfGeneration(state, kept);
  return {
    id: kept.id,
    policyDigest: kept.policyDigest,
    isReadable: policy !== undefined,
    restoresDrift: policy?.restoreDrift !== false,
    agents: askedAgents(policy),
    ground: list?.ground,
    wanted: list === undefined ? [] : wantedConnections(list),
    inhabited: new Set(ports.flatMap(({ name, guest }) => (guest === undefined ? [] : [name]))),
  };
}

/** `isApplied`: something should be loaded. */
export type Checked = { readonly drift: readonly Drift[]; readonly isApplied: boolean };

async function drift(site: Site): Promise<Checked> {
  const { drift: found, expected } = await readOwnDrift(site);
  return { drift: found, isApplied: expected !== undefined };
}

/** Undefined when other rules were loaded meanwhile. */
async function driftBeside(site: Site): Promise<Checked | undefined> {
  const found = await readOwnDriftBeside(site);
  return found && { drift: found.drift, isApplied: found.expected !== undefined };
}

type ReportedAsk = { readonly host: Host; readonly known: ReadonlySet<string>; readonly from: Reckoning };

/**
 * Where drift is only reported: new ports with nobody behind them are left out of the rules.
 * @param asked `known` are ports that the loaded rules name
 */
async function reported(site: Site, { host, known, from }: ReportedAsk): Promise<Reported | undefined> {
  const kept = currentGeneration(site.state, readPending(site.state));
  if (kept === undefined) return undefined;
  const wanted = targetOfGeneration(site.state, kept, host)?.list.ground.bridges ?? [];
  const strangers = wanted.flatMap(({ ports }) =>
    ports.filter(({ name, kind }) => kind === 'closed' && !known.has(name)).map(({ name }) => name),
  );
  const refreshed = await refreshRules(site, withoutPorts(host, strangers), from);
  if (refreshed === undefined) return undefined;
  const { list } = refreshed.target;
  return { ground: list.ground, wanted: wantedConnections(list), diagnostics: refreshed.diagnostics, strangers };
}

function withoutPorts(host: Host, names: readonly string[]): Host {
  if (names.length === 0) return host;
  const gone = new Set(names);
  const bridges = host.bridges.map((bridge) => ({
    ...bridge,
    ports: bridge.ports.filter(({ name }) => !gone.has(name)),
  }));
  return { ...host, bridges };
}

type Work = typeof work;

export type Errand = keyof Work;

/** What it is asked with; undefined for what asks for nothing. */
export type Question<E extends Errand> = Parameters<Work[E]>[1];

export type Answer<E extends Errand> = Awaited<ReturnType<Work[E]>>;
