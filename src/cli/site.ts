// Host, policy and the numbers of the loaded rules -> what lines of the firewall log are held against.
import assert from 'node:assert/strict';
import { Explainer } from '../explain/explainer.ts';
import { Site } from '../explain/site.ts';
import { HostError } from '../model/host-error.ts';
import { type RuleList, rulesOf } from '../model/rule-list.ts';
import { logPrefix } from '../model/rule-prefix.ts';
import { parsePolicy } from '../policy/parse-policy.ts';
import { parseHost } from '../topology/host-file.ts';
import { builtInPrefixes, type LoadedPrefix, PrefixTable } from '../watch/prefixes.ts';
import { type InputOptions, readInputs, tellFaults } from './input.ts';
import { compileInputs } from './lowering.ts';
import { loadedNumbers } from './numbers-file.ts';
import { tell } from './output.ts';

export type SiteOptions = InputOptions & { readonly numbers?: string };

export type KnownSite = {
  readonly site: Site;
  /** Learns from the lines that are shown to it. */
  readonly explainer: Explainer;
  readonly prefixes: PrefixTable;
  /** Nothing is known of any machine: it is no news that a line's is another one. */
  readonly isUnknown?: true;
  /** Policy or host have faults; what can be told is told. */
  readonly faulty: boolean;
};

/** `undefined`: they have faults with which there are no rules. @throws HostError when they cannot be read */
export async function readSite(directory: string | undefined, options: SiteOptions): Promise<KnownSite | undefined> {
  const numbers = loadedNumbers(options.numbers);
  const inputs = await readInputs(directory, options);
  const compiled = compileInputs(inputs, numbers);
  const faulty = tellFaults(compiled.diagnostics);
  if (inputs.value === undefined || compiled.value === undefined) return undefined;
  const { policy, host, lineText } = inputs.value;
  const { list } = compiled.value;
  const site = new Site(policy, host, list, lineText);
  return { site, explainer: new Explainer(site), prefixes: new PrefixTable(loadedPrefixes(list)), faulty };
}

/** A machine of which nothing is known: no bridges, no guests, no rules of ours. */
export function unknownSite(): KnownSite {
  const policy = parsePolicy('guests: {}\n', '').value;
  const host = parseHost('host: unknown\nbridges: {}\n', '').value;
  assert.ok(policy !== undefined && host !== undefined);
  const list: RuleList = { entries: [], ground: { bridges: [], facing: [], ruled: [], patterns: [] } };
  const site = new Site(policy, host, list, () => undefined);
  return { site, explainer: new Explainer(site), prefixes: builtInPrefixes, isUnknown: true, faulty: false };
}

/** For commands that also work without: what nobody asked for may be missing. */
export async function siteAtHand(directory: string | undefined, options: SiteOptions): Promise<KnownSite | undefined> {
  const { host, policy, numbers } = options;
  const isAsked = [directory, host, policy, numbers].some((one) => one !== undefined);
  if (isAsked) return readSite(directory, options);
  try {
    return await readSite(undefined, {});
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    if (error.code !== 'unreadable') tell(`lines are not explained: ${error.message}`);
    return undefined;
  }
}

function loadedPrefixes(list: RuleList): readonly LoadedPrefix[] {
  return rulesOf(list)
    .filter(({ number, log }) => number !== undefined && log)
    .map(({ number, verdict }) => ({
      prefix: logPrefix({ number: number ?? 0, verdict }),
      action: verdict,
      rule: number ?? 0,
    }));
}
