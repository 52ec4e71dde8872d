// Puts a ruleset into the host's namespace of a lab.

import { printIptablesSave } from '../iptables/print.ts';
import { HostError } from '../model/host-error.ts';
import type { Ruleset } from '../model/ruleset.ts';
import { printNft } from '../nft/print.ts';
import type { Agent } from './agent.ts';

/** @throws HostError 'load-refused' with the tool's own words; nothing is loaded then */
export async function loadRuleset(host: Agent, ruleset: Ruleset): Promise<void> {
  const [argv, input] =
    ruleset.backend === 'nft'
      ? [['nft', '-f', '-'], printNft(ruleset)]
      : [['iptables-restore', '--noflush'], printIptablesSave(ruleset)];
  const { status, stderr } = await host.run(argv, { input, timeoutMs: 60_000 });
  if (status === 0 && stderr.trim() === '') return;
  throw new HostError('load-refused', `${argv.join(' ')}: ${stderr.trim() || `status ${status}`}`);
}
