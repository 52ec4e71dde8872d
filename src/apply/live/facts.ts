// What is so now: the rules in the kernel, the generation they should be, and what that generation wants of the host as
// it is today.

import { parseIptablesSave } from '../../iptables/parse.ts';
import type { Access } from '../../machine/access.ts';
import type { Host } from '../../model/host.ts';
import { HostError } from '../../model/host-error.ts';
import type { Policy } from '../../model/policy.ts';
import type { RuleList } from '../../model/rule-list.ts';
import type { Ruleset } from '../../model/ruleset.ts';
import { parseNft } from '../../nft/parse.ts';
import { parsePolicy } from '../../policy/parse-policy.ts';
import { parseHost } from '../../topology/host-file.ts';
import { printHost } from '../../topology/print-host.ts';
import { bootStep, type Loaded } from '../loaded.ts';
import { hostAfter } from '../since.ts';
import { type Target, targetOfText } from '../target.ts';
import { type BridgeCalls, readBridgeCalls } from './bridge-calls.ts';
import { readLoaded } from './kernel.ts';
import { type Pending, readPending } from './pending.ts';
import { readSince } from './since.ts';
import { confirmedId, type Generation, type GenerationTexts, readGeneration, readNumbering } from './state.ts';

export type Kept = Generation & { readonly texts: GenerationTexts };

export type Facts = {
  readonly loaded: Loaded;
  readonly calls: BridgeCalls;
  readonly pending?: Pending;
  /** What should be loaded: the generation that waits, or the confirmed one. */
  readonly current?: Kept;
};

/** @throws HostError as `readLoaded`, and 'unreadable' */
export async function readFacts(access: Access, state: string): Promise<Facts> {
  const pending = readPending(state);
  const current = currentGeneration(state, pending);
  return {
    loaded: await readLoaded(access),
    calls: await readBridgeCalls(access),
    ...(pending === undefined ? {} : { pending }),
    ...(current === undefined ? {} : { current }),
  };
}

/** @throws HostError 'unreadable' */
export function currentGeneration(state: string, pending: Pending | undefined): Kept | undefined {
  const id = currentId(state, pending);
  return id === undefined ? undefined : keptGeneration(state, id);
}

/** Of the generation that waits, or the confirmed one. */
export function currentId(state: string, pending: Pending | undefined): number | undefined {
  const waits = pending?.stage === 'armed' || pending?.stage === 'confirmed';
  return waits ? pending?.journal.generation : confirmedId(state);
}

/** With what changed since it was written. @throws HostError 'unreadable' */
export function keptGeneration(state: string, id: number): Kept {
  const kept = readGeneration(state, id);
  const since = readSince(state, kept);
  const written = since.length === 0 ? undefined : parseHost(kept.texts.host, 'host.yaml').value;
  if (written === undefined) return kept;
  const host = since.reduce(hostAfter, written);
  const target = targetOfGeneration(state, kept, host);
  const rules = target === undefined ? kept.texts.rules : bootStep(target.ruleset).text;
  return { ...kept, texts: { ...kept.texts, host: printHost(host), rules } };
}

/** The list that a generation was made from; undefined when this version cannot make it any more. */
export function listOfGeneration(state: string, kept: Kept): RuleList | undefined {
  const host = parseHost(kept.texts.host, 'host.yaml').value;
  return host === undefined ? undefined : targetOfGeneration(state, kept, host)?.list;
}

/** What a generation's policy wants of a host, as that of today; undefined when it can want nothing of it. */
export function targetOfGeneration(state: string, kept: Kept, host: Host): Target | undefined {
  const { backend, arp, policyFile, texts } = kept;
  return targetOfText({ backend, arp, policyFile, policyText: texts.policy }, host, readNumbering(state)).value;
}

/** As it is written; undefined when this version cannot read it any more. */
export function policyOfGeneration({ policyFile, texts }: Kept): Policy | undefined {
  return parsePolicy(texts.policy, policyFile).value;
}

/** The rules of a generation as they were loaded. @throws HostError 'unreadable' */
export function rulesOfGeneration({ backend, texts }: Kept): Ruleset {
  const parsed =
    backend === 'nft' ? parseNft(texts.rules, 'rules.nft') : parseIptablesSave(appended(texts.rules), 'rules.iptables');
  if (parsed.value === undefined || parsed.diagnostics.length > 0) {
    throw new HostError(
      'unreadable',
      `the kept rules of ${backend} cannot be read: ${parsed.diagnostics[0]?.message ?? ''}`,
    );
  }
  return parsed.value;
}

/** Jumps are put in front when they are loaded; a listing knows appended rules only, and their order means nothing. */
function appended(rules: string): string {
  return rules.replaceAll(/^-I /gm, '-A ');
}
