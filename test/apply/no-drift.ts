// What `status` says of drift, as far as our rules and the host go: connections, the rules of others and the processes that
// are looked for cost as many programs again.
import assert from 'node:assert/strict';
import { hostDrift, rulesDrift } from '../../src/apply/drift.ts';
import { readBridgeCalls } from '../../src/apply/live/bridge-calls.ts';
import { currentGeneration, listOfGeneration, rulesOfGeneration } from '../../src/apply/live/facts.ts';
import { readLoaded } from '../../src/apply/live/kernel.ts';
import { readPending } from '../../src/apply/live/pending.ts';
import type { Host } from '../../src/model/host.ts';
import type { LiveHost } from './live-host.ts';

/** The kernel has the rules that are kept, and they fit the host. */
export async function assertNoDrift({ site: { access, state } }: LiveHost, host: Host, say = ''): Promise<void> {
  const current = currentGeneration(state, readPending(state));
  assert.ok(current, 'rules are in force');
  const list = listOfGeneration(state, current);
  assert.ok(list, 'its policy can be read');
  const drift = [
    ...rulesDrift(await readLoaded(access), rulesOfGeneration(current)),
    ...hostDrift(host, list.ground, await readBridgeCalls(access)),
  ];
  assert.deepEqual(drift, [], say);
}
