// The live host, the policy, and the rules that follow: what plan, diff and apply begin with.
import { resolve } from 'node:path';
import { withKeptBridges } from '../apply/live/kept-bridges.ts';
import type { Site } from '../apply/live/site.ts';
import { readNumbering } from '../apply/live/state.ts';
import { type Target, targetOf } from '../apply/target.ts';
import { localApart } from '../machine/access.ts';
import type { Checked } from '../model/diagnostic.ts';
import type { Backend } from '../model/ruleset.ts';
import { assertGuestsKnown, type InputOptions, readInputs } from './input.ts';
import type { ArpChecks } from './lowering.ts';
import { type StateOptions, stateDirectory } from './state-directory.ts';

export type LiveOptions = InputOptions &
  StateOptions & {
    readonly backend: Backend;
    readonly arpChecks: ArpChecks;
  };

export function siteOf(options: StateOptions, command: string): Site {
  return { access: localApart, state: resolve(stateDirectory(options)), command };
}

/** Rule numbers are those of the state directory, where there are some. */
export async function readTarget(options: LiveOptions): Promise<Checked<Target>> {
  const inputs = await readInputs(undefined, options);
  if (inputs.value === undefined) return { diagnostics: inputs.diagnostics };
  const { policy, policyText } = inputs.value;
  assertGuestsKnown(inputs.diagnostics, policy, inputs.value.host);
  const { state } = siteOf(options, '');
  const host = withKeptBridges(state, policy, inputs.value.host);
  const arp = options.arpChecks === 'on' ? 'bound' : 'unchecked';
  const intent = { policy, policyText, host, backend: options.backend, arp } as const;
  const target = targetOf(intent, readNumbering(state));
  return { ...target, diagnostics: [...inputs.diagnostics, ...target.diagnostics] };
}
