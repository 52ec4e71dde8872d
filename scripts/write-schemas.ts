// The shapes of policy.yaml and host.yaml -> schemas/*.schema.json, for editors.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { policySchema } from '../src/policy/policy-schema.ts';
import { hostSchema } from '../src/topology/host-schema.ts';

/** File name -> text. Draft 7 is what the YAML language server knows best. */
export function schemaFiles(): ReadonlyMap<string, string> {
  const text = (schema: z.ZodType) => `${JSON.stringify(z.toJSONSchema(schema, { target: 'draft-7' }), null, 2)}\n`;
  return new Map([
    ['policy.schema.json', text(policySchema)],
    ['host.schema.json', text(hostSchema)],
  ]);
}

if (import.meta.main) {
  const folder = join(import.meta.dirname, '..', 'schemas');
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of schemaFiles()) writeFileSync(join(folder, name), text);
}
