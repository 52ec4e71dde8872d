// Whatever host and policy are compiled, the kernel takes the rules, and lists them as they were made: no overlapping
// ranges, no name too long, nothing that only a simulator would accept.
import { test } from 'node:test';
import fc from 'fast-check';
import { compiledFrom, example, factsOf, listOf } from '../support/compiled.ts';
import { assertLoads } from '../support/loads.ts';
import { freshNamespace, needsRoot } from '../support/namespace.ts';
import { hostPlan, textsOf } from '../support/random-hosts.ts';
import { topologies } from '../support/topologies.ts';

/** BRIDGEKEEPER_FULL=1 for more of them. */
const hosts = process.env.BRIDGEKEEPER_FULL === '1' ? 30 : 12;

const trees = { manyPorts: 2, manyDestinations: 2 };

test('hosts of every shape load', { skip: needsRoot }, async (t) => {
  const namespace = await freshNamespace();
  t.after(() => namespace.close());
  await assertLoads(compiledFrom(example()).list, namespace, 'two-bridge');
  for (const [name, texts] of Object.entries(topologies)) await assertLoads(listOf(texts), namespace, name);
});

test('random hosts load', { skip: needsRoot }, async (t) => {
  const namespace = await freshNamespace();
  t.after(() => namespace.close());
  let turn = 0;
  await fc.assert(
    fc.asyncProperty(hostPlan, async (plan) => {
      const { list } = compiledFrom(factsOf(textsOf(plan)));
      await assertLoads(list, namespace, JSON.stringify(plan), turn++ % 2 === 0 ? trees : undefined);
    }),
    { seed: 60, numRuns: hosts },
  );
});
