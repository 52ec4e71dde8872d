// The options that choose a back end, and the ruleset that follows.
import { compile } from '../compile/compile.ts';
import type { Numbering } from '../compile/numbers.ts';
import { lowerIptables } from '../iptables/lower.ts';
import type { Checked } from '../model/diagnostic.ts';
import type { RuleList } from '../model/rule-list.ts';
import type { Backend, Ruleset } from '../model/ruleset.ts';
import { lowerNft } from '../nft/lower.ts';
import type { Inputs } from './input.ts';

export type ArpChecks = 'on' | 'off';

export function lower(list: RuleList, backend: Backend, arpChecks: ArpChecks): Ruleset {
  return backend === 'nft' ? lowerNft(list, { arp: arpChecks === 'on' ? 'bound' : 'unchecked' }) : lowerIptables(list);
}

export type Compiled = { readonly list: RuleList; readonly numbering: Numbering };

export function compileInputs(inputs: Checked<Inputs>, previous: Numbering = {}): Checked<Compiled> {
  if (inputs.value === undefined) return { diagnostics: inputs.diagnostics };
  const compiled = compile(inputs.value.policy, inputs.value.host, previous);
  return { ...compiled, diagnostics: [...inputs.diagnostics, ...compiled.diagnostics] };
}
