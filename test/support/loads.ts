// A list goes into the kernel by both back ends, as it would on a host, and comes back as it was.
import assert from 'node:assert/strict';
import { canonical as canonicalIptables } from '../../src/iptables/canonical.ts';
import { type IptablesOptions, lowerIptables } from '../../src/iptables/lower.ts';
import { parseIptablesSave } from '../../src/iptables/parse.ts';
import { printIptablesSave } from '../../src/iptables/print.ts';
import type { RuleList } from '../../src/model/rule-list.ts';
import { canonical as canonicalNft } from '../../src/nft/canonical.ts';
import { lowerNft } from '../../src/nft/lower.ts';
import { parseNftJson } from '../../src/nft/parse-json.ts';
import { printNft } from '../../src/nft/print.ts';
import { mustRun, type Namespace } from './namespace.ts';

/** What is in the namespace before is replaced. `say` stands before every complaint. */
export async function assertLoads(
  list: RuleList,
  namespace: Namespace,
  say: string,
  options?: IptablesOptions,
): Promise<void> {
  const nft = lowerNft(list, { arp: 'bound' });
  await mustRun(namespace, 'nft', ['-f', '-'], printNft(nft));
  const { stdout } = await mustRun(namespace, 'nft', ['-j', 'list', 'ruleset']);
  const listed = parseNftJson(JSON.parse(stdout));
  assert.deepEqual(listed.skipped, [], say);
  const own = listed.ruleset.tables.filter(({ name }) => name === 'bk');
  assert.deepEqual(canonicalNft({ ...listed.ruleset, tables: own }), canonicalNft(nft), say);
  const iptables = lowerIptables(list, options);
  await mustRun(namespace, 'iptables-legacy-restore', [], printIptablesSave(iptables));
  const saved = await mustRun(namespace, 'iptables-legacy-save', []);
  const { value, diagnostics } = parseIptablesSave(saved.stdout, 'saved');
  assert.deepEqual(diagnostics, [], say);
  assert.ok(value);
  assert.deepEqual(canonicalIptables(value), canonicalIptables(iptables), say);
}
